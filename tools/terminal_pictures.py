"""Pictures of what a newcomer sees, for the documents: a real network is started, used and stopped, and its output drawn as SVG.

Run by `make terminal-pictures`; the ports of `shardnet up` must be free.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from node.cli.display import make_table
from node.cluster.layout import Layout, require_options
from node.cluster.status import Watcher

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SHARDNET = ".venv/bin/shardnet"
COLUMNS = 126
RECEIVER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def run(folder: Path, *words: str) -> str:
    """What a command prints, with the command."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    done = subprocess.run([SHARDNET, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return f"$ {SHARDNET} {' '.join(words)}\n{done.stdout.rstrip()}\n"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A network, and what `up` prints until it is ready; on a terminal the table follows."""
    process = subprocess.Popen([SHARDNET, "up"], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        while not lines or not lines[-1].startswith("ready after"):
            lines.append(process.stdout.readline())
            if not lines[-1]:
                sys.exit("".join(lines) or "up ended at once")
        yield f"$ {SHARDNET} up\n" + "".join(lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def table(folder: Path) -> str:
    """The live table of `up`, as it stands now."""
    watcher = Watcher(require_options(Layout(folder / ".shardnet")))
    drawn = Console(width=COLUMNS, file=io.StringIO(), record=True)
    drawn.print(make_table(watcher.ask_all()))
    watcher.close()
    return drawn.export_text()


def picture(name: str, title: str, text: str) -> None:
    """Draws text as a terminal shows it; the picture needs nothing from elsewhere."""
    console = Console(width=COLUMNS, file=io.StringIO(), record=True)
    for line in text.splitlines():
        console.print(Text(line, style="bold" if line.startswith("$ ") else ""), soft_wrap=False)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title, unique_id=name), flags=re.DOTALL)
    path = IMAGES / f"terminal-{name}.svg"
    path.write_text(svg)
    print(path.relative_to(ROOT))


def main() -> None:
    """Draws all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        with running(folder) as started:
            picture("up", "shardnet up", started + table(folder))
            sent = run(folder, "send", "--from", "0", "--to", RECEIVER, "--value", "1.5", "--to-shard", "1", "--wait", "finalized")
            picture("send", "from shard to shard", sent + run(folder, "balance", RECEIVER))
            picture("status", "shardnet status and audit", run(folder, "status") + run(folder, "audit"))


if __name__ == "__main__":
    main()
