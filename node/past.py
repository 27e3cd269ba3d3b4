"""Keeping a moment of a network that one node has alone, and going back to it (docs/decisions/0015)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from node.core.records import INCARNATION_KEY
from node.executors.executor import Executor
from node.loop import CoreLoop
from node.rpc.door import Door
from node.snapshots import Snapshots
from node.store import NodeStore
from primitives.errors import Busy, ControlReason, ExecutorLost, InvalidControl, StorageFailed
from shard.database import LevelDatabase
from shard.results import HeadInfo

_LOG = logging.getLogger("shardnet.node")
STORE = "node"
"""Name of the node's own store among those of a snapshot."""
_INCARNATION_BYTES = 8


@dataclass(slots=True)
class _Wish:
    """What somebody waits for."""

    revert_to: int | None
    """None: a snapshot is wanted."""
    done: trio.Event = field(default_factory=trio.Event)
    outcome: int | InvalidControl | Busy = 0


class Past:
    """Takes snapshots and goes back to them, in a task of its own: whoever asked may go, and what fails half way ends the node."""

    def __init__(
        self, snapshots: Snapshots, store: NodeStore, links: Mapping[int, Executor], loop: CoreLoop, door: Door,
        renew: Callable[[Mapping[int, HeadInfo]], None], incarnation: Callable[[], int],
    ) -> None:  # fmt: skip
        """`renew` makes everything anew that knew of what is no more; `incarnation` is how often that has been so."""
        self._snapshots, self._store, self._links, self._loop, self._door = snapshots, store, links, loop, door
        self._renew, self._incarnation = renew, incarnation
        self._send, self._receive = trio.open_memory_channel[_Wish](0)

    async def run(self) -> None:
        """Serves until cancelled."""
        async for wish in self._receive:
            try:
                wish.outcome = await (self._take() if wish.revert_to is None else self._revert(wish.revert_to))
            except (InvalidControl, Busy) as error:
                wish.outcome = error
            wish.done.set()

    async def take(self) -> int:
        """Keeps all chains as they are now; the id to go back by.

        Raises:
            InvalidControl: TOO_MANY_SNAPSHOTS, SNAPSHOTS_TOO_LARGE.
            Busy: calls that came before are still being answered.
        """
        return await self._ask(_Wish(None))

    async def revert(self, id: int) -> bool:
        """Goes back to a snapshot, which is gone then, and so are later ones; False if there is none of that id.

        Raises:
            Busy: calls that came before are still being answered.
        """
        return bool(await self._ask(_Wish(id)))

    async def _ask(self, wish: _Wish) -> int:
        await self._send.send(wish)
        await wish.done.wait()
        if isinstance(wish.outcome, InvalidControl | Busy):
            raise wish.outcome
        return wish.outcome

    async def _take(self) -> int:
        await trio.to_thread.run_sync(self._snapshots.check_room)
        async with self._door.closed(), self._loop.standing_still(is_end=False):
            await self._close()
            try:
                id = await trio.to_thread.run_sync(self._snapshots.take)
            except OSError as error:
                why = f"the snapshot cannot be written ({error.strerror}): make room on the disk"
                raise InvalidControl(ControlReason.SNAPSHOTS_TOO_LARGE, why) from error
            finally:
                await self._open()
        _LOG.info("snapshot_taken id=%d", id)
        return id

    async def _revert(self, id: int) -> int:
        if id not in await trio.to_thread.run_sync(self._snapshots.ids):
            return False
        incarnation = self._incarnation() + 1

        def prepare(folder: Path) -> None:
            database = LevelDatabase(folder / STORE)
            database.write_batch([(INCARNATION_KEY, incarnation.to_bytes(_INCARNATION_BYTES, "big"))], sync=True)
            database.close()

        async with self._door.closed(), self._loop.standing_still(is_end=True):
            await self._close()
            try:
                await trio.to_thread.run_sync(self._snapshots.revert, id, prepare)
            except OSError as error:
                raise StorageFailed(
                    f"the snapshot {id} cannot be put back ({error.strerror}): make room on the disk and start the node again"
                ) from error
            self._renew(await self._open())
        _LOG.info("reverted id=%d incarnation=%d", id, incarnation)
        return True

    async def _close(self) -> None:
        await self._each(_close)
        await self._store.hold()

    async def _open(self) -> dict[int, HeadInfo]:
        await self._store.resume()
        heads: dict[int, HeadInfo] = {}

        async def resume(shard: int, link: Executor) -> None:
            heads[shard] = await link.resume()

        async with trio.open_nursery() as nursery:
            for shard, link in self._links.items():
                nursery.start_soon(resume, shard, link)
        return heads

    async def _each(self, work: Callable[[Executor], Awaitable[None]]) -> None:
        async with trio.open_nursery() as nursery:
            for link in self._links.values():
                nursery.start_soon(work, link)


async def _close(link: Executor) -> None:
    with suppress(ExecutorLost):
        await link.settle()
    await link.hold()
