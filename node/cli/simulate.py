"""`shardnet simulate`."""

from __future__ import annotations

import click

from node.cli.options import as_json, print_json
from primitives.errors import InvalidConfig


@click.command(epilog="Example: shardnet simulate --seed 7 --nodes 7 --shards 2 --views 50 --faults standard")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), required=True, help="All chance comes from it.")
@click.option("--nodes", type=click.IntRange(1, 100), default=4, show_default=True, help="Nodes, a validator each.")
@click.option("--shards", type=click.IntRange(1, 16), default=2, show_default=True, help="Shard chains.")
@click.option("--views", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="Beacon views after which it ends.")
@click.option(
    "--faults", type=click.Choice(["none", "light", "standard", "heavy", "crashing"]), default="light", show_default=True,
    help="Loss, delay, crashes, partitions.",
)
@click.option("--signatures", type=click.Choice(["fast", "bls"]), default="fast", show_default=True, help="A stand-in, or real ones.")
@click.option(
    "--executors", type=click.Choice(["reference", "fast", "both", "stand-in"]), default="reference", show_default=True,
    help="The reference EVM, the fast one, either at every other node, or a stand-in for volume.",
)
@click.option("--drawn", is_flag=True, help="Draw personas, epochs and stand-ins from the seed, as make seeds does.")
@click.option("--persona", "personas", multiple=True, metavar="NAME@NODE", help="A validator that breaks the rules; repeat it for more.")
@as_json
def simulate(
    seed: int, nodes: int, shards: int, views: int, faults: str, signatures: str, executors: str, drawn: bool, personas: tuple[str, ...],
    as_json: bool,
) -> int:  # fmt: skip
    """Run simulated nodes on simulated time; the same seed gives the same digest."""
    from node.simulator import run
    from node.simulator.drawn import run_drawn

    if drawn and personas:
        raise InvalidConfig("--drawn", "personas are drawn from the seed: leave out --persona, or --drawn")
    if drawn:
        report = run_drawn(seed, nodes, shards, views, faults)
    else:
        report = run(
            seed=seed, nodes=nodes, shards=shards, views=views, faults=faults, signatures=signatures, personas=_personas(personas),
            executors=executors,
        )  # fmt: skip
    violations = [str(violation) for violation in report.violations]
    if as_json:
        print_json({"digest": _text(report.digest), "blocks": report.blocks, "violations": violations, "replay": report.replay})
    else:
        for chain, count in report.blocks.items():
            click.echo(f"{'beacon' if chain == shards else f'shard {chain}'}: {count} final blocks")
        click.echo(f"digest {_text(report.digest)}")
        for violation in violations:
            click.echo(f"violated: {violation}", err=True)
        if violations:
            click.echo(f"replay with: {report.replay}", err=True)
    return 1 if violations else 0


def _personas(given: tuple[str, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    for text in given:
        name, _, node = text.rpartition("@")
        if not name or not node.isdecimal():
            raise InvalidConfig("--persona", f"{text!r} is not NAME@NODE, as in double-voter@2")
        if int(node) in found:
            raise InvalidConfig("--persona", f"node {node} is given two personas: name it once")
        found[int(node)] = name
    return found


def _text(digest: bytes | str) -> str:
    return digest if isinstance(digest, str) else "0x" + digest.hex()
