"""Questions that run the EVM or many blocks' records: call, estimate_gas, fee_history. Each stops at its meter."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from primitives.blocks import ChannelTerms, ShardReference
from primitives.errors import InvalidQuery, InvalidTransaction, QueryReason, TransactionReason
from primitives.headers import ShardHeader
from primitives.receipts import EMPTY_CHANNEL
from shard.engine.interface import BlockContext, Meter
from shard.executor.context import ancestor_hashes
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.executor.schema import StoredBlock
from shard.transactions.model import TRANSACTION_GAS
from shard.views import AccessOutcome, BlockSelector, CallOutcome, CallRequest, Estimate, FeeHistoryBlock, big, small

FEE_HISTORY_BLOCKS_MAX = 1024
FEE_HISTORY_PERCENTILES_MAX = 100
ESTIMATE_ERROR = 0.015
"""An estimate may be above the least gas limit by this share of it, as geth's."""
CALL_STIPEND = 2300


class Simulator:
    """Simulates on the state after a canonical block, with that block's own context, as geth does."""

    def __init__(self, executor: ShardExecutor, reader: ShardReader) -> None:
        self._executor = executor
        self._reader = reader

    def call(self, selector: BlockSelector, request: CallRequest, meter: Meter) -> CallOutcome:
        """Simulates a message call or creation.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
            InvalidTransaction: what `Engine.call` says.
            Interrupted: raised by `meter`.
        """
        header, context = self.context(selector)
        return self._executor.engine.call(header.state_root, context, request, meter)

    def estimate_gas(self, selector: BlockSelector, request: CallRequest, meter: Meter) -> Estimate:
        """Least gas limit with which a call succeeds, up to `ESTIMATE_ERROR` more.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
            InvalidTransaction: what `Engine.call` says of the call with all the gas it may have.
            Interrupted: raised by `meter`.
        """
        header, context = self.context(selector)
        allowed = min(request.gas or header.gas_limit, header.gas_limit)
        if small(request.gas_price):
            allowed = min(allowed, self._affordable(header, request))
        if allowed < TRANSACTION_GAS:
            return Estimate(None, _over_allowance(allowed))

        def attempt(gas: int) -> CallOutcome | None:
            try:
                return self._executor.engine.call(header.state_root, context, _with_gas(request, gas), meter)
            except InvalidTransaction as error:
                if error.reason is not TransactionReason.INTRINSIC_GAS:
                    raise
                return None

        best = attempt(allowed)
        if best is None:
            return Estimate(None, _over_allowance(allowed))
        if not best.success:
            reverted = best.error.startswith("execution reverted")
            return Estimate(None, best if reverted or allowed == header.gas_limit else _over_allowance(allowed))
        return Estimate(_least(attempt, best.gas_used, allowed), None)

    def create_access_list(self, selector: BlockSelector, request: CallRequest, meter: Meter) -> AccessOutcome:
        """What a call accesses when what it accesses is its access list, as geth finds it: again and again until nothing is added.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
            InvalidTransaction: what `Engine.call` says.
            Interrupted: raised by `meter`, which alone bounds the number of runs.
        """
        header, context = self.context(selector)
        while True:
            found = self._executor.engine.access_list(header.state_root, context, request, meter)
            if found.access_list == request.access_list:
                return found
            request = msgspec.structs.replace(request, access_list=found.access_list)

    def fee_history(self, count: int, newest: BlockSelector, percentiles: tuple[float, ...], meter: Meter) -> tuple[FeeHistoryBlock, ...]:
        """Fees of up to `count` blocks that end in `newest`, oldest first.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK, BAD_RANGE (percentiles not rising from 0 to 100), OVER_LIMIT (`FEE_HISTORY_PERCENTILES_MAX`).
            Interrupted: raised by `meter`.
        """
        if len(percentiles) > FEE_HISTORY_PERCENTILES_MAX:
            raise InvalidQuery(QueryReason.OVER_LIMIT, f"over {FEE_HISTORY_PERCENTILES_MAX} reward percentiles")
        if list(percentiles) != sorted(percentiles) or any(not 0 <= p <= 100 for p in percentiles):
            raise InvalidQuery(QueryReason.BAD_RANGE, "invalid reward percentile: they must rise and lie between 0 and 100")
        block = self._reader.resolve(newest)
        if block is None:
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "header not found")
        found: list[FeeHistoryBlock] = []
        last = block.result.number
        for number in range(max(0, last - min(count, FEE_HISTORY_BLOCKS_MAX) + 1), last + 1):
            meter()
            block = self._reader.resolve(number)
            if block is not None:
                found.append(self._fees(block, percentiles))
        return tuple(found)

    def context(self, selector: BlockSelector) -> tuple[ShardHeader, BlockContext]:
        """A canonical block's header, and what a call on top of it is told of its block: the same, as geth has it.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
        """
        block = self._reader.resolve(selector)
        if block is None:
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "header not found")
        header = ShardHeader.decode(block.result.header)
        terms = (ChannelTerms(0, 0),) * (self._executor.parameters.shard_count + 1)
        inbound = (EMPTY_CHANNEL,) * len(terms)
        reference = ShardReference(header.parent_beacon_block_root, 0, 0, header.prev_randao, terms, inbound)
        return header, BlockContext(
            header.number, header.timestamp, header.coinbase, header.gas_limit, header.base_fee_per_gas, header.parent_hash, reference,
            ancestor_hashes(self._executor.store, header, block.result.hash),
        )  # fmt: skip

    def _affordable(self, header: ShardHeader, request: CallRequest) -> int:
        overridden = next((o.balance for o in request.overrides if o.address == request.sender), None)
        stored = self._executor.engine.account(header.state_root, request.sender).balance
        balance = stored if overridden is None else small(overridden)
        value = small(request.value)
        if value > balance:
            raise InvalidTransaction(TransactionReason.INSUFFICIENT_FUNDS, "insufficient funds for transfer", balance=balance, cost=value)
        return (balance - value) // small(request.gas_price)

    def _fees(self, block: StoredBlock, percentiles: tuple[float, ...]) -> FeeHistoryBlock:
        result = block.result
        header = ShardHeader.decode(result.header)
        rewards: tuple[bytes, ...] = ()
        if percentiles:
            paid = [
                (small(t.effective_gas_price) - header.base_fee_per_gas, t.gas_used)
                for i, t in enumerate(self._executor.store.transactions(result.hash))
                if i >= block.received
            ]
            rewards = tuple(big(reward) for reward in _weighted(sorted(paid), percentiles))
        return FeeHistoryBlock(header.number, result.base_fee, result.next_base_fee, header.gas_used, header.gas_limit, rewards)


