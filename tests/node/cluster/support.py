"""Networks of fake nodes on free ports."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from node.cluster.layout import Layout, Options

FAKE = Path(__file__).parent / "fake_node.py"
Start = Callable[[Layout, int], subprocess.Popen[bytes]]


def free_port_base(nodes: int, shards: int) -> int:
    """A port P with P + 100 i + s free for every node and shard."""
    for base in range(20_000, 32_000, 997):
        try:
            for node in range(nodes):
                for shard in range(shards):
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", base + 100 * node + shard))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


def make_start(options: Options, behaviours: dict[int, str]) -> Start:
    def start(layout: Layout, index: int) -> subprocess.Popen[bytes]:
        layout.node(index).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(FAKE), str(options.rpc_port_of(index)), str(options.shards), behaviours.get(index, "serves")]
        with layout.log(index).open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    return start
