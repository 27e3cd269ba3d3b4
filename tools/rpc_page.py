"""Writes the table of methods in docs/json-rpc.md from the one that the server answers by: `make rpc-page`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from node.rpc.methods.controls import ALIASES
from node.rpc.methods.registry import DEVELOPMENT, EVERYWHERE, SHARD
from node.rpc.methods.signatures import SIGNATURES

PAGE = Path(__file__).parents[1] / "docs" / "json-rpc.md"
_BEGIN, _END = "<!-- methods: made by make rpc-page -->", "<!-- end of methods -->"


def _rows() -> Iterator[str]:
    names = [name for name in SHARD if name not in ALIASES]
    for name in sorted(names, key=lambda name: (name in DEVELOPMENT, name.replace(".", "_").partition("_")[0] not in ("eth", "net"), name)):
        taken, _, given = SIGNATURES[name].partition("-> ")
        takes = ", ".join(f"`{one}`" for one in taken.split())
        where = "every address" if name in EVERYWHERE else "shards"
        also = ", ".join(f"`{alias}`" for alias, meant in sorted(ALIASES.items()) if meant == name)
        yield f"| [`{name}`](#{name.lower().replace('.', '')}) | {takes} | {given.replace('|', ' or ')} | " \
              f"{where}{', devnet' if name in DEVELOPMENT else ''} | {also} |"  # fmt: skip


def rendered(page: str) -> str:
    """The page with its table of methods as it must be."""
    table = "\n".join(["| method | takes | gives | at | also |", "|---|---|---|---|---|", *_rows()])
    return re.sub(f"(?s){_BEGIN}.*?{_END}", lambda _: f"{_BEGIN}\n{table}\n{_END}", page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
