"""Networks of their own for node processes: a namespace a node, joined by bridges in a further one.

The namespaces have no names: a process or an open file keeps each alive, and with the last one it is gone, whatever became of the test.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
PREFIX = "10.88.0"
HEAR_SECONDS_MAX = 1.0
WITHOUT_PRIVILEGE = (
    "no network namespace can be made ({}): run these tests as root, or in a container with --cap-add NET_ADMIN --cap-add SYS_ADMIN"
)
_LIBC = ctypes.CDLL(None, use_errno=True)


def address_of(node: int) -> str:
    return f"{PREFIX}.{node + 1}"


def _mac_of(node: int) -> str:
    return f"02:88:00:00:00:{node + 1:02x}"


NOWHERE = "02:88:00:00:ff:ff"
"""A station that no bridge has."""


class Namespace:
    """An empty network with a loopback interface."""

    def __init__(self) -> None:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            if _LIBC.unshare(CLONE_NEWNET):
                raise AssertionError(WITHOUT_PRIVILEGE.format(os.strerror(ctypes.get_errno())))
            self.file = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            _enter(before)
        finally:
            os.close(before)
        self.ip("link set lo up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread opens and starts meanwhile is in this network."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(self.file)
            yield
        finally:
            _enter(before)
            os.close(before)

    def ip(self, command: str) -> None:
        with self.inside():
            result = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"ip {command}: {result.stderr}"

    @property
    def path(self) -> str:
        """As the ip command takes it for a name."""
        return f"/proc/{os.getpid()}/fd/{self.file}"

    def close(self) -> None:
        os.close(self.file)


def _enter(file: int) -> None:
    if _LIBC.setns(file, CLONE_NEWNET):
        raise AssertionError(WITHOUT_PRIVILEGE.format(os.strerror(ctypes.get_errno())))


class Bridged:
    """A namespace a node, each plugged into one of the bridges of a further namespace; all into the first at the beginning."""

    def __init__(self, nodes: int) -> None:
        self.nodes = [Namespace() for _ in range(nodes)]
        self._switch = Namespace()
        for bridge in range(nodes):
            # no spanning tree and no learning delay: a port forwards at once
            self._switch.ip(f"link add bridge{bridge} type bridge forward_delay 0 ageing_time 0")
            self._switch.ip(f"link set bridge{bridge} up")
        for node, namespace in enumerate(self.nodes):
            self._switch.ip(f"link add port{node} type veth peer name eth0 address {_mac_of(node)} netns {namespace.path}")
            self._switch.ip(f"link set port{node} master bridge0 up")
            namespace.ip(f"address add {address_of(node)}/24 dev eth0")
            namespace.ip("link set eth0 up")

    def part(self, *groups: Sequence[int]) -> None:
        """Each group on a bridge of its own; nobody is told."""
        for bridge, group in enumerate(groups):
            for node in group:
                self._switch.ip(f"link set port{node} master bridge{bridge}")

    def heal(self) -> None:
        self.part(range(len(self.nodes)))

    def hears(self, listener: int, speaker: int) -> bool:
        """Whether a packet of the one gets to the other."""
        with self.nodes[listener].inside():
            ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with self.nodes[speaker].inside():
            mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with ear, mouth:
            ear.bind((address_of(listener), 0))
            ear.settimeout(HEAR_SECONDS_MAX)
            try:
                mouth.sendto(b"?", ear.getsockname())
                return ear.recv(1) == b"?"
            except OSError:
                return False

    def deafen(self, listener: int, speaker: int) -> None:
        """What the one says reaches the other no more, but for the other way round."""
        self.nodes[speaker].ip(f"neigh replace {address_of(listener)} lladdr {NOWHERE} dev eth0 nud permanent")

    def undeafen(self, listener: int, speaker: int) -> None:
        self.nodes[speaker].ip(f"neigh replace {address_of(listener)} lladdr {_mac_of(listener)} dev eth0 nud reachable")

    def close(self) -> None:
        for namespace in [*self.nodes, self._switch]:
            namespace.close()
