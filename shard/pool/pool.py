"""The pool of one shard. It knows no clock and no chain: time and accounts come as arguments (PROTOCOL 5).

A transaction is added after `check_stateless`, with its sender recovered and found to be no contract.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from primitives.errors import InvalidTransaction, Reason, TransactionReason
from primitives.types import Address
from shard.pool.accounts import Account, Entry, Ranks
from shard.pool.model import Added, DropReason, PoolContent, PoolLimits, PoolTransaction
from shard.transactions import Transaction
from shard.transactions.checks import insufficient_funds, nonce_too_low
from shard.transactions.model import TRANSACTION_GAS

SKIPPED_SENDERS_MAX = 256
"""How many senders `candidates` passes over for want of gas before it calls the block full."""


class Pool:
    """Transactions waiting for a block, bounded in number and bytes; single operations are O(log n)."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.drops: dict[DropReason, int] = dict.fromkeys(DropReason, 0)
        """Transactions that left, by reason."""
        self.refusals: dict[Reason, int] = {}
        """Additions refused, by reason."""
        self._accounts: dict[Address, Account] = {}
        self._entries: dict[bytes, Entry] = {}
        self._too_slow: dict[bytes, None] = {}
        self._ranks = Ranks()
        self._bytes = 0
        self._arrivals = 0

    # reading

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Sum of the signed bytes held."""
        return self._bytes

    def counts(self) -> tuple[int, int]:
        """(pending, queued): executable transactions, and those behind a nonce gap."""
        queued = len(self._ranks.queued)
        return len(self._entries) - queued, queued

    def get(self, transaction_hash: bytes) -> PoolTransaction | None:
        """The transaction with this hash; None when it is not here."""
        entry = self._entries.get(transaction_hash)
        return entry.pooled if entry is not None else None

    def pending_nonce(self, sender: Address, nonce: int) -> int:
        """The first nonce, from the sender's next one on the chain on, that no transaction here has taken."""
        account = self._accounts.get(sender)
        if account is None:
            return nonce
        if account.nonce <= nonce <= account.end:
            return account.end
        # the chain has moved the nonce by other means than the sender's transactions (EIP-7702)
        while nonce in account.entries:
            nonce += 1
        return nonce

    def has_executable(self, base_fee: int) -> bool:
        """Whether `candidates(base_fee, ...)` could give anything."""
        top = self._ranks.head_fees.peek()
        return top is not None and -top[0][0] >= base_fee

    def content(self, sender: Address | None = None) -> PoolContent:
        """All transactions, or those of one sender."""
        if sender is None:
            accounts = [self._accounts[address] for address in sorted(self._accounts)]
        else:
            accounts = [self._accounts[sender]] if sender in self._accounts else []
        pending = {account.address: tuple(entry.pooled for entry in account.run()) for account in accounts}
        queued = {account.address: tuple(entry.pooled for entry in account.queue()) for account in accounts}
        return PoolContent({a: t for a, t in pending.items() if t}, {a: t for a, t in queued.items() if t})

    def candidates(self, base_fee: int, gas_budget: int, count_max: int) -> list[PoolTransaction]:
        """Executable transactions for a block, best effective tip first, then first come; a sender's by rising nonce.

        Args:
            base_fee: of the block, wei a gas; a transaction below it stops its sender.
            gas_budget: upper bound of the sum of gas limits; a transaction over what is left stops its sender.
            count_max: upper bound of the number.
        """
        heads, drawn = self._ranks.heads, []
        ready: list[tuple[int, int, Entry]] = []
        chosen: list[PoolTransaction] = []
        skipped = 0
        while len(chosen) < count_max and gas_budget >= TRANSACTION_GAS and skipped <= SKIPPED_SENDERS_MAX:
            # A head's tip bounds its effective tip, so heads below the best ready one need not be looked at.
            while (top := heads.peek()) is not None and (not ready or top[0] < ready[0][:2]):
                heads.pop()
                drawn.append(top[1])
                _make_ready(ready, top[1], base_fee)
            if not ready:
                break
            entry = heapq.heappop(ready)[2]
            transaction = entry.pooled.transaction
            if transaction.gas_limit > gas_budget:
                skipped += 1
                continue
            gas_budget -= transaction.gas_limit
            chosen.append(entry.pooled)
            following = entry.account.entries.get(entry.nonce + 1)
            if following is not None:
                _make_ready(ready, following, base_fee)
        for entry in drawn:
            self._ranks.set_head(entry)
        return chosen

    # adding

    def add(self, transaction: Transaction, sender: Address, nonce: int, balance: int, now_ms: int) -> Added:
        """Takes a transaction in.

        Args:
            transaction: past `check_stateless`.
            sender: recovered from its signature.
            nonce: the sender's next one at the final head of now: that of another head would move the sender there.
            balance: the sender's at that head, wei.
            now_ms: any clock that does not go back.

        Raises:
            InvalidTransaction: TOO_SLOW, ALREADY_KNOWN, NONCE_TOO_LOW, INSUFFICIENT_FUNDS (with what the sender's other
                transactions may cost), REPLACEMENT_UNDERPRICED, SENDER_LIMIT, UNDERPRICED or POOL_FULL.
        """
        try:
            return self._add(transaction, sender, nonce, balance, now_ms)
        except InvalidTransaction as error:
            self.refusals[error.reason] = self.refusals.get(error.reason, 0) + 1
            raise

    def _add(self, transaction: Transaction, sender: Address, nonce: int, balance: int, now_ms: int) -> Added:
        if transaction.hash in self._too_slow:
            raise InvalidTransaction(TransactionReason.TOO_SLOW, "execution too slow for this network")
        if transaction.hash in self._entries:
            raise InvalidTransaction(TransactionReason.ALREADY_KNOWN, "already known")
        self.update(sender, nonce, balance, now_ms)
        if transaction.nonce < nonce:
            raise nonce_too_low(transaction, nonce)
        account = self._accounts.get(sender) or Account(sender, nonce, balance)
        replaced = account.entries.get(transaction.nonce)
        self._check_funds(transaction, account, replaced)
        if replaced is not None:
            self._check_replacement(transaction, replaced.pooled.transaction)
        elif len(account.entries) >= self.limits.transactions_per_sender_max:
            raise InvalidTransaction(
                TransactionReason.SENDER_LIMIT,
                f"account limit exceeded: {len(account.entries)} transactions of this account are waiting",
                limit=self.limits.transactions_per_sender_max,
            )
        entry = Entry(PoolTransaction(transaction, sender, self._arrivals, now_ms), account)
        evicted = self._make_room(entry, replaced, now_ms)
        self._arrivals += 1
        if replaced is not None:
            self._swap(replaced, entry)
        else:
            self._insert(entry)
        return Added(entry.nonce < account.end, replaced.pooled.hash if replaced is not None else None, evicted)

    def _check_funds(self, transaction: Transaction, account: Account, replaced: Entry | None) -> None:
        if transaction.cost > account.balance:
            raise insufficient_funds(transaction, account.balance)
        others = account.cost_total - (replaced.cost if replaced is not None else 0)
        overshot = others + transaction.cost - account.balance
        if overshot > 0:
            raise InvalidTransaction(
                TransactionReason.INSUFFICIENT_FUNDS,
                f"insufficient funds for gas * price + value: balance {account.balance}, queued cost {others}, "
                f"tx cost {transaction.cost}, overshot {overshot}",
                balance=account.balance,
                queued_cost=others,
                cost=transaction.cost,
                overshot=overshot,
            )

    def _check_replacement(self, new: Transaction, old: Transaction) -> None:
        percent = 100 + self.limits.price_bump_percent
        for have, had in (
            (new.max_fee_per_gas, old.max_fee_per_gas),
            (new.max_priority_fee_per_gas, old.max_priority_fee_per_gas),
        ):
            if have <= had or have < had * percent // 100:
                raise InvalidTransaction(TransactionReason.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")

    def _make_room(self, entry: Entry, replaced: Entry | None, now_ms: int) -> tuple[bytes, ...]:
        """Evicts what is worth less than `entry`, or, where that is not enough, restores everything and refuses."""
        count, size = (0, -len(replaced.pooled.transaction.raw)) if replaced is not None else (1, 0)
        size += len(entry.pooled.transaction.raw)
        victims: list[Entry] = []
        while len(self._entries) + count > self.limits.transactions_max or self._bytes + size > self.limits.bytes_max:
            try:
                victim = self._victim(entry, replaced)
            except InvalidTransaction:
                for restored in reversed(victims):
                    self._insert(restored)
                raise
            self._remove(victim, now_ms)
            victims.append(victim)
        self.drops[DropReason.EVICTED] += len(victims)
        return tuple(victim.pooled.hash for victim in victims)

    def _victim(self, entry: Entry, replaced: Entry | None) -> Entry:
        account = entry.account
        is_pending = account.nonce <= entry.nonce <= account.end
        top = self._ranks.queued.peek()
        if top is not None and top[1] is not replaced:
            # What cannot be executed never keeps out what can.
            if is_pending or entry.price > top[1].price:
                return top[1]
            raise InvalidTransaction(TransactionReason.UNDERPRICED, "transaction underpriced")
        top = self._ranks.tails.peek()
        if not is_pending or top is None:
            raise InvalidTransaction(TransactionReason.POOL_FULL, "txpool is full")
        before = account.entries.get(entry.nonce - 1) if entry.nonce > account.nonce else None
        worth = min(entry.price, before.run_price) if before is not None else entry.price
        if top[1].account is account or worth <= top[1].run_price:
            raise InvalidTransaction(TransactionReason.UNDERPRICED, "transaction underpriced")
        return top[1]

    # leaving

    def update(self, sender: Address, nonce: int, balance: int, now_ms: int) -> None:
        """Notes a sender's account; drops what its nonce has passed or its balance cannot pay any more.

        A nonce may go back, when a forced close voids blocks (PROTOCOL 3).
        """
        account = self._accounts.get(sender)
        if account is None:
            return
        account.balance = balance
        # Before the nonce moves, so that nothing joins a run only to be cut off again.
        if balance < account.cost_max:
            for entry in [entry for entry in account.entries.values() if entry.cost > balance and entry.nonce >= nonce]:
                self._drop(entry, DropReason.UNAFFORDABLE, now_ms)
        if nonce != account.nonce:
            self._set_nonce(account, nonce, now_ms)
        if balance < account.cost_max:
            account.cost_max = max((entry.cost for entry in account.entries.values()), default=0)

    def on_block(self, accounts: Mapping[Address, tuple[int, int]], now_ms: int) -> tuple[bytes, ...]:
        """Notes the accounts (nonce, balance) a block changed, and drops what has waited behind a gap for too long.

        Returns:
            Hashes of the expired transactions.
        """
        for sender, (nonce, balance) in accounts.items():
            self.update(sender, nonce, balance, now_ms)
        expired = []
        while (top := self._ranks.expiry.peek()) is not None and now_ms - top[0][0] > self.limits.queued_lifetime_ms:
            expired.append(top[1].pooled.hash)
            self._drop(top[1], DropReason.EXPIRED, now_ms)
        return tuple(expired)

    def discard(self, transaction_hash: bytes, reason: DropReason, now_ms: int) -> bool:
        """Drops a transaction if it is here; those of its sender that follow it queue. Returns whether it was here."""
        entry = self._entries.get(transaction_hash)
        if entry is None:
            return False
        self._drop(entry, reason, now_ms)
        return True

    def reject_too_slow(self, transaction_hash: bytes, now_ms: int) -> None:
        """Drops a transaction that overran the build budget alone, and refuses it from now on (PROTOCOL 5)."""
        self.discard(transaction_hash, DropReason.TOO_SLOW, now_ms)
        self._too_slow[transaction_hash] = None
        if len(self._too_slow) > self.limits.too_slow_hashes_max:
            del self._too_slow[next(iter(self._too_slow))]

    def _set_nonce(self, account: Account, nonce: int, now_ms: int) -> None:
        if nonce < account.nonce:
            self._ranks.cut_run(account, account.nonce, now_ms)
            account.nonce = account.end = nonce
            self._ranks.extend_run(account)
            return
        passed = range(account.nonce, nonce) if nonce <= account.end else sorted(n for n in account.entries if n < nonce)
        gone = [account.entries[n] for n in passed]
        for entry in gone:
            self._forget(entry)
        self.drops[DropReason.NONCE_USED] += len(gone)
        account.nonce, account.end = nonce, max(nonce, account.end)
        self._ranks.extend_run(account)
        self._ranks.reprice_run(account, nonce)

    def _drop(self, entry: Entry, reason: DropReason, now_ms: int) -> None:
        self.drops[reason] += 1
        self._remove(entry, now_ms)

    def _remove(self, entry: Entry, now_ms: int) -> None:
        self._forget(entry)
        if entry.nonce < entry.account.end:
            self._ranks.cut_run(entry.account, entry.nonce, now_ms)

    def _forget(self, entry: Entry) -> None:
        account = entry.account
        del self._entries[entry.pooled.hash]
        del account.entries[entry.nonce]
        self._bytes -= len(entry.pooled.transaction.raw)
        account.cost_total -= entry.cost
        self._ranks.unqueue(entry)
        if not account.entries:
            del self._accounts[account.address]

    def _insert(self, entry: Entry) -> None:
        account = entry.account
        self._accounts[account.address] = account
        self._hold(entry)
        if entry.nonce == account.end:
            self._ranks.extend_run(account)
        else:
            self._ranks.queue(entry)

    def _swap(self, old: Entry, new: Entry) -> None:
        self.drops[DropReason.REPLACED] += 1
        self._forget(old)
        self._accounts[new.account.address] = new.account
        self._hold(new)
        if new.nonce < new.account.end:
            self._ranks.reprice_run(new.account, new.nonce)
        else:
            self._ranks.queue(new)

    def _hold(self, entry: Entry) -> None:
        account = entry.account
        self._entries[entry.pooled.hash] = entry
        account.entries[entry.nonce] = entry
        self._bytes += len(entry.pooled.transaction.raw)
        account.cost_total += entry.cost
        account.cost_max = max(account.cost_max, entry.cost)


def _make_ready(ready: list[tuple[int, int, Entry]], entry: Entry, base_fee: int) -> None:
    transaction = entry.pooled.transaction
    tip = transaction.effective_tip(base_fee)
    if tip >= 0:
        heapq.heappush(ready, (-tip, entry.pooled.arrival, entry))
