"""The stand-in's state and what blocks do to it: transfers, receipts, calls to two kinds of contract, fees, refunds and results.

No EVM runs. A contract is one that forwards what it is called with or one that refuses it, a callback is taken by an account
without code; gas is a fixed price; all else, the totals of channels and what is burned, is counted as Outbox, Inbox and the real
executor do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_abi import decode as abi_decode

from node.simulator.workload import FORWARDER, REFUSER
from primitives.blocks import CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, ShardReference
from primitives.callbacks import CALLBACK_GAS_BYTES, Outcome, call_data_of, callback_gas_in
from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import sha256
from primitives.parameters import Parameters
from primitives.receipts import CALL_KINDS, CrossShardReceipt, ReceiptKind, Summary
from shard.callbacks import Awaited
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.inbound import counted_gas
from shard.transactions import Transaction

TRANSFER_GAS, OUTBOX_GAS, CALL_GAS, CREDIT_GAS = 21_000, 80_000, 50_000, 21_000
CALL_PRICE_SHARE = 8
"""A call that offers less than this part of the base fee does not run (PROTOCOL 6)."""
NOBODY = b"\0" * 20


@dataclass(frozen=True, slots=True)
class State:
    """A shard after a block."""

    accounts: Mapping[bytes, tuple[int, int]]
    """(nonce, wei) by address."""
    summary: Summary
    root: bytes
    awaited: Mapping[bytes, Awaited]
    """Callbacks to come, by the id of their call."""


def genesis_state(accounts: Mapping[bytes, tuple[int, int]], summary: Summary) -> State:
    """The state before block 1."""
    return State(accounts, summary, _root(b"genesis", accounts, summary), {})


def _root(before: bytes, changed: Mapping[bytes, tuple[int, int]], summary: Summary) -> bytes:
    parts = [before, summary.encode()]
    for address in sorted(changed):
        nonce, wei = changed[address]
        parts.append(address + nonce.to_bytes(8, "big") + wei.to_bytes(32, "big"))
    return sha256(b"".join(parts))


@dataclass(slots=True)
class Ledger:
    """One block being executed."""

    shard: int
    before: State
    parameters: Parameters
    reference: ShardReference
    coinbase: bytes
    base_fee: int
    changed: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    sent: list[CrossShardReceipt] = field(default_factory=list)
    taken: list[CrossShardReceipt] = field(default_factory=list)
    awaited: dict[bytes, Awaited] = field(default_factory=dict)
    """Callbacks promised in this block."""
    closed: set[bytes] = field(default_factory=set)
    """Ids of the calls whose result came in this block."""
    burned: int = 0
    gas_used: int = 0

    def account(self, address: bytes) -> tuple[int, int]:
        """(nonce, wei) now."""
        return self.changed.get(address) or self.before.accounts.get(address, (0, 0))

    def pay(self, address: bytes, wei: int) -> None:
        """Adds to an account, or takes from it."""
        nonce, balance = self.account(address)
        assert balance + wei >= 0, "nobody spends what it does not have"
        self.changed[address] = (nonce, balance + wei)

    # -- inbound receipts

    def deliver(self, receipt: CrossShardReceipt) -> None:
        """See `BlockExecution.deliver`."""
        self.taken.append(receipt)
        if receipt.kind == ReceiptKind.RESULT:
            self.settle(receipt)
            return
        if receipt.kind == ReceiptKind.CREDIT:
            self.gas_used += CREDIT_GAS
            self.pay(receipt.to, receipt.amount + receipt.fee)
            return
        offered = receipt.fee // receipt.gas_limit if receipt.gas_limit else 0
        is_known = receipt.kind in CALL_KINDS and receipt.source != self.parameters.beacon
        if not is_known or CALL_PRICE_SHARE * offered < self.base_fee or receipt.gas_limit < CALL_GAS:
            self.gas_used += CREDIT_GAS
            self.refund(receipt, receipt.amount + receipt.fee)
            return
        self.gas_used += CALL_GAS
        cost = min(self.base_fee, offered) * CALL_GAS
        self.burned += cost
        if receipt.to == REFUSER:
            self.refund(receipt, receipt.amount + receipt.fee - cost)
            return
        self.pay(call_data_of(receipt)[12:32] if receipt.to == FORWARDER else receipt.to, receipt.amount)
        if receipt.kind == ReceiptKind.CALL_REFUND_THERE:
            self.pay(receipt.refund_to, receipt.fee - cost)
        else:
            self.refund(receipt, receipt.fee - cost, success=True)

    def settle(self, receipt: CrossShardReceipt) -> None:
        """Credits a result, and pays for the callback that its call was promised."""
        self.gas_used += CREDIT_GAS
        outcome = Outcome.decode(receipt.data, self.parameters.callback_data_max)
        awaited = self.before.awaited.get(outcome.call_id) if outcome is not None else None
        if outcome is None or awaited is None or awaited.destination != receipt.source or outcome.call_id in self.closed:
            self.pay(receipt.refund_to, receipt.amount + receipt.fee)
            return
        self.closed.add(outcome.call_id)
        runs = CALL_PRICE_SHARE * awaited.price >= self.base_fee and awaited.gas <= counted_gas(receipt, self.parameters.receipt_gas_max)
        cost = min(self.base_fee, awaited.price) * CREDIT_GAS if runs else 0
        self.burned += cost
        self.pay(OUTBOX, -awaited.escrow)
        self.pay(awaited.refund_to, receipt.amount + receipt.fee + awaited.escrow - cost)

    def refund(self, receipt: CrossShardReceipt, wei: int, *, success: bool = False) -> None:
        """Sends what is left of a receipt back to its source: the outcome too where that is awaited, and else nothing where nothing is."""
        if receipt.kind == ReceiptKind.CALL_WITH_CALLBACK:
            data = Outcome(receipt.identity(self.parameters.chain_id_base), success, b"").encode()
            gas_limit = callback_gas_in(receipt.data)
            self._send(receipt.source, ReceiptKind.RESULT, OUTBOX, receipt.sender, wei, gas_limit, 0, receipt.refund_to, data)
        elif wei:
            self._send(receipt.source, ReceiptKind.CREDIT, OUTBOX, receipt.refund_to, wei)

    def _send(
        self, destination: int, kind: ReceiptKind, sender: bytes, to: bytes, amount: int,
        gas_limit: int = 0, fee: int = 0, refund_to: bytes = NOBODY, data: bytes = b"",
    ) -> CrossShardReceipt:  # fmt: skip
        nonce = self.before.summary.outgoing[destination].count + sum(sent.destination == destination for sent in self.sent)
        receipt = CrossShardReceipt(self.shard, destination, nonce, kind, sender, to, amount, gas_limit, fee, refund_to, data)
        self.sent.append(receipt)
        return receipt

    # -- user transactions

    def apply(self, transaction: Transaction, sender: bytes) -> None:
        """See `BlockExecution.apply`.

        Raises:
            InvalidTransaction: NONCE_TOO_LOW, NONCE_TOO_HIGH, FEE_BELOW_BASE or INSUFFICIENT_FUNDS; nothing changed.
        """
        nonce, balance = self.account(sender)
        if transaction.nonce != nonce:
            low = transaction.nonce < nonce
            raise InvalidTransaction(TransactionReason.NONCE_TOO_LOW if low else TransactionReason.NONCE_TOO_HIGH, "nonce")
        if transaction.max_fee_per_gas < self.base_fee:
            raise InvalidTransaction(TransactionReason.FEE_BELOW_BASE, "fee")
        if balance < transaction.cost:
            raise InvalidTransaction(TransactionReason.INSUFFICIENT_FUNDS, "funds")
        gas = OUTBOX_GAS if transaction.to == OUTBOX else TRANSFER_GAS
        tip = transaction.effective_tip(self.base_fee)
        self.changed[sender] = (nonce + 1, balance - gas * (self.base_fee + tip))
        self.pay(self.coinbase, gas * tip)
        self.burned += gas * self.base_fee
        self.gas_used += gas
        if transaction.to != OUTBOX:
            assert transaction.to is not None, "nobody creates contracts here"
            self.pay(sender, -transaction.value)
            self.pay(transaction.to, transaction.value)
        elif self._leave(transaction, sender):
            self.pay(sender, -transaction.value)

    def _leave(self, transaction: Transaction, sender: bytes) -> bool:
        """Outbox.transfer, Outbox.send and Outbox.sendWithCallback; False where they revert."""
        selector, arguments = transaction.data[:4], transaction.data[4:]
        name = next(name for name in ("transfer", "send", "sendWithCallback") if selector == OUTBOX_CONTRACT.methods[name][0])
        values = abi_decode(OUTBOX_CONTRACT.methods[name][1], arguments)
        destination, to = values[0], bytes.fromhex(values[1][2:])
        if not 0 <= destination < self.parameters.shard_count or destination == self.shard:
            return False
        refusing = CHANNEL_CLOSED | (RETURN_CHANNEL_CLOSED if name == "sendWithCallback" else 0)
        if self.reference.terms[destination].closed & refusing:
            return False
        if name == "transfer":
            self._send(destination, ReceiptKind.CREDIT, sender, to, transaction.value)
            return True
        if name == "sendWithCallback":
            return self._promise(destination, sender, to, values[2:], transaction.value)
        amount, gas_limit, refund_to, data = values[2], values[3], bytes.fromhex(values[4][2:]), values[5]
        fee = transaction.value - amount
        if fee < gas_limit * 2 * self.reference.terms[destination].base_fee:
            return False
        self._send(destination, ReceiptKind.CALL_REFUND_THERE, sender, to, amount, gas_limit, fee, refund_to, data)
        return True

    def _promise(self, destination: int, sender: bytes, to: bytes, values: Sequence[Any], attached: int) -> bool:
        gas_limit, callback_gas, refund_to, data = values[0], values[1], bytes.fromhex(values[2][2:]), values[3]
        fee = gas_limit * 2 * self.reference.terms[destination].base_fee
        awaited = Awaited(sender, destination, callback_gas, 2 * self.base_fee, refund_to)
        amount = attached - fee - awaited.escrow
        if amount < 0:
            return False
        data = callback_gas.to_bytes(CALLBACK_GAS_BYTES, "big") + data
        receipt = self._send(destination, ReceiptKind.CALL_WITH_CALLBACK, sender, to, amount, gas_limit, fee, refund_to, data)
        self.awaited[receipt.identity(self.parameters.chain_id_base)] = awaited
        self.pay(OUTBOX, awaited.escrow)
        return True

    # -- the end

    def finish(self) -> State:
        """The state after the block; that of its parent where nothing happened."""
        if not (self.changed or self.sent or self.taken):
            return self.before
        old, base = self.before.summary, self.parameters.chain_id_base
        outgoing, incoming = list(old.outgoing), list(old.incoming)
        for receipt in self.sent:
            outgoing[receipt.destination] = outgoing[receipt.destination].add([receipt], base)
        for receipt in self.taken:
            incoming[receipt.source] = incoming[receipt.source].add([receipt], base)
        summary = replace(old, burned=old.burned + self.burned, outgoing=tuple(outgoing), incoming=tuple(incoming))
        awaited = {call: known for call, known in self.before.awaited.items() if call not in self.closed} | self.awaited
        return State({**self.before.accounts, **self.changed}, summary, _root(self.before.root, self.changed, summary), awaited)
