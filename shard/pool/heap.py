"""A heap whose items can be moved and removed."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = tuple[int, ...]
_SLACK_ENTRIES = 64


class KeyedHeap(Generic[Item]):
    """Items by rising key; all operations O(log n) amortized.

    Keys must be unique among the items held, so that two runs agree on the order. A moved or removed item's old entry
    stays until it surfaces or outdated entries are the majority.
    """

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._heap: list[tuple[Key, Item]] = []
        self._keys: dict[Item, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, item: Item, key: Key) -> None:
        """Adds `item`, or moves it to `key`."""
        if self._keys.get(item) == key:
            return
        self._keys[item] = key
        heapq.heappush(self._heap, (key, item))
        if len(self._heap) > 2 * len(self._keys) + _SLACK_ENTRIES:
            self._heap = [(k, i) for i, k in self._keys.items()]
            heapq.heapify(self._heap)

    def discard(self, item: Item) -> None:
        """Removes `item` if it is there."""
        self._keys.pop(item, None)

    def peek(self) -> tuple[Key, Item] | None:
        """The item with the lowest key; None when there is none."""
        while self._heap:
            key, item = self._heap[0]
            if self._keys.get(item) == key:
                return key, item
            heapq.heappop(self._heap)
        return None

    def pop(self) -> tuple[Key, Item] | None:
        """Takes out the item with the lowest key; None when there is none."""
        top = self.peek()
        if top is not None:
            heapq.heappop(self._heap)
            del self._keys[top[1]]
        return top
