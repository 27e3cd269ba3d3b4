"""No error of the EVM is told by the name of a Python class."""

from collections.abc import Iterator

from eth.exceptions import VMError

from shard.engine.reference.tracing.words import words_of


def kinds_of(error: type[VMError]) -> Iterator[type[VMError]]:
    yield error
    for kind in error.__subclasses__():
        yield from kinds_of(kind)


def test_every_error_of_the_evm_has_words() -> None:
    names = {kind.__name__ for kind in kinds_of(VMError)}
    assert len(names) > 10
    assert [name for name in sorted(names) if words_of(name) == name] == []
