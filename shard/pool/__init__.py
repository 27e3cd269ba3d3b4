"""Transactions that wait for a block: what is kept, in which order it leaves, and what goes first when room is short."""

from shard.pool.model import Added, DropReason, PoolContent, PoolLimits, PoolTransaction
from shard.pool.pool import Pool

__all__ = ["Added", "DropReason", "Pool", "PoolContent", "PoolLimits", "PoolTransaction"]
