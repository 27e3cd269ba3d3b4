"""What the JSON-RPC server asks of a node about the beacon chain and the channels between shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from primitives.blocks import BeaconBlock
from primitives.receipts import CrossShardReceipt
from shard.views import BlockSelector


@dataclass(frozen=True, slots=True)
class BeaconBlockView:
    """A finalized beacon block."""

    root: bytes
    block: BeaconBlock
    size: int
    """Bytes of its encoding."""


@dataclass(frozen=True, slots=True)
class ValidatorView:
    """A validator of the registry."""

    public_key: bytes
    stake: int
    """Own, in wei."""
    fee_address: bytes
    is_active: bool
    """Whether it is in the set of the epoch in which the next beacon block falls."""
    votes_due: int
    """Certificates of this epoch whose committee it sat on."""
    votes_seen: int
    """Those that carry its vote."""
    slashed_at: int = 0
    """Height of the beacon block whose evidence cost it stake and seat; 0: none did."""


@dataclass(frozen=True, slots=True)
class CommitteeView:
    """Who runs a chain in an epoch."""

    instance_epoch: int
    """First epoch of the unbroken run with this committee."""
    members: tuple[tuple[int, int], ...]
    """(validator index, stake in wei) in committee order."""


@dataclass(frozen=True, slots=True)
class CommitteesView:
    """Committees of an epoch."""

    epoch: int
    seed: bytes
    committees: tuple[CommitteeView, ...]
    """By chain number; the last is the beacon chain's."""


class BeaconBackend(Protocol):
    """The beacon chain as of its newest finalized block."""

    def block(self, selector: BlockSelector) -> BeaconBlockView | None:
        """A finalized block by height, root or tag; None when there is none."""
        ...

    def validators(self) -> tuple[ValidatorView, ...]:
        """The registry, by index."""
        ...

    def epochs_known(self) -> tuple[int, ...]:
        """Epochs that `committees` can tell of, rising."""
        ...

    def committees(self, epoch: int | None) -> CommitteesView | None:
        """Committees of an epoch (None: of the one in which the next beacon block falls); None when they are not held."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelView:
    """How far the messages from one shard to another have come, as counts since genesis."""

    sent: int
    """In blocks of the source that this node knows."""
    recorded: int
    """In crosslinked blocks of the source: these can be delivered."""
    delivered: int
    """In blocks of the destination that this node knows."""
    is_closed: bool
    """Outbox takes no transfer or call for it, until less than half of `channel_backlog_max` waits."""


class ChannelBackend(Protocol):
    """The messages on their way between shards."""

    def view(self, source: int, destination: int) -> ChannelView:
        """How far the messages from a shard to another have come."""
        ...

    async def pending(self, source: int, destination: int, first: int, count: int) -> tuple[CrossShardReceipt, ...] | None:
        """At most `count` messages from nonce `first` on, as far as they are here; None when this node hosts neither shard."""
        ...
