"""The pictures of a terminal: whole, from this network's own commands, and with nothing from elsewhere."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SHOWN = {
    "up": ("$ .venv/bin/shardnet up", "ready after", "finalized", "chain id 735701"),
    "send": ("$ .venv/bin/shardnet send", "crosslinked by beacon block", "credited on shard 1", "coins"),
    "status": ("$ .venv/bin/shardnet status", "finalized", "$ .venv/bin/shardnet audit", "everything adds up"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_shows_its_commands(name: str) -> None:
    root = ET.parse(IMAGES / f"terminal-{name}.svg").getroot()
    text = " ".join("".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")).replace("\xa0", " ")
    assert [words for words in SHOWN[name] if words not in text] == []


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_needs_nothing_from_elsewhere(name: str) -> None:
    text = (IMAGES / f"terminal-{name}.svg").read_text()
    assert not re.search(r"@font-face|@import|xlink:href|<image|url\(['\"]?http", text)


def test_every_picture_is_shown_by_a_document() -> None:
    pages = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert [path.name for path in IMAGES.glob("terminal-*.svg") if path.name not in pages] == []
