"""The shape of the source itself: sizes, names, and words that have no place in it."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("primitives", "consensus", "shard", "p2p", "node")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
# libp2p installs these as top-level packages, so ours would be shadowed or shadow them.
NAMES_TAKEN = {"examples", "interop", "stubs", "newsfragments"}
FOLDERS_WITHOUT_CODE = ("docker", "docs")


def tracked() -> list[Path]:
    """Files git knows or would add, without what is ignored."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    return sorted(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


TRACKED = tracked()
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
TEXT_SUFFIXES = {"", ".py", ".pyi", ".md", ".toml", ".yml", ".yaml", ".sh", ".in", ".lock", ".vy", ".json", ".txt", ".cfg"}
TEXT = [path for path in TRACKED if path.suffix in TEXT_SUFFIXES and path != Path(__file__)]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_there_is_something_to_look_at() -> None:
    assert {path.parts[0] for path in (p.relative_to(ROOT) for p in PYTHON)} >= {*PACKAGES, "tests"}


def test_files_are_short() -> None:
    long = {name(path): lines for path in PYTHON if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX}
    assert not long


def test_functions_are_short() -> None:
    long = {
        f"{name(path)}:{node.name}": lines
        for path in PYTHON
        for node in functions(ast.parse(path.read_text()))
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not long


FORBIDDEN = {
    "a package registry": r"(?:pypi|pythonhosted|npmjs)\.(?:org|com|io)|--(?:(?:extra-)?index-url|find-links|trusted-host)[ =]",
    "a path of one machine": r"(?<![\w.$}])/(?:work|opt/wheels|opt/pypi|root|home)/",
    "unfinished work": r"\b(?:TODO|FIXME|XXX|HACK)\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_text_is_free_of(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{name(path)}:{number}: {line.strip()[:100]}"
        for path in TEXT
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_lock_files_hold_pins_and_hashes_only() -> None:
    locks = [path for path in TRACKED if path.suffix == ".lock"]
    assert locks
    for path in locks:
        lines = [line for line in path.read_text().splitlines() if line and not line.lstrip().startswith("#")]
        assert all(re.fullmatch(r"[a-z0-9.-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in lines), name(path)
        assert not re.search(r"\w+:/|(?<![\w-])/[a-z]", path.read_text()), f"{name(path)} names an address or a path"


def test_direct_requirements_are_pinned() -> None:
    for source in ROOT.glob("requirements*.in"):
        wanted = re.findall(r"^[A-Za-z][\w.-]*", source.read_text(), re.MULTILINE)
        lock = source.with_suffix(".lock").read_text()
        missing = [n for n in wanted if not re.search(rf"^{re.escape(n.lower().replace('_', '-'))}==", lock, re.MULTILINE)]
        assert wanted
        assert not missing, source.name


def test_top_level_packages() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages >= set(PACKAGES)
    assert not packages & NAMES_TAKEN
    assert not [path for folder in FOLDERS_WITHOUT_CODE for path in (ROOT / folder).rglob("__init__.py")]


@pytest.mark.parametrize("top", [*PACKAGES, "tests"])
def test_every_level_is_a_package(top: str) -> None:
    folders = {path.parent for path in PYTHON if path.is_relative_to(ROOT / top)}
    assert not [name(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_tests_mirror_the_source() -> None:
    inside = [path.relative_to(ROOT / "tests") for path in PYTHON if path.is_relative_to(ROOT / "tests")]
    folders = {path.parts[0] for path in inside if len(path.parts) > 1}
    assert folders <= {*PACKAGES, "benchmarks", "docker", "docs", "tools", "vectors", "conformance", "simulation", "e2e", "network"}


def test_nothing_hides_an_error() -> None:
    """`except Exception: pass` and its like."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path in PYTHON
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and all(_does_nothing(line) for line in node.body)
    ]
    assert not found


def _catches_all(caught: ast.expr | None) -> bool:
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def _does_nothing(line: ast.stmt) -> bool:
    if isinstance(line, ast.Return):
        return line.value is None or isinstance(line.value, ast.Constant)
    return isinstance(line, ast.Pass | ast.Continue) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))


def test_announced_skips_exist() -> None:
    for entry in tomllib.loads((ROOT / "tests" / "skips.toml").read_text()).get("skip", []):
        path, _, function = entry["test"].partition("::")
        assert (ROOT / path).is_file(), entry
        assert not function or f"def {function}(" in (ROOT / path).read_text(), entry
        assert entry["reason"], entry
