"""A developer's controls of a network whose validators are all here (docs/decisions/0015)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from consensus.beacon.committees import compute_epoch
from node.clock import Clock
from node.core.chain import Chain
from node.core.core import Core
from node.core.effects import Effect, Event, Mine, SetAutomine, SetTimestamp
from node.feed import Feed
from node.impersonated import Impersonated
from node.past import Past
from node.rpc.backend import FeedEvent, ShardBackend
from node.rpc.controls_backend import Unsigned
from primitives.errors import ControlReason, Interrupted, InvalidControl
from primitives.hashing import keccak256
from shard.contracts import DEVELOPER
from shard.operations import Operation, complaint_about
from shard.transactions import encode_impersonated
from shard.transactions.model import intrinsic_gas_of
from shard.views import AccountView, small

ORDER_SECONDS_MAX = 120.0
"""For one order, waiting for those before it included."""
MINED_BLOCKS_MAX = 1000
"""Blocks of one order to mine."""
TIMESTAMP_MAX = 253_402_300_799
"""The last second of the year 9999: what clients show dates with ends there."""
TIP_WEI = 10**9
"""Wei a gas that an operation offers to the proposer."""
FEE_MULTIPLE = 2
"""Of the next base fee, that an operation offers."""
OPERATION_BLOCKS_MAX = 32
"""Blocks mined until an operation is in one; its fee is enough at once unless others' transactions raise the base fee meanwhile."""
_EMPTY_CODE = keccak256(b"")


def check_granted(core: Core) -> None:
    """Whether there are such controls on this network, and here.

    Raises:
        InvalidControl: NOT_GRANTED, NOT_ALONE.
    """
    context = core.context
    if not context.parameters.developer_controls:
        raise InvalidControl(
            ControlReason.NOT_GRANTED,
            "this network has no developer controls, because several validators have to agree on every block: start one that is yours "
            "alone with shardnet up --nodes 1",
        )
    if not context.decides_alone:
        raise InvalidControl(ControlReason.NOT_ALONE, "this node only follows the network: ask the node that holds its validators")


