"""Entry of the `shardnet` command; each command's module is imported when it is used, so that all start quickly."""

from __future__ import annotations

# The interpreter's own part of `signal`, which takes no time to import: Ctrl-C from here to the end of this module ends the
# process as it ends others, with no word of where it was.
import _signal  # type: ignore[import-not-found]

_is_interruptible = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
if _is_interruptible:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import os

# eth_hash looks for its backend when it is first imported, and each process must find the fast one.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

import importlib
import json
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from node.cluster.command import NAME, own_command
from primitives.errors import UserError

_COMMANDS = {
    "up": ("node.cli.up", "Start a local network, or go on with one."),
    "down": ("node.cli.network", "Stop a network that runs on a folder."),
    "status": ("node.cli.network", "Show how each node and chain stands."),
    "logs": ("node.cli.network", "Show what the nodes said."),
    "genesis": ("node.cli.genesis", "Write a genesis file, configurations and keys."),
    "node": ("node.cli.node", "Run one node in the foreground."),
    "send": ("node.cli.send", "Send a transaction, within a shard or across, and follow it."),
    "faucet": ("node.cli.faucet", "Give coins of the faucet to an address."),
    "balance": ("node.cli.balance", "Show an account on all shards."),
    "token": ("node.cli.token", "Deploy a token that moves between shards, send it, and add it up."),
    "audit": ("node.cli.audit", "Add up every account of every shard, and the whole supply."),
    "verify-receipt": ("node.cli.verify_receipt", "Check a proof that a cross-shard receipt is final, offline."),
    "chaos": ("node.cli.chaos", "Break a local network on purpose for a while."),
    "fault": ("node.cli.fault", "Alter the messages between two shards for a while."),
    "simulate": ("node.cli.simulate", "Run a deterministic network of simulated nodes."),
    "bench": ("node.cli.bench", "Run a benchmark."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=_COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Example: shardnet up --nodes 4 --shards 2",
)
@click.version_option(package_name="shardnet")
def cli() -> None:
    """A sharded Ethereum test network on this machine."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    run_to_end(cli, NAME, sys.argv[1:] if arguments is None else arguments)


def run_to_end(command: click.Command, name: str, arguments: Sequence[str]) -> NoReturn:
    """Runs a command and exits: 0 success, 1 a command that failed, 2 a wrong setting, option or a refused start."""
    try:
        code = _run(command, name, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _run(command: click.Command, name: str, arguments: Sequence[str]) -> int:
    try:
        # A command's number is its exit code; what it says is on the screen by then.
        code = command.main(args=list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _explain(arguments, _sentence(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _explain(arguments, "stopped before it was done", 1)
    except UserError as error:
        return _explain(arguments, str(error), error.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            raise
        return _explain(arguments, f"{error.filename}: {error.strerror}; choose another place, or make this one usable", 1)
    return code if isinstance(code, int) else 0


def _sentence(error: click.ClickException) -> str:
    """What is wrong with the command line, and which command tells more."""
    text = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    words = "" if context is None else " ".join([*context.command_path.split()[1:], "--help"])
    return f"{text[:1].lower()}{text[1:]}" + (f" ({own_command(words)} tells more)" if words else "")


def _explain(arguments: Sequence[str], sentence: str, code: int) -> int:
    """The exit code, after the sentence; for programs it is JSON too."""
    click.echo(f"error: {sentence}", err=True)
    if "--json" in arguments:
        click.echo(json.dumps({"error": sentence}))
    return code


if _is_interruptible:
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)

if __name__ == "__main__":
    main()
