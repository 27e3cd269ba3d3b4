"""What a simulated node asks of a shard's executor, and of the disk under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from primitives.blocks import ShardReference
from primitives.receipts import Bundle, CrossShardReceipt
from shard.executor.context import BuildContext
from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo


class Executor(Protocol):
    """As `shard.executor.executor.ShardExecutor`, and three questions the simulation asks itself."""

    def head(self) -> HeadInfo:
        """See `ShardExecutor`."""

    def result(self, block_hash: bytes) -> BlockResult | None:
        """See `ShardExecutor`."""

    def build(self, parent_hash: bytes, context: BuildContext, candidates: Sequence[tuple[bytes, bytes]], build_budget_ms: float) -> Built:
        """See `ShardExecutor`."""

    def execute(
        self, block: bytes, reference: ShardReference, coinbase: bytes, available: Mapping[int, tuple[CrossShardReceipt, ...]] | None
    ) -> BlockResult:
        """See `ShardExecutor`."""

    def finalize(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """See `ShardExecutor`."""

    def truncate(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """See `ShardExecutor`."""

    def set_finalized(self, height: int) -> None:
        """See `ShardExecutor`."""

    def body(self, block_hash: bytes) -> bytes | None:
        """See `ShardExecutor`."""

    def blocks(self, first_height: int, count: int) -> tuple[bytes, ...]:
        """See `ShardExecutor`."""

    def user_transactions(self, block_hash: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """See `ShardExecutor`."""

    def outgoing(self, destination: int, first_nonce: int, count: int) -> Bundle | None:
        """See `ShardExecutor`."""

    def prune_outgoing(self, destination: int, below_nonce: int) -> None:
        """See `ShardExecutor`."""

    def canonical(self, height: int) -> bytes | None:
        """Hash of the canonical block of a height."""

    def account(self, address: bytes, block_hash: bytes | None = None) -> tuple[int, int]:
        """(nonce, wei) of an account after a block; None: after the newest canonical one."""

    def holds_state(self, block_hash: bytes) -> bool:
        """Whether executing a block here led to the state that its header names."""

    def total_wei(self, block_hash: bytes) -> int | None:
        """Wei of all accounts after a block; None where it was not executed here."""


class Disk(Protocol):
    """What of an executor outlives a crash."""

    @property
    def unsynced(self) -> int:
        """Batches a crash may lose."""

    def crash(self, kept: int) -> None:
        """Of the unsynced batches the first `kept` had reached the disk, the others never were."""

    def open(self) -> Executor:
        """An executor over what is on it."""
