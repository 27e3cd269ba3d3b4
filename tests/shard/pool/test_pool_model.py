"""The pool and a naive model of it live through the same events."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from primitives.errors import InvalidTransaction
from shard.pool import DropReason, Pool, PoolLimits
from tests.shard.pool.making import RICH, address, make
from tests.shard.pool.model import Model, RefusedError

SENDERS = [address(n) for n in range(1, 5)]
LIMITS = PoolLimits(
    transactions_max=8, transactions_per_sender_max=4, bytes_max=1_200, queued_lifetime_ms=20, price_bump_percent=10, too_slow_hashes_max=2
)
senders = st.sampled_from(SENDERS)
nonces = st.integers(0, 5)
balances = st.sampled_from([RICH, RICH, RICH, 21_000 * 40, 21_000 * 90, 0])
fees, tips = st.sampled_from([10, 11, 12, 20, 22, 40]), st.sampled_from([1, 2, 10])
gas_limits, sizes = st.sampled_from([21_000, 60_000]), st.sampled_from([110, 110, 400])


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool, self.model, self.now = Pool(LIMITS), Model(LIMITS), 0
        self.chain = dict.fromkeys(SENDERS, (0, RICH))

    def held(self, data) -> bytes:
        return data.draw(st.sampled_from(sorted(item.tx.hash for item in self.model.items)))

    @rule(sender=senders, nonce=nonces, fee=fees, tip=tips, gas=gas_limits, size=sizes)
    def add(self, sender, nonce, fee, tip, gas, size) -> None:
        tx = make(sender, nonce, fee, tip, gas=gas, size=size)
        assert self.add_to_pool(tx, sender) == self.add_to_model(tx, sender)

    def add_to_pool(self, tx, sender):
        try:
            added = self.pool.add(tx, sender, *self.chain[sender], self.now)
        except InvalidTransaction as error:
            return error.reason
        return added.is_pending, added.replaced, added.evicted

    def add_to_model(self, tx, sender):
        try:
            return self.model.add(tx, sender, *self.chain[sender], self.now)
        except RefusedError as error:
            return error.reason

    @rule(sender=senders, nonce=nonces, balance=balances, passed=st.integers(0, 15))
    def block(self, sender, nonce, balance, passed) -> None:
        """Nonces may go back: a voided block."""
        self.now += passed
        self.chain[sender] = (nonce, balance)
        if any(item.sender == sender for item in self.model.items):
            self.model.update(sender, nonce, balance, self.now)
        assert self.pool.on_block({sender: (nonce, balance)}, self.now) == self.model.expire(self.now)

    @rule(data=st.data(), slow=st.booleans())
    @precondition(lambda self: self.model.items)
    def drop(self, data, slow) -> None:
        victim = self.held(data)
        if slow:
            self.pool.reject_too_slow(victim, self.now)
            self.model.too_slow(victim, self.now)
        else:
            assert self.pool.discard(victim, DropReason.INVALID, self.now)
            self.model.drop(victim, self.now)

    @rule(base_fee=st.integers(0, 45), gas=st.sampled_from([20_000, 21_000, 100_000, 10**6]), count=st.integers(0, 9))
    def candidates(self, base_fee, gas, count) -> None:
        assert [c.hash for c in self.pool.candidates(base_fee, gas, count)] == self.model.candidates(base_fee, gas, count)

    @invariant()
    def same_content(self) -> None:
        content = self.pool.content()
        pending = [(t.sender, t.hash) for run in content.pending.values() for t in run]
        queued = [(t.sender, t.hash) for queue in content.queued.values() for t in queue]
        assert pending == [(item.sender, item.tx.hash) for item in self.model.pending()]
        assert sorted(queued) == sorted((item.sender, item.tx.hash) for item in self.model.queued())
        assert self.pool.counts() == (len(pending), len(queued))
        assert len(self.pool) == len(pending) + len(queued)
        assert self.pool.size_bytes == sum(len(item.tx.raw) for item in self.model.items)

    @invariant()
    def same_answers(self) -> None:
        for base_fee in (0, 10, 11, 21, 41):
            assert self.pool.has_executable(base_fee) == bool(self.model.candidates(base_fee, 10**6, 1))
        for sender in SENDERS:
            held, known = self.model.of(sender), self.model.accounts.get(sender, (0, 0))[0]
            for nonce in range(8):
                free = next(n for n in itertools.count(nonce) if n not in held)
                assert self.pool.pending_nonce(sender, nonce) == free
            assert self.pool.pending_nonce(sender, known) == known + len(self.model.run(sender))

    @invariant()
    def within_limits(self) -> None:
        assert len(self.pool) <= LIMITS.transactions_max
        assert self.pool.size_bytes <= LIMITS.bytes_max


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
