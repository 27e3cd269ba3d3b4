"""A bad link between namespaces: a process that carries packets between TUN devices, loses some and delays all.

`python -m tests.network.forwarder SEED LOSS DELAY_MS FILE...`: a device's file a node. All chance comes from the seed. It ends with
its standard input.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.network.namespaces import PREFIX, Namespace, address_of

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES_MAX = 65_536
PACKETS_WAITING_MAX = 20_000
"""On all links together; what comes on top is lost, as on any link."""
ROOT = Path(__file__).parents[2]


class Forwarded:
    """A namespace a node, joined by a process that loses a share of the packets and delays the others."""

    def __init__(self, nodes: int, seed: int, loss: float, delay_ms: int) -> None:
        self.nodes = [Namespace() for _ in range(nodes)]
        files = [_open_device(namespace) for namespace in self.nodes]
        for node, namespace in enumerate(self.nodes):
            namespace.ip(f"address add {address_of(node)}/24 dev tun0")
            namespace.ip("link set tun0 up")
        words = [sys.executable, "-m", "tests.network.forwarder", *(str(word) for word in (seed, loss, delay_ms, *files))]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=files)
        for file in files:
            os.close(file)

    def close(self) -> tuple[int, int]:
        """Packets carried, and packets lost."""
        told, _ = self._process.communicate(timeout=10)
        for namespace in self.nodes:
            namespace.close()
        carried, lost = told.split()
        return int(carried), int(lost)


def _open_device(namespace: Namespace) -> int:
    with namespace.inside():
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    return file


def _node_of(packet: bytes) -> int | None:
    """Whom an IPv4 packet is for."""
    prefix = bytes(int(part) for part in PREFIX.split("."))
    is_ours = len(packet) >= 20 and packet[0] >> 4 == 4 and packet[16:19] == prefix
    return packet[19] - 1 if is_ours else None


def forward(seed: int, loss: float, delay_ms: int, files: Sequence[int]) -> tuple[int, int]:
    """Until the standard input ends; packets carried, and packets lost."""
    dice = random.Random(seed)
    waiting: list[tuple[float, int, int, bytes]] = []
    taken = carried = lost = 0
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, file, packet = heapq.heappop(waiting)
            try:
                os.write(file, packet)
            except BlockingIOError:
                lost += 1
            else:
                carried += 1
        readable, _, _ = select.select([*files, sys.stdin.fileno()], [], [], waiting[0][0] - now if waiting else None)
        if sys.stdin.fileno() in readable:
            return carried, lost
        for file in readable:
            packet = os.read(file, PACKET_BYTES_MAX)
            node = _node_of(packet)
            if node is None or node >= len(files):
                continue
            taken += 1
            if dice.random() < loss or len(waiting) >= PACKETS_WAITING_MAX:
                lost += 1
            else:
                heapq.heappush(waiting, (time.monotonic() + delay_ms / 1000, taken, files[node], packet))


if __name__ == "__main__":
    print(*forward(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), [int(file) for file in sys.argv[4:]]))
