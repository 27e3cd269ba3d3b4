"""Seed after seed on all cores, with a record that a later run goes on from: `make seeds SEEDS=10000`."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from node.simulator.drawn import run_drawn
from node.simulator.faults import FAULTS
from primitives.errors import InvalidConfig
from primitives.hashing import sha256


def commit() -> str:
    """What the source tree is at, with a mark where it has changes."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def one(seed: int, nodes: int, shards: int, views: int, faults: str) -> tuple[int, str, list[str], float]:
    """Runs one seed: its digest, what was broken, and the processor seconds it took."""
    started = time.process_time()
    try:
        report = run_drawn(seed, nodes, shards, views, faults)
    except Exception as error:
        notes = [str(note) for note in getattr(error, "__notes__", ())]
        return seed, "", [f"{type(error).__name__}: {error}", *notes], time.process_time() - started
    broken = [*report.violations, f"replay with: {report.replay}"] if report.violations else []
    return seed, report.digest, broken, time.process_time() - started


class Record:
    """Digests of the seeds that passed, one a line, behind a line that names what ran."""

    def __init__(self, path: Path, what: str) -> None:
        """Opens the record at `path`, or begins one.

        Raises:
            InvalidConfig: it is of another network or another commit.
        """
        self.path, self.digests = path, dict[int, str]()
        self.seconds = 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(what + "\n")
        first, *lines = path.read_text().splitlines()
        if first != what:
            raise InvalidConfig("--record", f"{path} is of {first!r}, not of {what!r}: name another file, or remove it")
        for line in lines:
            seed, digest, seconds = line.split()
            self.digests[int(seed)] = digest
            self.seconds += float(seconds)

    def add(self, seed: int, digest: str, seconds: float) -> None:
        """One more seed that passed."""
        self.digests[seed] = digest
        self.seconds += seconds
        with self.path.open("a") as file:
            file.write(f"{seed} {digest} {seconds:.2f}\n")

    def digest(self) -> str:
        """One hash over all seeds by number."""
        return sha256("".join(f"{seed} {self.digests[seed]}\n" for seed in sorted(self.digests)).encode()).hex()


def _results(seeds: list[int], jobs: int, work: partial[tuple[int, str, list[str], float]]) -> Iterator[tuple[int, str, list[str], float]]:
    if jobs == 1:
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=200) as pool:
        yield from pool.imap_unordered(work, seeds)


@click.command()
@click.option("--seeds", type=click.IntRange(1, 10_000_000), default=1000, show_default=True, help="Seeds 1 to this.")
@click.option("--nodes", type=click.IntRange(1, 100), default=7, show_default=True)
@click.option("--shards", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--views", type=click.IntRange(1, 1_000_000), default=60, show_default=True)
@click.option("--faults", type=click.Choice(list(FAULTS)), default="standard", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 256), default=None, help="Processes; by default one a core.")
@click.option("--record", type=click.Path(path_type=Path), default=Path("build/seeds.txt"), show_default=True, help="Keeps progress.")
def main(seeds: int, nodes: int, shards: int, views: int, faults: str, jobs: int | None, record: Path) -> None:
    """Simulate networks drawn from seeds 1 to SEEDS, and print one digest over all of them."""
    try:
        kept = Record(record, f"{nodes} validators, {shards} shards, {views} views, faults {faults}, commit {commit()}")
    except InvalidConfig as error:
        raise click.ClickException(str(error)) from error
    left = [seed for seed in range(1, seeds + 1) if seed not in kept.digests]
    click.echo(f"{len(left)} of {seeds} seeds to go", err=True)
    failed = 0
    work = partial(one, nodes=nodes, shards=shards, views=views, faults=faults)
    for seed, digest, broken, seconds in _results(left, jobs or os.cpu_count() or 1, work):
        if broken:
            failed += 1
            click.echo(f"seed {seed} failed: " + "\n  ".join(broken), err=True)
            continue
        kept.add(seed, digest, seconds)
        if len(kept.digests) % 100 == 0:
            click.echo(f"{len(kept.digests)} of {seeds} seeds passed, {kept.seconds / 3600:.2f} processor hours", err=True)
    click.echo(f"{len(kept.digests)} seeds passed, {failed} failed, {kept.seconds / 3600:.2f} processor hours, digest {kept.digest()}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
