"""How a person calls `shardnet` where this process runs, for sentences that tell them to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAME = "shardnet"
DEFAULT_FOLDER = Path(".shardnet")


def own_command(words: str, folder: Path | None = None) -> str:
    """A command line that works where this process was started.

    Args:
        words: command and options, such as `up --detach`.
        folder: of the network it acts on; named when it is not the default.
    """
    place = "" if folder is None or folder == DEFAULT_FOLDER else f" --data-dir {folder}"
    return f"{_program()} {words}{place}"


def _program() -> str:
    given = Path(sys.argv[0])
    # another of our modules was started: the command lies beside the interpreter
    path = given if given.name == NAME else Path(sys.executable).with_name(NAME)
    found = shutil.which(NAME)
    if not path.exists() or (found is not None and os.path.samefile(found, path)):
        return NAME
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
