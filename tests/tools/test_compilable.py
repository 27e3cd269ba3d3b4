"""What mypyc is given in place of a dataclass does what the dataclass does; that the digests are the same the command itself compares."""

import dataclasses
import importlib
import inspect
import operator
import sys
import types
from pathlib import Path

import pytest

from tools.compilable import compilable
from tools.compiled import COMPILED, ROOT, is_compiled

HEAD = "from __future__ import annotations\nfrom dataclasses import dataclass, field\nfrom functools import cached_property\n"
HEAD += "from collections import deque\nfrom typing import Annotated, ClassVar, Generic, TypeVar\n"
HEAD += "from primitives.ssz import Container, Bits, ByteList, Repeated, Uint8, Uint64\nOutcome = TypeVar('Outcome')\n"


def run(monkeypatch: pytest.MonkeyPatch, source: str) -> types.ModuleType:
    """A module made of a source; a frozen class would keep the written constructor out, which the compiler's attributes do not."""
    module = types.ModuleType("written_out")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source.replace("(frozen=True)", "(eq=False)"), module.__dict__)
    return module


def taken() -> list[str]:
    """Sources that are compiled."""
    paths = sorted(path for pattern in COMPILED for path in ROOT.glob(pattern))
    return [name for path in paths if is_compiled(name := str(path.relative_to(ROOT)), path.read_text())]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("@dataclass(slots=True)", "@dataclass"),
        ("@dataclass(frozen=True, slots=True)", "@dataclass(frozen=True)"),
        ("@dataclass(frozen=True, slots=True, order=True)", "@dataclass(frozen=True)"),
        ("@dataclass(slots=True, eq=False)", "@dataclass(eq=False)"),
        ("@dataclass", "@dataclass"),
        ("@make(slots=True)", "@make(slots=True)"),
    ],
)
def test_dataclasses_declare_no_slots(told: str, expected: str) -> None:
    assert compilable(f"{told}\nclass Block:\n    slots: int = 0\n").splitlines()[0] == expected


FROZEN = """
@dataclass(frozen=True, slots=True, order=True)
class Place:
    epoch: int
    view: int = 3
    name: str = "x"
"""


def test_constructor_comparison_and_hash_are_as_a_frozen_dataclass_has_them(monkeypatch):
    plain = types.ModuleType("plain")
    monkeypatch.setitem(sys.modules, "plain", plain)
    plain.__dict__["__name__"] = "plain"
    exec(HEAD + FROZEN, plain.__dict__)
    written = run(monkeypatch, compilable(HEAD + FROZEN))
    cases = [((1,), {}), ((1, 2), {}), ((2,), {"name": "y"}), ((1, 3, "x"), {}), ((1, 3, "w"), {})]
    ours, theirs = ([module.Place(*values, **named) for values, named in cases] for module in (written, plain))
    assert list(map(repr, ours)) == list(map(repr, theirs))
    assert list(map(hash, ours)) == list(map(hash, theirs))
    assert [[a == b for b in ours] for a in ours] == [[a == b for b in theirs] for a in theirs]
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        assert [[compare(a, b) for b in ours] for a in ours] == [[compare(a, b) for b in theirs] for a in theirs]
    assert ours[0] != (1, 3, "x")
    assert dataclasses.replace(ours[0], epoch=2, name="y") == ours[2]


def test_defaults_that_are_made_are_made_for_each(monkeypatch):
    source = "@dataclass(slots=True)\nclass Book:\n    limit: int\n    held: list[int] = field(default_factory=list)\n"
    source += "    marks: deque[int] = field(default_factory=lambda: deque(maxlen=2))\n"
    written = run(monkeypatch, compilable(HEAD + source))
    one, other = written.Book(1), written.Book(2, [5])
    one.held.append(4)
    one.marks.extend((1, 2, 3))
    assert (one.held, list(one.marks)) == ([4], [2, 3])
    assert (other.limit, other.held, list(other.marks)) == (2, [5], [])


def test_a_cached_property_is_computed_once_and_what_a_class_checks_is_checked(monkeypatch):
    source = "@dataclass(frozen=True)\nclass Group:\n    members: tuple[int, ...]\n\n    def __post_init__(self) -> None:\n"
    source += "        assert self.total > 0\n\n    @cached_property\n    def total(self) -> int:\n        COUNTED.append(self.members)\n"
    source += "        return sum(self.members)\n"
    written = run(monkeypatch, compilable(HEAD + "COUNTED = []\n" + source))
    group = written.Group((1, 2))
    assert (group.total, group.total, written.COUNTED) == (3, 3, [(1, 2)])
    with pytest.raises(AssertionError):
        written.Group(())


