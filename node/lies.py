"""What validators that break the rules on purpose say in place of the truth, simulated ones and live ones alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from p2p.messages import Blocks, Status
from primitives.blocks import BeaconBlock, ShardBlock
from primitives.hashing import sha256
from primitives.headers import ShardHeader
from primitives.receipts import Bundle
from primitives.types import Root

LAG_MS = (500, 6000)
"""How late a lagger hears and says something."""
SLOW_BLOCK_MS = (300, 3500)
"""How much later than it could a slow proposer sends its block: around the proposal timer, before and after."""
HEIGHTS_LIED_MAX = 1000
_UP_SHARE = 0.8
"""Of the lies about heights: those that claim to be ahead, not at the start."""
_WEI_FORGED = 10**18


class Chance(Protocol):
    """A source of chance, as `random.Random` is one."""

    def random(self) -> float:
        """At least 0, less than 1."""

    def randint(self, a: int, b: int) -> int:
        """Between the two, both included."""


def forged(bundle: Bundle) -> Bundle:
    """Receipts for more value than was sent."""
    return replace(bundle, receipts=tuple(replace(receipt, amount=receipt.amount + _WEI_FORGED) for receipt in bundle.receipts))


def spoiled(data: bytes, *, is_beacon: bool) -> tuple[bytes, Root]:
    """A block that claims another state than its execution leads to, and its root."""
    wrong = sha256(b"wrong")
    if is_beacon:
        block = replace(BeaconBlock.decode(data), state_root=wrong)
        return block.encode(), block.hash_tree_root()
    shard_block = ShardBlock.decode(data)
    header = replace(ShardHeader.decode(shard_block.header), state_root=wrong)
    return replace(shard_block, header=header.encode()).encode(), header.hash()


def elsewhere(status: Status, chance: Chance) -> Status:
    """Heights far ahead, or at the start."""
    up = chance.randint(0, HEIGHTS_LIED_MAX) if chance.random() < _UP_SHARE else None
    rows = tuple(
        replace(row, view=0 if up is None else row.view + up, height=0 if up is None else row.height + up, root=b"\7" * 32)
        for row in status.chains
    )
    return replace(status, chains=rows)


def cut_short(blocks: Blocks, chance: Chance) -> Blocks | None:
    """No blocks, or all but the one that the finalization is of."""
    return (None, replace(blocks, blocks=blocks.blocks[:-1]))[chance.randint(0, 1)]


def kept_or_forged(bundle: Bundle, chance: Chance) -> Bundle | None:
    """Nothing, or a forged page."""
    return (None, forged(bundle))[chance.randint(0, 1)]
