"""What `make compiled` makes of a source before mypyc sees it; the digests are compared by the command itself."""

import pytest

from tools.compiled import is_compiled, without_slots


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("@dataclass(slots=True)", "@dataclass"),
        ("@dataclass(frozen=True, slots=True)", "@dataclass(frozen=True)"),
        ("@dataclass(slots=True, eq=False)", "@dataclass(eq=False)"),
        ("@dataclass(frozen=True)", "@dataclass(frozen=True)"),
        ("@dataclass", "@dataclass"),
        ("make(slots=True)", "make(slots=True)"),
    ],
)
def test_dataclasses_declare_no_slots(told: str, expected: str) -> None:
    body = "\nclass Block:\n    slots: int = 0\n"
    assert without_slots(told + body) == expected + body


def test_what_mypyc_does_not_take_stays_as_it_is() -> None:
    assert is_compiled("consensus/committee.py", "QUORUM = 2\n")
    assert not is_compiled("consensus/__init__.py", "\n")
    assert not is_compiled("primitives/votes.py", "class Vote(Container):\n    view: Uint64\n")
    assert not is_compiled("primitives/parameters.py", "from pydantic import BaseModel\n")
    assert not is_compiled("node/core/tree.py", "HEAD = 0\n")
