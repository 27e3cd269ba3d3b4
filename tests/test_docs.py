"""The documents: links lead somewhere, and what they tell a reader to type exists."""

import re
import subprocess
from pathlib import Path

import pytest

from node.config import NodeConfig
from primitives.parameters import Parameters

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if "node_modules" not in page.parts)
"""Without those that docs/wallets.md has npm install."""
README = ROOT / "README.md"


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())) if "://" not in link]


def commands(pattern: str) -> list[list[str]]:
    """Words of each command in the README that starts with `pattern`, at the start of a line or of a code span."""
    return [found.split() for found in re.findall(rf"(?:^|`){pattern} ([^`#\n]*)", README.read_text(), re.MULTILINE)]


def test_there_are_pages_with_links() -> None:
    assert len(PAGES) > 5
    assert any(links(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_decisions_named_in_words_exist(page: Path) -> None:
    for name in re.findall(r"docs/[\w./-]+\.md", page.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_named_in_words_exist(page: Path) -> None:
    for name in re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|vy|toml|sh))`", page.read_text()):
        assert (ROOT / name).exists() or name.startswith("."), name


def test_values_of_parameters_are_the_defaults() -> None:
    told = re.findall(r"`([a-z_]+)` \(?([\d,]+)\b", (ROOT / "docs" / "protocol.md").read_text())
    told = [(name, int(value.replace(",", ""))) for name, value in told if name in Parameters.model_fields]
    assert len(told) > 8
    assert told == [(name, getattr(Parameters(), name)) for name, _ in told]


def test_every_setting_is_told() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| (`[^|]*`) \|", page[page.index("## Configuration"):], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    assert set(NodeConfig.model_fields) <= told


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in commands("make")}
    assert {"up", "test"} <= named <= targets


def test_commands_and_options_exist() -> None:
    shardnet = ROOT / ".venv" / "bin" / "shardnet"
    named = [*commands(r"\.venv/bin/shardnet"), *(["up", *re.findall(r"--[a-z-]+", " ".join(words))] for words in commands("make up"))]
    assert {"send", "balance", "audit", "up"} <= {words[0] for words in named}
    for name in sorted({words[0] for words in named}):
        told = subprocess.run([shardnet, name, "--help"], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        wanted = {word for words in named if words[0] == name for word in words if word.startswith("--")}
        assert wanted <= set(re.findall(r"--[a-z-]+", told.stdout)), name
