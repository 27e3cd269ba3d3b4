"""Compiles the system contracts, those ready for users and those of the examples.

`python -m shard.contracts.build` writes the artefacts, `--check` compares them.

The compiler is looked for in SHARDNET_VYPER, then .venv-vyper (made by `make setup-checks`), then on the PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CONTRACTS = ("outbox", "inbox")
READY_MADE = ("token", "nft")
"""For users to deploy; both are built on peer.vy."""
EXAMPLES = HERE.parents[1] / "docs" / "examples"
EXAMPLE_CONTRACTS = (("swap", "pool"), ("swap", "token"), ("callback", "orders"))
"""Folder and name of each."""
_TYPED_REVERT = re.compile(r'method_id\("(\w+)\(([\w,]*)\)"\)')
_MODULE = re.compile(r"^import (\w+)$", re.MULTILINE)


def find_compiler() -> str | None:
    """Path of the Vyper compiler, or None."""
    local = HERE.parents[1] / ".venv-vyper" / "bin" / "vyper"
    return os.environ.get("SHARDNET_VYPER") or (str(local) if local.exists() else shutil.which("vyper"))


def compile_contract(compiler: str, name: str) -> str:
    """The artefact of a system contract, as the text of its file: runtime code, interface and storage slots."""
    layout = json.loads(_vyper(compiler, HERE, name, "layout"))["storage_layout"]
    return _artefact(compiler, HERE, name, {
        "runtime_code": _vyper(compiler, HERE, name, "bytecode_runtime"),
        "slots": {variable: place["slot"] for variable, place in layout.items()},
    })  # fmt: skip


def compile_for_users(compiler: str, place: Path, name: str) -> str:
    """The artefact of a contract that users deploy: creation code and interface."""
    return _artefact(compiler, place, name, {"bytecode": _vyper(compiler, place, name, "bytecode")})


def _vyper(compiler: str, folder: Path, name: str, form: str) -> str:
    run = subprocess.run([compiler, "-f", form, f"{name}.vy"], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _artefact(compiler: str, folder: Path, name: str, code: dict[str, object]) -> str:
    source = (folder / f"{name}.vy").read_text()
    source += "".join((folder / f"{module}.vy").read_text() for module in _MODULE.findall(source))
    # The compiler does not know the typed reverts as errors, wallets should.
    errors = [
        {"type": "error", "name": error, "inputs": [{"name": "value", "type": kind} for kind in kinds.split(",") if kind]}
        for error, kinds in sorted(set(_TYPED_REVERT.findall(source)))
    ]
    head = {"contract": name, "compiler": "vyper " + vyper_version(compiler)}
    artefact = head | code | {"abi": json.loads(_vyper(compiler, folder, name, "abi")) + errors}
    return json.dumps(artefact, indent=2) + "\n"


def vyper_version(compiler: str) -> str:
    """The compiler's version without its commit."""
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.split("+")[0].strip()


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the artefacts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shard.contracts.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is there instead of writing it")
    check = parser.parse_args(arguments).check
    compiler = find_compiler()
    if compiler is None:
        print("No Vyper compiler: run `make setup-checks`, or name one in SHARDNET_VYPER.", file=sys.stderr)
        return 2
    stale = []
    compiled = [(HERE / f"{name}.json", compile_contract(compiler, name)) for name in CONTRACTS]
    for_users = [(HERE, name) for name in READY_MADE] + [(EXAMPLES / folder, name) for folder, name in EXAMPLE_CONTRACTS]
    compiled += [(folder / f"{name}.json", compile_for_users(compiler, folder, name)) for folder, name in for_users]
    for path, text in compiled:
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"{', '.join(stale)}: not what the sources compile to. Run `python -m shard.contracts.build`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