def _weighted(paid: list[tuple[int, int]], percentiles: tuple[float, ...]) -> list[int]:
    """Priority fees at percentiles of the gas of (priority fee, gas) pairs in rising order."""
    if not paid:
        return [0] * len(percentiles)
    total = sum(gas for _, gas in paid)
    rewards, at, seen = [], 0, paid[0][1]
    for percentile in percentiles:
        while seen < total * percentile / 100 and at < len(paid) - 1:
            at += 1
            seen += paid[at][1]
        rewards.append(paid[at][0])
    return rewards


def _over_allowance(gas: int) -> CallOutcome:
    return CallOutcome(False, b"", 0, f"gas required exceeds allowance ({gas})")


def _with_gas(request: CallRequest, gas: int) -> CallRequest:
    return msgspec.structs.replace(request, gas=gas)


def _least(attempt: Callable[[int], CallOutcome | None], gas_used: int, allowed: int) -> int:
    def succeeds(gas: int) -> bool:
        outcome = attempt(gas)
        return outcome is not None and outcome.success

    low, high = max(gas_used, TRANSACTION_GAS) - 1, allowed
    # Refunds hide at most a fifth of what was used, and a call passes on at most 63 of 64 parts.
    likely = (gas_used * 5 // 4 + CALL_STIPEND) * 64 // 63
    if succeeds(low + 1):
        return low + 1
    low += 1
    if likely < high:
        if succeeds(likely):
            high = likely
        else:
            low = likely
    while high - low > 1 and (high - low) / high > ESTIMATE_ERROR:
        middle = min((low + high) // 2, low * 2)
        if succeeds(middle):
            high = middle
        else:
            low = middle
    return high