class Controls:
    """Implements `node.rpc.controls_backend.ControlsBackend`; one order at a time."""

    def __init__(
        self, core: Core, clock: Clock, feed: Feed, tell: Callable[[Event], Awaitable[None]], perform: Callable[[list[Effect]], None],
        shard: Callable[[int], ShardBackend | None], past: Past, impersonated: Impersonated | None = None,
    ) -> None:  # fmt: skip
        """`tell` has the core handle an event, `perform` the loop carry out effects; `shard` is the way to a shard's chain and pool."""
        self._core, self._clock, self._tell, self._perform, self._shard = core, clock, tell, perform, shard
        self._past = past
        self.impersonated = impersonated or Impersonated()
        self._sending: dict[int, trio.Lock] = {}
        """By shard: one transaction at a time reads the next nonce and takes it."""
        self._lock = trio.Lock()
        self._moved = trio.Event()
        feed.listen(self._on_event)

    def _on_event(self, event: FeedEvent) -> None:
        self._moved.set()
        self._moved = trio.Event()

    @asynccontextmanager
    async def _order(self) -> AsyncIterator[None]:
        """The turn of one order, and its time."""
        with trio.move_on_after(ORDER_SECONDS_MAX) as scope:
            async with self._lock:
                yield
        if scope.cancelled_caught:
            raise Interrupted("order_seconds_max", f"the order was not carried out within {ORDER_SECONDS_MAX:g} s")

    async def mine(self, chain: int, count: int, interval_s: int) -> int:
        """See `ControlsBackend`."""
        if count > MINED_BLOCKS_MAX:
            raise InvalidControl(ControlReason.TOO_MANY_BLOCKS, f"{count} blocks are too many for one order: at most {MINED_BLOCKS_MAX}")
        async with self._order():
            self._check_time(self._wall_s() + count * interval_s)
            height = await self._mine(chain, self._begun(chain) + count, interval_s)
        return height

    async def set_automine(self, enabled: bool) -> None:
        """See `ControlsBackend`."""
        async with self._order():
            await self._tell(SetAutomine(enabled))

    async def jump_epoch(self) -> int:
        """See `ControlsBackend`."""
        beacon, length = self._core.beacon.number, self._core.context.parameters.epoch_length
        async with self._order():
            epoch = compute_epoch(self._height(beacon) + 1, length) + 1
            first = epoch * length + 1
            if (left := first - self._height(beacon)) > MINED_BLOCKS_MAX:
                raise InvalidControl(
                    ControlReason.TOO_MANY_BLOCKS,
                    f"epoch {epoch} begins in {left} beacon blocks, of which one order makes at most {MINED_BLOCKS_MAX}: "
                    "have some made with dev_mine at the beacon chain's address first",
                )
            await self._mine(beacon, first)
        return epoch

    async def _mine(self, chain: int, until: int, interval_s: int = 1) -> int:
        await self._tell(Mine(chain, until, interval_s))
        while self._height(chain) < until:
            await self._moved.wait()
        if chain in self._core.shards:
            # time does not stand still until the machine's clock has caught up
            newest = self._newest_timestamp(chain)
            if newest > self._wall_s():
                self._move_clock(newest * 1000)
        return self._height(chain)

    def _begun(self, chain: int) -> int:
        """Height of the newest block that knows nothing of an order given now."""
        return max(self._height(chain), self._chain(chain).begun)

    def _height(self, chain: int) -> int:
        height: int = self._chain(chain).tree.head.info.height
        return height

    def _chain(self, number: int) -> Chain[Any]:
        followed = self._core.chain(number)
        assert followed is not None, "a node with validators follows every chain"
        return followed

    # -- the past

    async def snapshot(self) -> int:
        """See `ControlsBackend`."""
        async with self._order():
            id = await self._past.take()
        return id

    async def revert(self, id: int) -> bool:
        """See `ControlsBackend`."""
        async with self._order():
            is_back = await self._past.revert(id)
        return is_back

    # -- accounts

    async def operate(self, shard: int, operation: Operation) -> None:
        """See `ControlsBackend`."""
        backend = self._backend(shard)
        async with self._order():
            base_fee = backend.heads().next_base_fee
            account, bank = await self._account(backend, operation.address), await self._account(backend, DEVELOPER)
            is_empty = not account.nonce and not small(account.balance) and account.code_hash == _EMPTY_CODE
            data, fee = operation.encode(), FEE_MULTIPLE * base_fee + TIP_WEI
            gas = max(intrinsic_gas_of(data, False, (), 0))
            complaint = complaint_about(
                operation, nonce=account.nonce, balance=small(account.balance), is_empty=is_empty,
                bank=max(0, small(bank.balance) - gas * fee),
            )  # fmt: skip
            if complaint:
                raise InvalidControl(ControlReason.IMPOSSIBLE, complaint)
            wanted = Unsigned(
                sender=DEVELOPER, to=DEVELOPER, value=0, data=data, gas=gas, fee=fee, tip=TIP_WEI, nonce=None, access_list=(),
            )  # fmt: skip
            transaction = await self._submit(shard, wanted)
            status = await self._included(shard, backend, transaction)
            if not status:
                raise InvalidControl(ControlReason.IMPOSSIBLE, f"0x{operation.address.hex()} had changed by then: try again")

    async def _included(self, shard: int, backend: ShardBackend, transaction: bytes) -> int:
        """Mines until a transaction is in a block; its status."""
        for blocks in range(OPERATION_BLOCKS_MAX + 1):
            receipt = await backend.receipt(transaction)
            if receipt is not None:
                return receipt.status
            if blocks < OPERATION_BLOCKS_MAX:
                await self._mine(shard, self._begun(shard) + 1)
        raise Interrupted("operation_blocks_max", f"the order is in none of {OPERATION_BLOCKS_MAX} blocks mined for it: others pay more")

    async def send(self, shard: int, wanted: Unsigned) -> bytes:
        """See `ControlsBackend`."""
        self.impersonated.require(wanted.sender)
        return await self._submit(shard, wanted)

    async def _submit(self, shard: int, wanted: Unsigned) -> bytes:
        backend = self._backend(shard)
        async with self._sending.setdefault(shard, trio.Lock()):
            nonce = await backend.pending_nonce(wanted.sender) if wanted.nonce is None else wanted.nonce
            raw = encode_impersonated(
                chain_id=self._core.context.parameters.chain_id(shard), sender=wanted.sender, nonce=nonce, fee=wanted.fee,
                tip=wanted.tip, gas=wanted.gas, to=wanted.to, value=wanted.value, data=wanted.data, access_list=wanted.access_list,
            )
            if wanted.sender == DEVELOPER:
                self.impersonated.operation = keccak256(raw)
            return await backend.submit(raw)

    def _backend(self, shard: int) -> ShardBackend:
        backend = self._shard(shard)
        assert backend is not None, "a node with validators hosts every shard"
        return backend

    @staticmethod
    async def _account(backend: ShardBackend, address: bytes) -> AccountView:
        account = await backend.account(address, "latest")
        assert account is not None, "the newest block has a state"
        return account

    # -- time

    async def increase_time(self, seconds: int) -> int:
        """See `ControlsBackend`."""
        async with self._order():
            self._check_time(self._wall_s() + seconds)
            self._move_clock(self._clock().wall_ms + seconds * 1000)
        return self._clock.offset_ms // 1000

    async def set_next_timestamp(self, shard: int | None, timestamp: int) -> None:
        """See `ControlsBackend`."""
        async with self._order():
            self._check_time(timestamp)
            newest = self._core.beacon.tree.head.outcome.timestamp if shard is None else self._newest_timestamp(shard)  # type: ignore[union-attr]
            if timestamp <= newest:
                raise InvalidControl(ControlReason.BAD_TIME, f"timestamp {timestamp} is not after that of the newest block, {newest}")
            if shard is not None:
                await self._tell(SetTimestamp(shard, timestamp))
            self._move_clock(timestamp * 1000)

    def _newest_timestamp(self, shard: int) -> int:
        outcome = self._core.shards[shard].tree.head.outcome
        assert outcome is not None, "the final head is executed"
        return outcome.result.timestamp

    def _wall_s(self) -> int:
        return self._clock().wall_ms // 1000

    @staticmethod
    def _check_time(timestamp: int) -> None:
        if timestamp > TIMESTAMP_MAX:
            raise InvalidControl(ControlReason.BAD_TIME, f"timestamp {timestamp} is after the year 9999, where dates end")

    def _move_clock(self, wall_ms: int) -> None:
        self._clock.move_to(wall_ms)
        self._perform([self._clock.record()])
