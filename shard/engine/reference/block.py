"""One block being executed by the reference engine."""

from __future__ import annotations

from primitives.errors import InvalidTransaction, TransactionReason
from primitives.parameters import Parameters
from primitives.receipts import RECEIPT_TRANSACTION_TYPE, ChannelTotals, CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, INBOX, OUTBOX
from shard.engine.encoding import bloom_of, encode_receipt, join_blooms
from shard.engine.interface import ExecutionResult, Log, Meter, TransactionOutcome
from shard.engine.reference import messages
from shard.engine.reference.accounts import is_delegation
from shard.engine.reference.delivery import deliver
from shard.engine.reference.operations import perform
from shard.engine.reference.state import ShardState
from shard.engine.trie import list_root
from shard.operations import is_operation
from shard.transactions import Transaction, check_against_account


class ReferenceBlock:
    """Executes the transactions of one block on its parent's state; implements `BlockExecution`."""

    def __init__(self, state: ShardState, parameters: Parameters, shard: int) -> None:
        self._state = state
        self._accounts = state.accounts
        self._parameters = parameters
        self._shard = shard
        self._context = state.context
        self._outcomes: list[TransactionOutcome] = []
        self._gas_used = 0
        self._base_fees = 0
        self._taken_in = 0
        self._incoming: dict[int, ChannelTotals] = {}
        self._finished = False
        self._sent_before = system.sent_value(self._accounts.get_storage, parameters.shard_count)
        self._start()

    def _start(self) -> None:
        reference = self._context.reference
        messages.system_call(self._state, BEACON_ROOTS, reference.root)
        messages.system_call(self._state, BLOCK_HASHES, self._context.parent_hash)
        begin = system.changed_terms(self._accounts.get_storage, reference.terms, self._shard)
        if begin is not None:
            messages.system_call(self._state, OUTBOX, begin)

    @property
    def gas_used(self) -> int:
        """Gas counted so far."""
        return self._gas_used

    def deliver(self, receipt: CrossShardReceipt, meter: Meter | None = None) -> TransactionOutcome:
        """See `BlockExecution.deliver`."""
        assert not self._finished
        base = self._parameters.chain_id_base
        self._state.use_inbound_prices(meter)
        delivered = deliver(self._state, receipt, self._parameters, self._shard)
        self._taken_in += receipt.amount + receipt.fee
        self._base_fees += delivered.price * delivered.gas_used
        source = receipt.source
        totals = self._incoming.get(source) or system.read_channel(self._accounts.get_storage, INBOX, source)
        assert receipt.nonce == totals.count, "receipts of a source come in order"
        self._incoming[source] = totals.add([receipt], base)
        return self._record(
            raw=receipt.transaction_bytes(base),
            transaction_hash=receipt.identity(base),
            kind=RECEIPT_TRANSACTION_TYPE,
            sender=_delivered_by(receipt),
            to=receipt.to,
            ran=messages.Ran(delivered.success, delivered.gas_used, delivered.logs, b"", ""),
            price=delivered.price,
        )

    def apply(self, transaction: Transaction, sender: bytes, meter: Meter | None = None) -> TransactionOutcome:
        """See `BlockExecution.apply`."""
        assert not self._finished
        left = self._context.gas_limit - self._gas_used
        if transaction.gas_limit > left:
            raise InvalidTransaction(
                TransactionReason.GAS_LIMIT, "exceeds block gas limit: gas left in the block", gas=transaction.gas_limit, limit=left
            )
        accounts = self._accounts
        code = accounts.get_code(sender)
        check_against_account(
            transaction,
            nonce=accounts.get_nonce(sender),
            balance=accounts.get_balance(sender),
            sender_has_code=bool(code) and not is_delegation(code) and not transaction.is_impersonated,
            base_fee=self._context.base_fee,
        )
        before = accounts.snapshot()
        tip = transaction.effective_tip(self._context.base_fee)
        self._state.use_meter(meter)
        try:
            if self._parameters.developer_controls and is_operation(sender, transaction.to):
                ran = perform(self._state, transaction, tip)
            else:
                ran = messages.apply_transaction(self._state, transaction, sender, tip)
            if meter is not None:
                # what the last step took counts too
                meter()
        except BaseException:
            # Interrupted, or a bug: either way the block must not keep half a transaction.
            accounts.revert(before)
            accounts.end_transaction()
            raise
        accounts.end_transaction()
        self._base_fees += ran.gas_used * self._context.base_fee
        price = self._context.base_fee + tip
        return self._record(transaction.raw, transaction.hash, transaction.type, sender, transaction.to, ran, price)

    def _record(
        self, raw: bytes, transaction_hash: bytes, kind: int, sender: bytes, to: bytes | None, ran: messages.Ran, price: int
    ) -> TransactionOutcome:
        self._gas_used += ran.gas_used
        logs: tuple[Log, ...] = ran.logs
        bloom = bloom_of(logs)
        outcome = TransactionOutcome(
            raw=raw,
            hash=transaction_hash,
            type=kind,
            sender=sender,
            to=to,
            status=int(ran.success),
            gas_used=ran.gas_used,
            cumulative_gas_used=self._gas_used,
            effective_gas_price=price,
            logs=logs,
            logs_bloom=bloom,
            contract_address=ran.contract_address if to is None else None,
            receipt=encode_receipt(kind, int(ran.success), self._gas_used, bloom, logs),
        )
        self._outcomes.append(outcome)
        return outcome

    def finish(self) -> ExecutionResult:
        """See `BlockExecution.finish`."""
        assert not self._finished
        self._finished = True
        accounts, read = self._accounts, self._accounts.get_storage
        self._state.use_meter(None)
        if self._incoming:
            messages.system_call(self._state, INBOX, system.advance_call(self._incoming))
        # The whole base fee is burned until there is an economy to share it (PROTOCOL 7).
        burned, fees = self._base_fees + accounts.destroyed, 0
        if burned or fees:
            messages.system_call(self._state, OUTBOX, system.end_call(burned, fees))
        sent = system.sent_value(read, self._parameters.shard_count) - self._sent_before
        if sent:
            accounts.set_balance(OUTBOX, accounts.get_balance(OUTBOX) - sent)
        balance_change = accounts.balance_change()
        summary = system.read_summary(read, self._parameters.shard_count)
        touched = sorted(accounts.before)
        writes: dict[bytes, bytes] = {}
        state_root = accounts.commit(writes)
        return ExecutionResult(
            state_root=state_root,
            transactions_root=list_root([outcome.raw for outcome in self._outcomes]),
            receipts_root=list_root([outcome.receipt for outcome in self._outcomes]),
            logs_bloom=join_blooms(outcome.logs_bloom for outcome in self._outcomes),
            gas_used=self._gas_used,
            summary=summary,
            requests_hash=summary.requests_hash(),
            taken_in=self._taken_in,
            sent=sent,
            burned=burned,
            fees=fees,
            balance_change=balance_change,
            outcomes=tuple(self._outcomes),
            accounts={address: accounts.state_of(address) for address in touched},
            writes=writes,
        )


def _delivered_by(receipt: CrossShardReceipt) -> bytes:
    """Who a delivery comes from: the sender of a credit, Inbox for a callback, the alias for whatever else calls."""
    if receipt.kind == ReceiptKind.CREDIT:
        return receipt.sender
    return INBOX if receipt.kind == ReceiptKind.RESULT else alias_of(receipt.source, receipt.sender)
