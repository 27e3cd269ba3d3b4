"""Makes of a source what mypyc is given: the same, with what classes get at run time written out (docs/decisions/0019).

mypyc compiles the methods that it sees. Those that `@dataclass` adds stay interpreted, and take ten times as long; slots it refuses, class
variables it takes for fields, and a cached property it computes each time. So constructor, comparison and hash are written here, and what
was computed is kept in an attribute.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

REMEMBERED = {"remembers_root": "_root", "remembers_encoding": "_encoding"}
"""Where `primitives.codec` keeps what a container of such a class has computed: a compiled object has no dictionary."""
_OPTIONS = (("slots", "True"), ("frozen", "True"), ("order", "True"), ("eq", "False"))
_ORDER = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}
_INHERITABLE = "mypyc_attr(allow_interpreted_subclasses=True)"


class _Edit(NamedTuple):
    """Lines `start` to `end`, the latter left out, are replaced."""

    start: int
    end: int
    lines: list[str]


class _Field(NamedTuple):
    name: str
    parameter: str
    value: str


def compilable(source: str) -> str:
    """The source of a module as mypyc compiles it; a dataclass that inherits fields is not taken."""
    lines = source.removesuffix("\n").split("\n")
    for edit in sorted(_edits(ast.parse(source)), key=lambda edit: (edit.start, edit.end), reverse=True):
        lines[edit.start : edit.end] = edit.lines
    return "\n".join(lines) + "\n"


def _edits(module: ast.Module) -> Iterator[_Edit]:
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef):
            continue
        if node.name == "Container" and not node.bases:
            yield _Edit(_first_line(node), _first_line(node), [f"@{_INHERITABLE}"])
            future = next(one for one in module.body if isinstance(one, ast.ImportFrom) and one.module == "__future__")
            yield _Edit(future.lineno, future.lineno, ["from mypy_extensions import mypyc_attr"])
            yield from (_removed(one) for one in node.body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__slots__")
        mark = next((one for one in node.decorator_list if _called(one) == "dataclass"), None)
        if mark is not None:
            yield from _DataClass(node, mark).edits()
        elif cached := _cached(node):
            constructor = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
            assert constructor is not None, f"{node.name} has a constructor that says what is kept"
            at = constructor.body[0].lineno - 1
            yield _Edit(at, at, _indented(_kept_nothing(cached), constructor.col_offset + 4))
            yield from map(_kept, cached)


def _cached(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """The cached properties of a class."""
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return [one for one in methods if any("cached_property" in ast.unparse(mark) for mark in one.decorator_list)]


def _kept_nothing(cached: list[ast.FunctionDef]) -> list[str]:
    return [f"self.kept_{one.name}: {_returned(one)} | None = None" for one in cached]


def _kept(cached: ast.FunctionDef) -> _Edit:
    """In place of the head of a cached property: one that keeps its value in an attribute, and the head of what computes it."""
    name, returned = cached.name, _returned(cached)
    lines = [
        "@property",
        f"def {name}(self) -> {returned}:",
        f"    if self.kept_{name} is None:",
        f"        self.kept_{name} = self.make_{name}()",
        f"    return self.kept_{name}",
        "",
        f"def make_{name}(self) -> {returned}:",
    ]
    return _Edit(_first_line(cached), cached.lineno, _indented(lines, cached.col_offset))


def _called(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *[mark.lineno for mark in node.decorator_list]]) - 1


def _removed(node: ast.stmt) -> _Edit:
    assert node.end_lineno is not None
    return _Edit(node.lineno - 1, node.end_lineno, [])


class _DataClass:
    """One class behind `@dataclass`."""

    def __init__(self, node: ast.ClassDef, mark: ast.expr) -> None:
        self.node, self.mark = node, mark
        self.options = {one.arg: ast.unparse(one.value) for one in mark.keywords} if isinstance(mark, ast.Call) else {}
        unknown = {name: value for name, value in self.options.items() if (name, value) not in _OPTIONS}
        assert not unknown, f"{node.name}: what is written out knows nothing of {unknown}"
        self.is_frozen = "frozen" in self.options
        self.bases = [ast.unparse(base) for base in node.bases]
        assert self.bases in ([], ["Container"], ["Generic[Outcome]"]), f"{node.name} may inherit fields"
        self.is_generic = self.bases == ["Generic[Outcome]"]
        assert not (self.is_generic and self.is_frozen), f"{node.name} would not be frozen"
        assert self.is_frozen or "order" not in self.options, f"{node.name} would have no order"
        assert not (self.is_frozen and "eq" in self.options), f"{node.name} would be compared"
        self.methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        self.cached = _cached(node)
        declared = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        self.variables = [one for one in declared if ast.unparse(one.annotation).startswith("ClassVar")]
        self.declared = [one for one in declared if one not in self.variables]
        self.fields = [_field(one) for one in self.declared]

    def edits(self) -> Iterator[_Edit]:
        node = self.node
        assert node.end_lineno is not None
        assert self.mark.end_lineno is not None
        yield _Edit(self.mark.lineno - 1, self.mark.end_lineno, self._decorator())
        yield from map(_removed, self.variables)
        written, behind = _indented([*self._constructor(), *self._comparisons()], node.col_offset + 4), self._behind()
        if self.methods:
            at = min(map(_first_line, self.methods))
            yield _Edit(at, at, [*written, ""])
            yield _Edit(node.end_lineno, node.end_lineno, behind)
        else:
            yield _Edit(node.end_lineno, node.end_lineno, ["", *written, *behind])
        yield from map(_kept, self.cached)

    def _decorator(self) -> list[str]:
        """No slots, no order; none at all on a generic class, which the compiler refuses as a dataclass."""
        if self.is_generic:
            return []
        options = ", ".join(f"{name}={value}" for name, value in self.options.items() if name not in ("slots", "order"))
        return [f"{' ' * self.node.col_offset}@dataclass" + (f"({options})" if options else "")]

    def _constructor(self) -> list[str]:
        ignored = "  # type: ignore[misc]" if self.is_frozen else ""
        lines = [f"def __init__({', '.join(['self', *[field.parameter for field in self.fields]])}) -> None:"]
        lines += [f"    self.{field.name} = {field.value}{ignored}" for field in self.fields]
        names = [ast.unparse(one.target) for one in self.variables]
        lines += [f"    self.{attribute}: bytes | None = None" for name, attribute in REMEMBERED.items() if name in names]
        lines += _indented(_kept_nothing(self.cached), 4)
        if any(one.name == "__post_init__" for one in self.methods):
            lines.append("    self.__post_init__()")
        return lines if len(lines) > 1 else [*lines, "    pass"]

    def _comparisons(self) -> list[str]:
        if not self.is_frozen:
            return []
        ours, theirs = (f"({''.join(f'{one}.{field.name}, ' for field in self.fields)})" for one in ("self", "other"))
        alike = " and ".join(f"self.{field.name} == other.{field.name}" for field in self.fields) or "True"
        lines = [
            "",
            "def __eq__(self, other: object) -> bool:",
            f"    if not isinstance(other, {self.node.name}):",
            "        return NotImplemented",
            f"    return self is other or ({alike})",
            "",
            "def __hash__(self) -> int:",
            f"    return hash({ours})",
        ]
        if "order" in self.options:
            for method, sign in _ORDER.items():
                lines += ["", f"def {method}(self, other: {self.node.name}) -> bool:", f"    return {ours} {sign} {theirs}"]
        return lines

    def _behind(self) -> list[str]:
        """Class variables, and annotations of a container as they are in the source: the compiler keeps only what it makes of them."""
        name = self.node.name
        lines = [f"{name}.{ast.unparse(one.target)} = {ast.unparse(one.value)}" for one in self.variables if one.value is not None]
        if self.bases == ["Container"]:
            annotations = {ast.unparse(one.target): ast.unparse(one.annotation) for one in self.declared}
            lines.append(f"setattr({name}, '__annotations__', {annotations!r})")
        return ["", "", *_indented(lines, self.node.col_offset)] if lines else []


def _field(declared: ast.AnnAssign) -> _Field:
    name, annotation, default = ast.unparse(declared.target), ast.unparse(declared.annotation), declared.value
    if default is None:
        return _Field(name, f"{name}: {annotation}", name)
    if isinstance(default, ast.Call) and _called(default) == "field":
        assert [one.arg for one in default.keywords] == ["default_factory"], f"what is written out knows no {ast.unparse(default)}"
        factory = default.keywords[0].value
        made = ast.unparse(factory.body) if isinstance(factory, ast.Lambda) else f"{ast.unparse(factory)}()"
        return _Field(name, f"{name}: {annotation} | None = None", f"{made} if {name} is None else {name}")
    return _Field(name, f"{name}: {annotation} = {ast.unparse(default)}", name)


def _returned(method: ast.FunctionDef) -> str:
    assert method.returns is not None, f"{method.name} tells what it returns"
    return ast.unparse(method.returns)


def _indented(lines: list[str], columns: int) -> list[str]:
    return [f"{' ' * columns}{line}" if line else "" for line in lines]
