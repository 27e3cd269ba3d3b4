"""One block of eth_simulateV1: overrides, system calls, then calls, each on the state the one before left.

Source: execution API specification, eth_simulateV1; go-ethereum's words and order of checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth.abc import ComputationAPI, MessageAPI
from eth.vm.message import Message
from eth_typing import Address

from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, SYSTEM_ADDRESS
from shard.engine.encoding import bloom_of, encode_receipt
from shard.engine.interface import Log, Meter, SimulatedResult
from shard.engine.reference import calls, messages
from shard.engine.reference.precompiles import METERED_PRECOMPILES
from shard.engine.reference.tracing.computation import FramesComputation, InboundFramesComputation
from shard.engine.reference.tracing.state import TracedState
from shard.engine.reference.tracing.tracer import Budget, Traced
from shard.engine.trie import list_root
from shard.simulations import BlockToSimulate, CallToSimulate, SimulatedTransaction
from shard.transactions import Transaction
from shard.transactions.checks import check_fee, check_funds, check_intrinsic_gas, nonce_too_low
from shard.transactions.model import INIT_CODE_BYTES_MAX, Authorization, Signature, intrinsic_gas_of
from shard.transactions.rlp import encode_list, encode_number, encode_text
from shard.views import CallOutcome, big, small

TRANSFER_ADDRESS = b"\xee" * 20
TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")
CALL_BYTES = 1024
"""What a call and its transaction come to in JSON, but for data, output and logs."""
NONCE_MAX = 2**64 - 1


class TransferTracer:
    """Logs as they are written, and, where asked for, transfers of value among them as if they were a token's."""

    user_class = FramesComputation
    inbound_class = InboundFramesComputation

    def __init__(self, budget: Budget, with_transfers: bool) -> None:
        self._budget, self._with_transfers = budget, with_transfers
        self._starts: list[int] = []
        self.logs: list[Log] = []
        self.next_call: object = None

    def enter(self, message: MessageAPI, parent: ComputationAPI | None) -> None:
        """See `Tracer`."""
        self._starts.append(len(self.logs))
        if message.should_transfer_value:
            self._transfer(message.sender, message.storage_address, message.value)

    def _transfer(self, sender: bytes, to: bytes, value: int) -> None:
        if value and self._with_transfers:
            self._add(Log(TRANSFER_ADDRESS, (TRANSFER_TOPIC, sender.rjust(32, b"\0"), to.rjust(32, b"\0")), value.to_bytes(32, "big")))

    def _add(self, log: Log) -> None:
        self._budget.take(512 + 2 * len(log.data))
        self.logs.append(log)

    def leave(self, computation: ComputationAPI) -> None:
        """See `Tracer`."""
        start = self._starts.pop()
        if computation.is_error:
            del self.logs[start:]

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """See `Tracer`."""
        self._add(Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), data))

    def destroyed(self, address: bytes, beneficiary: bytes, balance: int) -> None:
        """What a contract that ends hands on."""
        self._transfer(address, beneficiary, balance)

    def ending(self) -> None:
        """See `Tracer`."""

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`; what is asked for here are the logs."""
        return b""


@dataclass(slots=True)
class Options:
    """How strict a simulation is, and what it tells."""

    validation: bool
    transfers: bool
    gas_max: int
    """Of one call, whatever the limit its block is given: gas is what bounds memory, and built-in contracts that never look up."""


def simulate_block(
    state: TracedState, block: BlockToSimulate, options: Options, budget: Budget, writes: dict[bytes, bytes], meter: Meter
) -> SimulatedResult:
    """Runs a block on a state nobody else uses.

    Args:
        state: its parent's, with the block's own context.
        block: its overrides and calls; the rest of it is in the context.
        options: how.
        budget: of the whole simulation.
        writes: where the state it leaves goes.
        meter: asked at every dear step.

    Raises:
        InvalidTransaction: a call is no transaction that could be in the block.
        InvalidQuery: OVER_LIMIT.
        Interrupted: raised by `meter`.
    """
    _move(state, block)
    calls.override(state, block.overrides, meter)
    _tell(state, BEACON_ROOTS, state.context.reference.root)
    _tell(state, BLOCK_HASHES, state.context.parent_hash)
    work = _Block(state, options, budget, meter)
    for call in block.calls:
        meter()
        work.add(call)
    return SimulatedResult(
        state_root=state.accounts.commit(writes), transactions_root=list_root(work.raws), receipts_root=list_root(work.receipts),
        logs_bloom=bloom_of(work.all_logs), gas_used=work.gas_used, raws=tuple(work.raws), transactions=tuple(work.transactions),
        calls=tuple(work.calls),
    )  # fmt: skip


def _move(state: TracedState, block: BlockToSimulate) -> None:
    built_in = dict[bytes, Any](METERED_PRECOMPILES.items())
    moved = {to: built_in[address] for address, to in block.moves}
    for override in block.overrides:
        built_in.pop(override.address, None)
    for address, _ in block.moves:
        built_in.pop(address, None)
    state.precompiles = {**built_in, **moved}


def _tell(state: TracedState, to: bytes, data: bytes) -> None:
    """A system call; overrides may have put any code there, so it may fail."""
    code = state.accounts.get_code(to)
    message = Message(
        gas=messages.SYSTEM_CALL_GAS, to=Address(to), sender=Address(SYSTEM_ADDRESS), value=0, data=data, code=code,
        should_transfer_value=False,
    )  # fmt: skip
    messages.execute(state, message, SYSTEM_ADDRESS, 0)
    state.accounts.end_transaction()


class _Block:
    """A block's calls so far."""

    def __init__(self, state: TracedState, options: Options, budget: Budget, meter: Meter) -> None:
        self._state, self._options, self._budget, self._meter = state, options, budget, meter
        self.gas_used = 0
        self.raws: list[bytes] = []
        self.receipts: list[bytes] = []
        self.transactions: list[SimulatedTransaction] = []
        self.calls: list[tuple[CallOutcome, int, tuple[Log, ...]]] = []
        self.all_logs: list[Log] = []

    def add(self, call: CallToSimulate) -> None:
        """Runs one more call."""
        state, accounts = self._state, self._state.accounts
        transaction = self._transaction_of(call)
        price = self._check(transaction, call.sender)
        self._budget.take(CALL_BYTES + 2 * len(call.data))
        tracer = TransferTracer(self._budget, self._options.transfers)
        state.watch(tracer)
        ran = messages.run_transaction(state, transaction, call.sender, price, max(0, price - state.context.base_fee))
        state.watch(None)
        accounts.end_transaction()
        self._budget.take(2 * len(ran.output))
        self.gas_used += ran.gas_used
        self.raws.append(transaction.raw)
        self.receipts.append(encode_receipt(transaction.type, int(ran.success), self.gas_used, bloom_of(ran.logs), ran.logs))
        self.transactions.append(
            SimulatedTransaction(
                transaction.hash, transaction.type, call.sender, transaction.to, transaction.nonce, transaction.gas_limit, call.max_fee,
                call.tip, big(price), call.value, call.data, call.access_list, call.authorizations,
            )
        )  # fmt: skip
        self.calls.append((calls.outcome_of(ran), ran.gas_before_refunds, tuple(tracer.logs)))
        self.all_logs += ran.logs

    def _check(self, transaction: Transaction, sender: bytes) -> int:
        """Wei a gas that the call pays."""
        state, base_fee = self._state, self._state.context.base_fee
        nonce, balance = state.accounts.get_nonce(sender), state.accounts.get_balance(sender)
        fee, tip = transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas
        if self._options.validation:
            self._check_nonce(transaction, nonce)
        if self._options.validation or fee or tip:
            check_fee(fee, base_fee)
        check_funds(transaction, balance)
        check_intrinsic_gas(transaction)
        return min(fee, base_fee + tip) if fee or tip else 0

    def _gas_of(self, call: CallToSimulate) -> int:
        left = self._state.context.gas_limit - self.gas_used
        if call.gas is not None and call.gas > left:
            raise InvalidTransaction(TransactionReason.GAS_LIMIT, f"block gas limit reached: {call.gas} > {left}", gas=call.gas, limit=left)
        return min(left if call.gas is None else call.gas, self._options.gas_max)

    @staticmethod
    def _check_nonce(transaction: Transaction, nonce: int) -> None:
        if transaction.nonce < nonce:
            raise nonce_too_low(transaction, nonce)
        if transaction.nonce > nonce:
            raise InvalidTransaction(
                TransactionReason.NONCE_TOO_HIGH, f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}",
                next_nonce=nonce, nonce=transaction.nonce,
            )  # fmt: skip
        if nonce >= NONCE_MAX:
            raise InvalidTransaction(TransactionReason.NONCE_MAX, f"nonce has max value: {nonce}", nonce=nonce)

    def _transaction_of(self, call: CallToSimulate) -> Transaction:
        if call.to is None and len(call.data) > INIT_CODE_BYTES_MAX:
            raise InvalidTransaction(
                TransactionReason.INIT_CODE_SIZE, f"max initcode size exceeded: code size {len(call.data)}, limit {INIT_CODE_BYTES_MAX}",
                size=len(call.data), limit=INIT_CODE_BYTES_MAX,
            )  # fmt: skip
        if call.to is None and call.authorizations:
            raise InvalidTransaction(TransactionReason.AUTHORIZATION_LIST, "EIP-7702 transaction cannot be used to create contract")
        state = self._state
        fee, tip = small(call.max_fee), small(call.tip)
        if tip > fee:
            raise InvalidTransaction(
                TransactionReason.TIP_ABOVE_FEE,
                f"max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}",
                max_priority_fee_per_gas=tip, max_fee_per_gas=fee,
            )  # fmt: skip
        gas = self._gas_of(call)
        nonce = state.accounts.get_nonce(call.sender) if call.nonce is None else call.nonce
        intrinsic, floor = intrinsic_gas_of(call.data, call.to is None, call.access_list, len(call.authorizations))
        authorizations = tuple(
            Authorization(small(a.chain_id), a.address, a.nonce, Signature(a.y_parity, small(a.r), small(a.s))) for a in call.authorizations
        )
        kind = 4 if call.authorizations else 2
        raw = _encode(call, kind, state.execution_context.chain_id, nonce, gas)
        return Transaction(
            type=kind, chain_id=state.execution_context.chain_id, nonce=nonce, gas_limit=gas, max_fee_per_gas=fee,
            max_priority_fee_per_gas=tip, to=call.to, value=small(call.value), data=call.data, access_list=call.access_list,
            authorization_list=authorizations, signature=Signature(0, 0, 0), signature_offset=0, raw=raw, hash=keccak256(raw),
            intrinsic_gas=intrinsic, floor_gas=floor,
        )  # fmt: skip


def _encode(call: CallToSimulate, kind: int, chain_id: int, nonce: int, gas: int) -> bytes:
    """The transaction with a signature of zeros."""
    parts = [encode_number(value) for value in (chain_id, nonce, small(call.tip), small(call.max_fee), gas)]
    parts += [encode_text(call.to or b""), encode_number(small(call.value)), encode_text(call.data), _list(
        _list((encode_text(address), _list([encode_text(key) for key in keys]))) for address, keys in call.access_list
    )]  # fmt: skip
    if kind == 4:
        parts.append(_list(
            _list((
                encode_number(small(a.chain_id)), encode_text(a.address), encode_number(a.nonce), encode_number(a.y_parity),
                encode_number(small(a.r)), encode_number(small(a.s)),
            ))
            for a in call.authorizations
        ))  # fmt: skip
    return bytes((kind,)) + _list([*parts, *(encode_number(0) for _ in range(3))])


def _list(parts: Sequence[bytes] | Any) -> bytes:
    return encode_list(b"".join(parts))
