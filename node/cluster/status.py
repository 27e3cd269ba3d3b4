"""What the nodes of a local network say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.cluster.client import CallRefused, Client, Unreachable
from node.cluster.layout import Options

POLL_SECONDS_MAX = 2.0
"""For one node to answer; one that takes longer counts as down."""
_EXTRA_DATA_BYTES = 29
"""Version, epoch, view, proposer, missing, little endian (docs/protocol.md, shard block)."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block by height and hash."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Where a chain stands at one node."""

    name: str
    """`shard 0`, ..., `beacon`."""
    chain_id: int
    head: Block
    safe: Block
    finalized: Block
    epoch: int | None
    """Of the head; None when it was not asked for."""
    view: int | None
    """Of the head; None when it was not asked for."""
    base_fee: int | None
    """Wei a gas; None for the beacon chain."""
    pending: int | None
    """Executable transactions in the pool; None for the beacon chain."""


@dataclass(frozen=True, slots=True)
class Slashed:
    """A validator that evidence has cost stake and seat."""

    validator: int
    beacon_height: int
    """Of the block with the evidence."""
    stake: int
    """Wei that are left of it."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node says."""

    index: int
    is_ready: bool
    """It has caught up, and reports `finalized` >= 1 on every chain."""
    peers: int
    chains: tuple[ChainStatus, ...]
    """The shards in order, then the beacon chain."""
    slashed: tuple[Slashed, ...] = ()
    """By rising validator; empty when views were not asked for."""


class Watcher:
    """Asks each node of a network how it stands, over connections that stay open."""

    def __init__(self, options: Options) -> None:
        self._clients = [Client(options.url(node), POLL_SECONDS_MAX) for node in range(options.nodes)]

    def ask(self, node: int, with_views: bool = False) -> NodeStatus | None:
        """How a node stands; None when it does not answer. `with_views`: the epoch and view of each shard's head too."""
        return _ask(self._clients[node], node, with_views)

    def ask_all(self, with_views: bool = False) -> list[NodeStatus | None]:
        """How every node stands."""
        return [self.ask(node, with_views) for node in range(len(self._clients))]

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients:
            client.close()


def ask_at(url: str) -> NodeStatus | None:
    """How the node at an address stands, with epochs and views; None when it does not answer.

    Raises:
        InvalidConfig: it is no address.
    """
    client = Client(url, POLL_SECONDS_MAX, option="--observer")
    try:
        return _ask(client, 0, with_views=True)
    finally:
        client.close()


def _ask(client: Client, index: int, with_views: bool) -> NodeStatus | None:
    try:
        network, beacon = client.batch([("shard_getNetwork", ()), ("beacon_getHead", ())], "/beacon")
        shards = network["shards"]
        heads = [_ask_head(client, number, entry) if with_views else None for number, entry in enumerate(shards)]
        slashed = _ask_slashed(client) if with_views else ()
    except (CallRefused, Unreachable):
        return None
    chains = [_shard_status(number, entry, head) for number, (entry, head) in enumerate(zip(shards, heads, strict=True))]
    chains.append(_beacon_status(network["beacon"], beacon))
    is_ready = network["ready"] and all(chain.finalized.number >= 1 for chain in chains)
    return NodeStatus(index, is_ready, int(network["peers"], 16), tuple(chains), slashed)


def _ask_slashed(client: Client) -> tuple[Slashed, ...]:
    return tuple(
        Slashed(int(one["index"], 16), int(one["slashedAt"], 16), int(one["stake"], 16))
        for one in client.batch([("beacon_getValidators", ())], "/beacon")[0]
        if one["slashedAt"] is not None
    )


def _ask_head(client: Client, shard: int, entry: dict[str, Any]) -> bytes | None:
    """The extra data of a shard's newest block; None for genesis, which has none, and for a shard that the node does not host."""
    if entry["latest"] is None:
        return None
    block = client.batch([("eth_getBlockByHash", (entry["latest"]["hash"], False))], f"/shard/{shard}")[0]
    extra = bytes.fromhex(block["extraData"][2:]) if block is not None else b""
    return extra if len(extra) == _EXTRA_DATA_BYTES else None


def _block(reference: dict[str, str]) -> Block:
    return Block(int(reference["number"], 16), reference["hash"])


def _shard_status(number: int, entry: dict[str, Any], extra: bytes | None) -> ChainStatus:
    return ChainStatus(
        name=f"shard {number}",
        chain_id=int(entry["chainId"], 16),
        head=_block(entry["latest"] or entry["finalized"]),
        safe=_block(entry["safe"] or entry["finalized"]),
        finalized=_block(entry["finalized"]),
        epoch=None if extra is None else int.from_bytes(extra[1:9], "little"),
        view=None if extra is None else int.from_bytes(extra[9:17], "little"),
        base_fee=int(entry["baseFeePerGas"], 16),
        pending=None if entry["pool"] is None else int(entry["pool"]["pending"], 16),
    )


def _beacon_status(entry: dict[str, Any], head: dict[str, Any]) -> ChainStatus:
    block = _block(head)
    return ChainStatus(
        name="beacon", chain_id=int(entry["chainId"], 16), head=block, safe=block, finalized=block,
        epoch=int(head["epoch"], 16), view=int(head["view"], 16), base_fee=None, pending=None,
    )  # fmt: skip
