"""How a person calls `shardnet` where this process runs, for sentences that tell them to."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

NAME = "shardnet"
DEFAULT_FOLDER = Path(".shardnet")


def own_command(words: str, folder: Path | None = None) -> str:
    """A command line that works where this process was started.

    Args:
        words: command and options, such as `up --detach`.
        folder: of the network it acts on; named when it is not the default.
    """
    place = "" if folder is None or folder.absolute() == DEFAULT_FOLDER.absolute() else f" --data-dir {shlex.quote(str(folder))}"
    return f"{_program()} {words}{place}"


def node_command(config: Path) -> str:
    """The command line that runs one node."""
    return own_command(f"node --config {shlex.quote(str(config))}")


@dataclass(frozen=True, slots=True)
class Place:
    """The network a command was told to act on: what it tells to do next is about the same one."""

    folder: Path = DEFAULT_FOLDER
    node: int = 0
    """Of the folder's network."""
    url: str | None = None
    """JSON-RPC address that is asked instead of the folder's."""

    def command(self, words: str) -> str:
        """A command line that asks the same node; `words` as for `own_command`."""
        if self.url is not None:
            return own_command(f"{words} --rpc {shlex.quote(self.url)}")
        return own_command(f"{words} --node {self.node}" if self.node else words, self.folder)

    @property
    def growth(self) -> str:
        """What tells whether the chains grow."""
        if self.url is None:
            return f"{own_command('status', self.folder)} shows whether the chains grow"
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/health tells whether that node is well"


def _program() -> str:
    given = Path(sys.argv[0])
    # another of our modules was started: the command lies beside the interpreter
    path = given if given.name == NAME else Path(sys.executable).with_name(NAME)
    found = shutil.which(NAME)
    if not path.exists() or (found is not None and os.path.samefile(found, path)):
        return NAME
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
