"""The pool as one would first write it: a list, and everything derived from it by looking through it."""

from dataclasses import dataclass

from primitives.errors import TransactionReason as R
from shard.pool import PoolLimits
from shard.transactions import Transaction


@dataclass
class Item:
    tx: Transaction
    sender: bytes
    arrival: int
    since: int

    @property
    def price(self):
        return (self.tx.max_fee_per_gas, self.tx.max_priority_fee_per_gas)


class RefusedError(Exception):
    def __init__(self, reason: R) -> None:
        super().__init__(reason)
        self.reason = reason


class Model:
    def __init__(self, limits: PoolLimits) -> None:
        self.limits, self.items, self.accounts, self.arrivals, self.slow = limits, [], {}, 0, []

    def of(self, sender):
        return {item.tx.nonce: item for item in self.items if item.sender == sender}

    def run(self, sender):
        nonce, held, run = self.accounts.get(sender, (0, 0))[0], self.of(sender), []
        while nonce in held:
            run.append(held[nonce])
            nonce += 1
        return run

    def senders(self):
        return sorted({item.sender for item in self.items})

    def pending(self):
        return [item for sender in self.senders() for item in self.run(sender)]

    def queued(self):
        pending = {id(item) for item in self.pending()}
        return [item for item in self.items if id(item) not in pending]

    def run_price(self, item):
        return min(other.price for other in self.run(item.sender) if other.tx.nonce <= item.tx.nonce)

    def changing(self, now, change):
        """Runs `change`; whatever it put out of a run queues from `now` on."""
        before = {id(item) for item in self.pending()}
        try:
            return change()
        finally:
            for item in self.queued():
                if id(item) in before:
                    item.since = now

    def update(self, sender, nonce, balance, now):
        def change():
            self.accounts[sender] = (nonce, balance)
            self.items = [i for i in self.items if i.sender != sender or (i.tx.nonce >= nonce and i.tx.cost <= balance)]

        self.changing(now, change)

    def expire(self, now):
        gone = sorted((i for i in self.queued() if now - i.since > self.limits.queued_lifetime_ms), key=lambda i: (i.since, i.arrival))
        self.items = [i for i in self.items if i not in gone]
        return tuple(i.tx.hash for i in gone)

    def drop(self, transaction_hash, now):
        self.changing(now, lambda: setattr(self, "items", [i for i in self.items if i.tx.hash != transaction_hash]))

    def too_slow(self, transaction_hash, now):
        self.drop(transaction_hash, now)
        if transaction_hash not in self.slow:
            self.slow.append(transaction_hash)
        self.slow = self.slow[-self.limits.too_slow_hashes_max :]

    def add(self, tx, sender, nonce, balance, now):
        if tx.hash in self.slow:
            raise RefusedError(R.TOO_SLOW)
        if any(i.tx.hash == tx.hash for i in self.items):
            raise RefusedError(R.ALREADY_KNOWN)
        self.update(sender, nonce, balance, now)
        if tx.nonce < nonce:
            raise RefusedError(R.NONCE_TOO_LOW)
        old = self.of(sender).get(tx.nonce)
        if sum(i.tx.cost for i in self.of(sender).values() if i is not old) + tx.cost > balance:
            raise RefusedError(R.INSUFFICIENT_FUNDS)
        if old is not None:
            pairs = zip((tx.max_fee_per_gas, tx.max_priority_fee_per_gas), old.price, strict=True)
            if any(new <= had or new < had * 110 // 100 for new, had in pairs):
                raise RefusedError(R.REPLACEMENT_UNDERPRICED)
        elif len(self.of(sender)) >= self.limits.transactions_per_sender_max:
            raise RefusedError(R.SENDER_LIMIT)
        item = Item(tx, sender, self.arrivals, now)
        evicted = self.make_room(item, old)
        self.arrivals += 1
        self.items = [i for i in self.items if i is not old] + [item]
        return item in self.run(sender), old.tx.hash if old else None, evicted

    def make_room(self, item, old):
        saved, evicted = list(self.items), []
        while self.is_over(item, old):
            try:
                victim = self.victim(item, old)
            except RefusedError:
                self.items = saved
                raise
            self.items.remove(victim)
            evicted.append(victim.tx.hash)
        return tuple(evicted)

    def is_over(self, item, old):
        rest = [i for i in self.items if i is not old] + [item]
        return len(rest) > self.limits.transactions_max or sum(len(i.tx.raw) for i in rest) > self.limits.bytes_max

    def victim(self, item, old):
        run = self.run(item.sender)
        nonce = self.accounts[item.sender][0]
        executable = nonce <= item.tx.nonce <= nonce + len(run)
        cheapest = min(self.queued(), key=lambda i: (i.price, -i.arrival), default=None)
        if cheapest is not None and cheapest is not old:
            if executable or item.price > cheapest.price:
                return cheapest
            raise RefusedError(R.UNDERPRICED)
        tails = [self.run(sender)[-1] for sender in self.senders() if self.run(sender)]
        if not executable or not tails:
            raise RefusedError(R.POOL_FULL)
        tail = min(tails, key=lambda i: (self.run_price(i), -i.arrival))
        worth = min([item.price] + [i.price for i in run if i.tx.nonce < item.tx.nonce])
        if tail.sender == item.sender or worth <= self.run_price(tail):
            raise RefusedError(R.UNDERPRICED)
        return tail

    def candidates(self, base_fee, gas, count):
        runs = [list(self.run(sender)) for sender in self.senders()]
        chosen = []
        while gas >= 21_000 and len(chosen) < count:
            ready = [(-run[0].tx.effective_tip(base_fee), run[0].arrival, run) for run in runs if run and run[0].price[0] >= base_fee]
            if not ready:
                break
            run = min(ready, key=lambda r: r[:2])[2]
            if run[0].tx.gas_limit > gas:
                run.clear()
                continue
            gas -= run[0].tx.gas_limit
            chosen.append(run.pop(0).tx.hash)
        return chosen
