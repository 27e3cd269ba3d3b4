"""Which shards a node runs itself, and what it needs to know of those it does not (PROTOCOL 8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consensus.beacon.genesis import ShardGenesis
from primitives.errors import InvalidConfig
from primitives.genesis import Genesis
from shard.database import MemoryDatabase
from shard.engine.engines import DEFAULT_ENGINE, make_engine
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader
from shard.results import HeadInfo
from shard.views import small


def hosted_shards(genesis: Genesis, listed: Collection[int] | None, *, has_validators: bool) -> tuple[int, ...]:
    """The shards a node runs: those its operator lists (None: all), and those its validators serve, which is every one.

    Raises:
        InvalidConfig: a listed shard is not of this network.
    """
    count = genesis.parameters.shard_count
    for shard in listed or ():
        if not 0 <= shard < count:
            raise InvalidConfig("shards", f"this network has shards 0 to {count - 1}, not {shard}: correct the list")
    if listed is None or has_validators:
        return tuple(range(count))
    return tuple(sorted(set(listed)))


def genesis_of_shards(genesis: Genesis, heads: Mapping[int, HeadInfo]) -> list[ShardGenesis]:
    """Block 0 of every shard: from the executors of the hosted ones, else made in memory and forgotten again."""
    return [_of_head(heads.get(shard) or _make_head(genesis, shard)) for shard in range(genesis.parameters.shard_count)]


def _of_head(head: HeadInfo) -> ShardGenesis:
    return ShardGenesis(head.genesis_header, small(head.genesis_supply))


def _make_head(genesis: Genesis, shard: int) -> HeadInfo:
    database = MemoryDatabase()
    engine = make_engine(DEFAULT_ENGINE, genesis.parameters, shard, StateReader(database))
    return ShardExecutor(database, genesis, shard, engine, lambda: 0.0).head()
