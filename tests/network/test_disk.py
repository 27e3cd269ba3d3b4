"""A disk that is full: the node ends before it says what it cannot keep, and goes on when there is room."""

import os
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tomli_w

from tests.e2e.harness import wait_for
from tests.network.harness import OPTIONS, NetworkCluster, say
from tests.network.namespaces import Bridged

VICTIM = 3
DISK = "32m"
CHUNK_BYTES = 4096


@contextmanager
def small_disk(cluster: NetworkCluster, node: int) -> Iterator[Path]:
    """A file system of its own for what a node stores; its log stays where it was."""
    folder, config = cluster.layout.node(node) / "disk", cluster.layout.config(node)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    cluster.on_crash("umount", folder)
    config.write_text(tomli_w.dumps(tomllib.loads(config.read_text()) | {"data_dir": "disk"}))
    try:
        yield folder
    finally:
        cluster.stop()
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> int:
    """Takes what room there is; bytes."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\1" * CHUNK_BYTES)
        except OSError:
            return file.tell()


@pytest.mark.timeout(480)
def test_a_full_disk_ends_the_node_with_a_sentence_and_costs_nothing(tmp_path):
    fabric = Bridged(4)
    cluster = NetworkCluster(tmp_path / "network", OPTIONS, fabric)
    with small_disk(cluster, VICTIM) as disk:
        cluster.start()
        cluster.wait_ready()
        filler = disk / "filler"
        size = fill(filler)
        victim = cluster.processes.pop(VICTIM)
        code = wait_for("end of the node", victim.poll)
        said = cluster.layout.output(VICTIM).read_text().strip()
        say(f"{size >> 20} MiB taken, no room left: exit code {code}, {said!r}")
        assert code == 1
        assert said.count("\n") == 0
        assert said.startswith("error: ")
        assert os.strerror(28) in said
        assert "make room on the disk and start the node again" in said
        assert "critical" in cluster.layout.log(VICTIM).read_text().lower()

        before = cluster.heights(0)
        cluster.wait_growth(0, 3, before)
        cluster.start(VICTIM)
        again = cluster.processes.pop(VICTIM)
        assert wait_for("refusal to start without room", again.poll) == 1
        assert "make room" in cluster.layout.output(VICTIM).read_text()

        filler.unlink()
        cluster.start(VICTIM)
        cluster.wait_ready(VICTIM)
        say(f"with room again: final heights {cluster.require_agreement()}")
    fabric.close()
