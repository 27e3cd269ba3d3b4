"""One sender's transactions, and the orders in which the transactions of all senders stand.

A sender's *run* is what it could have executed now: its transactions from its next nonce without a gap. The rest queues.
"""

from __future__ import annotations

from collections.abc import Iterator

from primitives.types import Address
from shard.pool.heap import KeyedHeap
from shard.pool.model import PoolTransaction

Price = tuple[int, int]
"""(max fee, tip), wei a gas: what a transaction is worth when room is short."""


class Entry:
    """A transaction's place in the pool."""

    __slots__ = ("account", "cost", "nonce", "pooled", "price", "queued_since_ms", "run_price")

    def __init__(self, pooled: PoolTransaction, account: Account) -> None:
        transaction = pooled.transaction
        self.pooled = pooled
        self.account = account
        self.nonce = transaction.nonce
        self.cost = transaction.cost
        self.price: Price = (transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas)
        self.run_price: Price = self.price
        """The lowest price of the run up to here: a dear tail cannot be executed before the cheap ones it stands behind."""
        self.queued_since_ms = pooled.arrived_ms


class Account:
    """A sender as the chain knows it, and its transactions."""

    __slots__ = ("address", "balance", "cost_max", "cost_total", "end", "entries", "head", "nonce", "tail")

    def __init__(self, address: Address, nonce: int, balance: int) -> None:
        self.address = address
        self.nonce = nonce
        self.balance = balance
        self.end = nonce
        """First nonce after the run."""
        self.entries: dict[int, Entry] = {}
        self.cost_total = 0
        """Wei all its transactions may cost."""
        self.cost_max = 0
        """Wei; no transaction costs more."""
        self.head: Entry | None = None
        self.tail: Entry | None = None

    def run(self) -> Iterator[Entry]:
        """The run, by rising nonce."""
        return (self.entries[nonce] for nonce in range(self.nonce, self.end))

    def queue(self) -> list[Entry]:
        """What waits behind a gap, by rising nonce."""
        return [self.entries[nonce] for nonce in sorted(self.entries) if nonce >= self.end]


class Ranks:
    """The orders over all senders, kept in step with their runs."""

    __slots__ = ("expiry", "head_fees", "heads", "queued", "tails")

    def __init__(self) -> None:
        self.heads: KeyedHeap[Entry] = KeyedHeap()
        """First of each run, highest tip first, then first come."""
        self.head_fees: KeyedHeap[Entry] = KeyedHeap()
        """First of each run, highest max fee first."""
        self.tails: KeyedHeap[Entry] = KeyedHeap()
        """Last of each run, lowest run price first, then last come: the order of eviction."""
        self.queued: KeyedHeap[Entry] = KeyedHeap()
        """Everything behind a gap, lowest price first, then last come: evicted before any tail."""
        self.expiry: KeyedHeap[Entry] = KeyedHeap()
        """Everything behind a gap, longest wait first."""

    def queue(self, entry: Entry) -> None:
        """Notes that `entry` waits behind a gap."""
        arrival = entry.pooled.arrival
        self.queued.set(entry, (*entry.price, -arrival))
        self.expiry.set(entry, (entry.queued_since_ms, arrival))

    def unqueue(self, entry: Entry) -> None:
        """Notes that `entry` no longer waits behind a gap."""
        self.queued.discard(entry)
        self.expiry.discard(entry)

    def set_head(self, entry: Entry) -> None:
        """Notes that `entry` is the first of its run."""
        arrival = entry.pooled.arrival
        self.heads.set(entry, (-entry.price[1], arrival))
        self.head_fees.set(entry, (-entry.price[0], arrival))

    def refresh(self, account: Account) -> None:
        """Notes the first and the last of the account's run."""
        head = account.entries[account.nonce] if account.end > account.nonce else None
        tail = account.entries[account.end - 1] if account.end > account.nonce else None
        if account.head is not head:
            if account.head is not None:
                self.heads.discard(account.head)
                self.head_fees.discard(account.head)
            if head is not None:
                self.set_head(head)
            account.head = head
        if account.tail is not tail and account.tail is not None:
            self.tails.discard(account.tail)
        if tail is not None:
            self.tails.set(tail, (*tail.run_price, -tail.pooled.arrival))
        account.tail = tail

    def extend_run(self, account: Account) -> None:
        """Takes into the run what has become executable."""
        entries = account.entries
        while (entry := entries.get(account.end)) is not None:
            self.unqueue(entry)
            entry.run_price = min(entry.price, entries[entry.nonce - 1].run_price) if entry.nonce > account.nonce else entry.price
            account.end += 1
        self.refresh(account)

    def cut_run(self, account: Account, nonce: int, now_ms: int) -> None:
        """Ends the run before `nonce`; what followed queues from now on."""
        for later in range(nonce, account.end):
            entry = account.entries.get(later)
            if entry is not None:
                entry.queued_since_ms = now_ms
                self.queue(entry)
        account.end = nonce
        self.refresh(account)

    def reprice_run(self, account: Account, nonce: int) -> None:
        """Corrects run prices from `nonce` on, as far as they change."""
        for later in range(nonce, account.end):
            entry = account.entries[later]
            price = min(entry.price, account.entries[later - 1].run_price) if later > account.nonce else entry.price
            if later > nonce and price == entry.run_price:
                break
            entry.run_price = price
        self.refresh(account)