def test_a_cached_property_of_any_class_is_computed_once(monkeypatch):
    source = (
        'COUNTED = []\n\nclass World:\n    def __init__(self, seed: int) -> None:\n        """Makes one."""\n        self.seed = seed\n'
    )
    source += "\n    @cached_property\n    def genesis(self) -> int:\n        COUNTED.append(self.seed)\n        return self.seed\n"
    written = run(monkeypatch, compilable(HEAD + source))
    world = written.World(7)
    assert (world.genesis, world.genesis, written.COUNTED) == (7, 7, [7])


def test_containers_keep_their_annotations_and_their_class_variables_are_no_fields(monkeypatch):
    source = "@dataclass(frozen=True)\nclass Word(Container):\n    encoded_bytes_max: ClassVar[int] = 9\n"
    source += "    remembers_root: ClassVar[bool] = True\n\n    view: Uint64\n    kind: Uint8\n"
    source += "\n@dataclass(frozen=True, slots=True)\nclass Words(Container):\n    words: Annotated[tuple[Word, ...], Repeated(4)]\n"
    source += "    data: Annotated[bytes, ByteList(8)]\n    bits: Annotated[tuple[bool, ...], Bits(8)]\n"
    plain = types.ModuleType("plain")
    monkeypatch.setitem(sys.modules, "plain", plain)
    exec(HEAD + source, plain.__dict__)
    written = run(monkeypatch, compilable(HEAD + source))
    ours, theirs = (module.Words((module.Word(1, 2), module.Word(3, 4)), b"five", (True, False)) for module in (written, plain))
    assert ours.encode() == theirs.encode()
    assert ours.hash_tree_root() == theirs.hash_tree_root()
    assert written.Words.decode(ours.encode()) == ours
    assert [one.name for one in dataclasses.fields(written.Word)] == ["view", "kind"]
    assert (written.Word.encoded_bytes_max, written.Word.remembers_root, written.Words.remembers_root) == (9, True, False)
    assert ours.words[0]._root == theirs.words[0]._root == written.Word(1, 2).hash_tree_root()


def test_a_generic_class_is_no_dataclass(monkeypatch):
    written = run(
        monkeypatch,
        compilable(HEAD + "@dataclass(slots=True)\nclass Held(Generic[Outcome]):\n    info: int\n    outcome: Outcome | None = None\n"),
    )
    held = written.Held(1)
    assert (held.info, held.outcome, dataclasses.is_dataclass(held)) == (1, None, False)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("@dataclass\nclass Block(Header):\n    body: bytes\n", "Block may inherit fields"),
        ("@dataclass(kw_only=True)\nclass Block:\n    body: bytes\n", "knows nothing of"),
        ("@dataclass(frozen=False)\nclass Block:\n    body: bytes\n", "knows nothing of"),
        ("@dataclass(order=True)\nclass Block:\n    body: bytes\n", "would have no order"),
        ("@dataclass(frozen=True, eq=False)\nclass Block:\n    body: bytes\n", "would be compared"),
        ("@dataclass(frozen=True)\nclass Block(Generic[Outcome]):\n    body: bytes\n", "would not be frozen"),
        ("@dataclass\nclass Block:\n    body: list = field(default_factory=list, compare=False)\n", "knows no field"),
        ("class Block:\n    @cached_property\n    def root(self) -> bytes:\n        return b''\n", "has a constructor"),
    ],
)
def test_what_would_come_out_otherwise_is_refused(source: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        compilable(source)


def test_a_decorator_of_several_lines_is_one():
    assert compilable("@dataclass(\n    slots=True,\n)\nclass Block:\n    body: bytes\n").startswith("@dataclass\nclass Block:\n")


@pytest.mark.parametrize("name", taken())
def test_every_source_that_is_taken_is_python_again(name: str) -> None:
    source = compilable(Path(ROOT, name).read_text())
    compile(source, name, "exec")
    assert "slots=True" not in source
    assert "cached_property\n" not in source.replace("import cached_property\n", "")


@pytest.mark.parametrize("name", [name for name in taken() if "@dataclass" in Path(ROOT, name).read_text()])
def test_constructors_take_what_those_of_the_sources_take(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
    written = run(monkeypatch, compilable(Path(ROOT, name).read_text()).replace("from mypy_extensions import mypyc_attr\n", ""))
    own = [
        (kind, told)
        for kind, told in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(told) and told.__module__ == module.__name__
    ]
    assert own
    for kind, told in own:
        ours, theirs = inspect.signature(getattr(written, kind)).parameters, inspect.signature(told).parameters
        assert list(ours) == list(theirs)
        assert [one.default is one.empty for one in ours.values()] == [one.default is one.empty for one in theirs.values()]
