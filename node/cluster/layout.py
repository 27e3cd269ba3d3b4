"""A network's folder: where things are in it, and the options it was made with.

Kept light: `shardnet up` watches with it, and a second `up` must be quick.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from node.cluster.command import own_command
from primitives.errors import InvalidConfig, StartupRefused

NODES_MAX = 100
"""Ports of node i start at `rpc_port + 100 i`; more nodes than that belong on more machines."""
RPC_PORTS_PER_NODE = 100
SHARDS_MAX = 32
GENESIS_OPTIONS = (
    "nodes", "validators_per_node", "shards", "block_time_ms", "idle_block_time_ms", "epoch_length", "gas_limit", "chain_id_base",
    "committees",
)  # fmt: skip
"""Cannot change once there is a genesis."""
_FLAGS = {"block_time_ms": "--block-time", "idle_block_time_ms": "--idle-block-time", "listen_host": "--host"}


@dataclass(frozen=True, slots=True)
class Options:
    """What a network is made with."""

    nodes: int = 4
    validators_per_node: int = 1
    shards: int = 2
    block_time_ms: int = 1000
    idle_block_time_ms: int = 5000
    epoch_length: int = 60
    gas_limit: int = 30_000_000
    chain_id_base: int = 735_700
    committees: str = "auto"
    listen_host: str = "127.0.0.1"
    rpc_port: int = 8545
    """Of shard 0 at node 0."""
    p2p_port: int = 9000
    metrics_port: int = 9100

    def rpc_port_of(self, node: int, shard: int = 0) -> int:
        """JSON-RPC port of a shard at a node."""
        return self.rpc_port + RPC_PORTS_PER_NODE * node + shard

    def ports_of(self, node: int) -> list[tuple[int, str]]:
        """Every port of a node, with the option that moves it."""
        ports = [(self.rpc_port_of(node, shard), "--rpc-port") for shard in range(self.shards)]
        return [*ports, (self.p2p_port + node, "--p2p-port"), (self.metrics_port + node, "--metrics-port")]

    @property
    def dial_host(self) -> str:
        """Address at which this machine reaches the nodes."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen_host, self.listen_host)

    def url(self, node: int, shard: int = 0) -> str:
        """JSON-RPC address of a shard at a node."""
        return f"http://{_bracketed(self.dial_host)}:{self.rpc_port_of(node, shard)}"

    def explorer_url(self, node: int) -> str:
        """The page that a node serves of its network."""
        return f"http://{_bracketed(self.dial_host)}:{self.metrics_port + node}/"

    def metrics_url(self, node: int) -> str:
        """Where a node's metrics are."""
        return f"http://{_bracketed(self.dial_host)}:{self.metrics_port + node}/metrics"

    def check(self) -> None:
        """Refuses what no network can be made with.

        Raises:
            InvalidConfig: names the option.
        """
        for name, least, most in (
            ("nodes", 1, NODES_MAX), ("validators_per_node", 1, 64), ("shards", 1, SHARDS_MAX), ("block_time_ms", 100, 600_000),
            ("idle_block_time_ms", self.block_time_ms, 3_600_000), ("epoch_length", 4, 100_000), ("gas_limit", 1_000_000, 2**40),
            ("chain_id_base", 1, 2**32 - 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most:
                scale, unit = (1000, " seconds") if name.endswith("_ms") else (1, "")
                raise InvalidConfig(flag(name), f"must be {least / scale:g} to {most / scale:g}{unit}, not {value / scale:g}")
        if self.committees == "sampled":
            raise InvalidConfig("--committees", "'sampled' is not built yet: leave it at 'auto' or 'everyone'")
        self._check_ports()

    def _check_ports(self) -> None:
        taken: dict[int, str] = {}
        for node in range(self.nodes):
            for port, option in self.ports_of(node):
                if not 1 <= port <= 65_535:
                    raise InvalidConfig(option, f"node {node} would need port {port}, which does not exist: choose a lower one")
                if port in taken:
                    raise InvalidConfig(option, f"node {node} would need port {port}, which {taken[port]} gives away too: move one of them")
                taken[port] = option


_USUAL = Options()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def flag(name: str) -> str:
    """The command-line option that sets a field of `Options`."""
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in a network's folder."""

    folder: Path

    @property
    def genesis(self) -> Path:
        """What all nodes agree on."""
        return self.folder / "genesis.json"

    @property
    def network(self) -> Path:
        """The options, for the commands that act on this folder."""
        return self.folder / "network.json"

    @property
    def state(self) -> Path:
        """What the supervisor says of itself."""
        return self.folder / "supervisor.json"

    @property
    def supervisor_log(self) -> Path:
        """What a detached supervisor prints."""
        return self.folder / "supervisor.log"

    @property
    def lock(self) -> Path:
        """Held by the supervisor that runs this folder."""
        return self.folder / "supervisor.lock"

    def node(self, index: int) -> Path:
        """A node's folder."""
        return self.folder / f"node-{index}"

    def config(self, index: int) -> Path:
        """A node's configuration."""
        return self.node(index) / "node.toml"

    def peer_id(self, index: int) -> Path:
        """The name that goes with a node's key, for the commands that tell where to join."""
        return self.node(index) / "node.id"

    def peer_address(self, options: Options, index: int) -> str:
        """What another node is told to join at this one.

        Raises:
            StartupRefused: the folder does not say it.
        """
        try:
            peer_id = self.peer_id(index).read_text().strip()
        except OSError as error:
            again = own_command("up --fresh", self.folder)
            raise StartupRefused(f"{self.peer_id(index)} cannot be read ({error.strerror}): start over with {again}") from error
        return f"{_bracketed(options.dial_host)}:{options.p2p_port + index}:{peer_id}"

    def log(self, index: int) -> Path:
        """What a node says; its older parts are `node.log.1`, ..."""
        return self.node(index) / "node.log"

    def output(self, index: int) -> Path:
        """What a node prints apart from its log: why it did not start, or a crash of the interpreter."""
        return self.node(index) / "node.out"


def read_options(layout: Layout) -> Options | None:
    """The options of the network in a folder; None when there is none.

    Raises:
        StartupRefused: there is half of one.
    """
    again = own_command("up --fresh", layout.folder)
    try:
        stored: Any = json.loads(layout.network.read_text())
        return Options(**{field.name: stored[field.name] for field in fields(Options)})
    except FileNotFoundError:
        if layout.genesis.exists():
            raise StartupRefused(
                f"{layout.folder} holds a genesis file but no network.json: start over with {again}, or choose another --data-dir"
            ) from None
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartupRefused(f"{layout.network} cannot be used ({error}): start over with {again}") from error


def require_options(layout: Layout) -> Options:
    """The options of the network in a folder.

    Raises:
        StartupRefused: there is none.
    """
    options = read_options(layout)
    if options is None:
        up = own_command("up", layout.folder)
        raise StartupRefused(f"there is no network in {layout.folder}: start one with {up}, or name another --data-dir")
    return options


def write_options(layout: Layout, options: Options) -> None:
    """Records the options; the file appears whole or not at all."""
    replace_file(layout.network, json.dumps(asdict(options), indent=2) + "\n")


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file that appears whole or not at all, whoever else writes it at the same time."""
    handle, draft = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
    try:
        with open(handle, "w") as file:
            os.fchmod(handle, mode)
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def new_options(given: dict[str, Any], base: Options = _USUAL) -> Options:
    """The options of a new network, those of `base` where none is given; an idle one is never faster than a busy one."""
    options = replace(base, **given)
    if "idle_block_time_ms" not in given and options.block_time_ms > options.idle_block_time_ms:
        options = replace(options, idle_block_time_ms=options.block_time_ms)
    return options


def renew_options(layout: Layout, given: dict[str, Any]) -> Options:
    """The options of a new network in a folder: those it had, where none is given."""
    try:
        stored = read_options(layout)
    except StartupRefused:
        # half of a network is what a new one is made to get rid of
        stored = None
    return new_options(given, stored or _USUAL)


def merge_options(stored: Options, given: dict[str, Any]) -> Options:
    """The options of a second start: those stored, with what was given anew.

    Raises:
        StartupRefused: another value for an option of genesis; it names the option.
    """
    for name in GENESIS_OPTIONS:
        if name in given and given[name] != getattr(stored, name):
            raise StartupRefused(
                f"this network was made with {flag(name)} {_shown(name, getattr(stored, name))}, not {_shown(name, given[name])}: "
                f"leave {flag(name)} out to go on with it, or start over with --fresh"
            )
    return replace(stored, **given)


def _shown(name: str, value: object) -> str:
    return f"{value / 1000:g}" if name.endswith("_ms") and isinstance(value, int) else str(value)
