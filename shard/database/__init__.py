"""Where a shard keeps its state: ordered keys and values behind one Protocol, on disk or in memory."""

from shard.database.interface import Database, Item
from shard.database.level import LevelDatabase
from shard.database.memory import MemoryDatabase

__all__ = ["Database", "Item", "LevelDatabase", "MemoryDatabase"]
