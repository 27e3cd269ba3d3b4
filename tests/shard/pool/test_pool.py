import pytest

from primitives.errors import InvalidTransaction, TransactionReason
from shard.pool import DropReason, Pool, PoolLimits
from shard.pool.heap import KeyedHeap
from tests.shard.pool.making import ALICE, BOB, CAROL, RICH, address, make

R = TransactionReason


def pool(**limits) -> Pool:
    return Pool(PoolLimits(**limits))


def add(to: Pool, sender, nonce, fee=100, tip=None, *, account=(0, RICH), now=0, **more):
    return to.add(make(sender, nonce, fee, tip, **more), sender, *account, now)


def refusal(to: Pool, *arguments, **more) -> InvalidTransaction:
    before = to.counts(), to.size_bytes
    with pytest.raises(InvalidTransaction) as caught:
        add(to, *arguments, **more)
    assert (to.counts(), to.size_bytes) == before
    assert to.refusals[caught.value.reason] >= 1
    return caught.value


def order(of: Pool, base_fee=0, gas=10**9, count=1000) -> list[tuple[bytes, int]]:
    return [(c.sender, c.transaction.nonce) for c in of.candidates(base_fee, gas, count)]


def test_already_known() -> None:
    p = pool()
    assert add(p, ALICE, 0).is_pending
    error = refusal(p, ALICE, 0)
    assert (error.reason, error.message) == (R.ALREADY_KNOWN, "already known")


def test_nonce_too_low() -> None:
    error = refusal(pool(), ALICE, 2, account=(3, RICH))
    assert (error.reason, error.message) == (R.NONCE_TOO_LOW, "nonce too low: next nonce 3, tx nonce 2")


def test_funds_for_one_and_for_all() -> None:
    p = pool()
    cost = 21_000 * 100
    error = refusal(p, ALICE, 0, account=(0, cost - 1))
    assert error.message == f"insufficient funds for gas * price + value: balance {cost - 1}, tx cost {cost}, overshot 1"
    add(p, ALICE, 0, account=(0, 2 * cost - 1))
    error = refusal(p, ALICE, 1, account=(0, 2 * cost - 1))
    assert error.reason is R.INSUFFICIENT_FUNDS
    assert error.message.endswith(f"balance {2 * cost - 1}, queued cost {cost}, tx cost {cost}, overshot 1")
    add(p, ALICE, 1, account=(0, 2 * cost))


@pytest.mark.parametrize(("fee", "tip"), [(109, 20), (110, 10), (120, 10), (110, 9), (100, 11), (200, 10)])
def test_replacement_needs_a_bump_of_both(fee, tip) -> None:
    p = pool()
    add(p, ALICE, 0, 100, 10)
    error = refusal(p, ALICE, 0, fee, tip)
    assert (error.reason, error.message) == (R.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")


def test_replacement() -> None:
    p = pool()
    add(p, ALICE, 0, 100, 10)
    add(p, ALICE, 1, 100, 10)
    old = p.candidates(0, 10**9, 1)[0].hash
    added = add(p, ALICE, 0, 110, 11)
    assert added.replaced == old
    assert p.get(old) is None
    assert p.counts() == (2, 0)
    assert [c.transaction.max_fee_per_gas for c in p.candidates(0, 10**9, 9)] == [110, 100]
    assert p.drops[DropReason.REPLACED] == 1


def test_replacement_is_not_charged_twice() -> None:
    p = pool()
    add(p, ALICE, 0, 100, account=(0, 110 * 21_000))
    add(p, ALICE, 0, 110, account=(0, 110 * 21_000))


def test_gaps_queue_and_close() -> None:
    p = pool()
    assert not add(p, ALICE, 2).is_pending
    assert not add(p, ALICE, 1).is_pending
    assert p.counts() == (0, 2)
    assert p.pending_nonce(ALICE, 0) == 0
    assert order(p) == []
    assert not p.has_executable(0)
    assert add(p, ALICE, 0).is_pending
    assert p.counts() == (3, 0)
    assert p.pending_nonce(ALICE, 0) == 3
    assert order(p) == [(ALICE, 0), (ALICE, 1), (ALICE, 2)]


def test_sender_limit() -> None:
    p = pool(transactions_per_sender_max=2)
    add(p, ALICE, 0)
    add(p, ALICE, 1)
    assert refusal(p, ALICE, 2).reason is R.SENDER_LIMIT
    add(p, ALICE, 1, 200)
    add(p, BOB, 0)


def test_full_of_dearer_ones() -> None:
    p = pool(transactions_max=2)
    add(p, ALICE, 0, 100)
    add(p, BOB, 0, 50)
    assert refusal(p, CAROL, 0, 50).reason is R.UNDERPRICED
    bobs = p.content(BOB).pending[BOB][0].hash
    added = add(p, CAROL, 0, 51)
    assert added.evicted == (bobs,)
    assert p.drops[DropReason.EVICTED] == 1
    assert p.content().pending.keys() == {ALICE, CAROL}


def test_full_and_not_executable() -> None:
    p = pool(transactions_max=1)
    add(p, ALICE, 0, 1)
    error = refusal(p, BOB, 1, 1000)
    assert (error.reason, error.message) == (R.POOL_FULL, "txpool is full")


def test_queued_ones_go_first_whatever_they_pay() -> None:
    p = pool(transactions_max=3)
    add(p, ALICE, 5, 1000)
    add(p, ALICE, 9, 2000)
    add(p, BOB, 0, 1)
    add(p, CAROL, 0, 1)
    assert sorted(t.transaction.nonce for t in p.content(ALICE).queued[ALICE]) == [9]
    assert refusal(p, BOB, 7, 2000).reason is R.UNDERPRICED
    add(p, BOB, 7, 2001)
    assert p.content().queued.keys() == {BOB}


def test_a_run_loses_its_tail_never_its_middle() -> None:
    p = pool(transactions_max=4)
    for nonce, fee in enumerate([50, 10, 900]):
        add(p, ALICE, nonce, fee)
    add(p, BOB, 0, 20)
    add(p, CAROL, 0, 30)
    assert [t.transaction.nonce for t in p.content(ALICE).pending[ALICE]] == [0, 1]
    add(p, CAROL, 1, 30)
    assert [t.transaction.nonce for t in p.content(ALICE).pending[ALICE]] == [0]
    assert p.counts() == (4, 0)


def test_a_dear_tail_is_worth_what_stands_before_it() -> None:
    p = pool(transactions_max=2)
    add(p, ALICE, 0, 1)
    add(p, ALICE, 1, 10**6)
    add(p, BOB, 0, 2)
    assert order(p) == [(BOB, 0), (ALICE, 0)]
    assert refusal(p, ALICE, 1, 10**6).reason is R.UNDERPRICED
    add(p, ALICE, 0, 10)
    assert refusal(p, CAROL, 0, 2).reason is R.UNDERPRICED
    assert add(p, CAROL, 0, 3).evicted == (make(BOB, 0, 2).hash,)


def test_bytes_are_bounded_and_eviction_is_all_or_nothing() -> None:
    p = pool(bytes_max=1_000)
    for number, fee in enumerate([10, 11, 500, 12]):
        add(p, address(10 + number), 0, fee, size=250)
    assert refusal(p, ALICE, 0, 100, size=1_000).reason is R.UNDERPRICED
    assert p.drops[DropReason.EVICTED] == 0
    assert order(p) == [(address(12), 0), (address(13), 0), (address(11), 0), (address(10), 0)]
    assert len(add(p, ALICE, 0, 100, size=700).evicted) == 3
    assert p.size_bytes == 950


def test_candidates_by_tip_then_arrival_with_nonces_in_order() -> None:
    p = pool()
    add(p, ALICE, 0, 100, 1)
    add(p, ALICE, 1, 100, 50)
    add(p, BOB, 0, 100, 10)
    add(p, CAROL, 0, 100, 10)
    assert order(p) == [(BOB, 0), (CAROL, 0), (ALICE, 0), (ALICE, 1)]
    assert order(p) == [(BOB, 0), (CAROL, 0), (ALICE, 0), (ALICE, 1)]
    assert order(p, base_fee=95) == [(BOB, 0), (CAROL, 0), (ALICE, 0), (ALICE, 1)]
    assert order(p, base_fee=101) == []


def test_effective_tip_falls_with_the_base_fee() -> None:
    p = pool()
    add(p, ALICE, 0, 100, 100)
    add(p, BOB, 0, 1_000, 20)
    assert order(p, base_fee=70) == [(ALICE, 0), (BOB, 0)]
    assert order(p, base_fee=90) == [(BOB, 0), (ALICE, 0)]
    assert order(p, base_fee=101) == [(BOB, 0)]
    assert p.has_executable(1_000)
    assert not p.has_executable(1_001)


def test_candidates_keep_to_count_and_gas() -> None:
    p = pool()
    add(p, ALICE, 0, 100, gas=60_000)
    add(p, ALICE, 1, 100)
    add(p, BOB, 0, 50, gas=30_000)
    assert order(p, count=2) == [(ALICE, 0), (ALICE, 1)]
    assert order(p, gas=50_000) == [(BOB, 0)]
    assert order(p, gas=80_999) == [(ALICE, 0)]
    assert order(p, gas=20_999) == []
    assert order(p, count=0) == []


def test_a_block_takes_what_it_used() -> None:
    p = pool()
    for nonce in range(3):
        add(p, ALICE, nonce)
    add(p, BOB, 0)
    p.on_block({ALICE: (2, RICH), CAROL: (5, 0)}, 1)
    assert order(p) == [(ALICE, 2), (BOB, 0)]
    assert p.drops[DropReason.NONCE_USED] == 2
    p.on_block({ALICE: (9, RICH), BOB: (1, RICH)}, 1)
    assert len(p) == 0
    assert p.size_bytes == 0
    assert p.pending_nonce(ALICE, 9) == 9


def test_a_block_can_close_a_gap() -> None:
    p = pool()
    add(p, ALICE, 1)
    add(p, ALICE, 2)
    add(p, ALICE, 4)
    p.on_block({ALICE: (1, RICH)}, 1)
    assert p.counts() == (2, 1)
    p.on_block({ALICE: (4, RICH)}, 1)
    assert order(p) == [(ALICE, 4)]


def test_what_cannot_be_paid_goes_and_the_rest_queues() -> None:
    p = pool()
    add(p, ALICE, 0, 10)
    add(p, ALICE, 1, 10, value=10**9)
    add(p, ALICE, 2, 10)
    p.on_block({ALICE: (0, 10**9)}, 1)
    assert p.drops[DropReason.UNAFFORDABLE] == 1
    assert p.counts() == (1, 1)
    assert order(p) == [(ALICE, 0)]


def test_voided_blocks_give_their_transactions_back() -> None:
    p = pool()
    for nonce in range(4):
        add(p, ALICE, nonce)
    p.on_block({ALICE: (3, RICH)}, 1)
    p.on_block({ALICE: (1, RICH)}, 2)
    assert p.counts() == (0, 1)
    assert p.pending_nonce(ALICE, 1) == 1
    add(p, ALICE, 2, account=(1, RICH), now=2)
    add(p, ALICE, 1, account=(1, RICH), now=2)
    assert order(p) == [(ALICE, 1), (ALICE, 2), (ALICE, 3)]


def test_queued_ones_expire() -> None:
    p = pool(queued_lifetime_ms=100)
    add(p, ALICE, 0, now=0)
    add(p, ALICE, 2, now=0)
    add(p, BOB, 1, now=50)
    assert p.on_block({}, 100) == ()
    assert p.on_block({}, 101) == (make(ALICE, 2).hash,)
    assert p.on_block({}, 150) == ()
    assert p.on_block({}, 151) == (make(BOB, 1).hash,)
    assert p.on_block({}, 10**9) == ()
    assert p.drops[DropReason.EXPIRED] == 2
    assert order(p) == [(ALICE, 0)]


def test_waiting_counts_from_when_the_gap_opened() -> None:
    p = pool(queued_lifetime_ms=100)
    add(p, ALICE, 0)
    add(p, ALICE, 1)
    assert p.discard(make(ALICE, 0).hash, DropReason.INVALID, 500)
    assert p.on_block({}, 600) == ()
    assert p.on_block({}, 601) == (make(ALICE, 1).hash,)


def test_discard() -> None:
    p = pool()
    add(p, ALICE, 0)
    add(p, ALICE, 1)
    assert p.discard(make(ALICE, 0).hash, DropReason.INVALID, 0)
    assert not p.discard(make(ALICE, 0).hash, DropReason.INVALID, 0)
    assert p.counts() == (0, 1)
    assert p.drops[DropReason.INVALID] == 1


def test_too_slow_ones_stay_out() -> None:
    p = pool(too_slow_hashes_max=2)
    add(p, ALICE, 0)
    add(p, ALICE, 1)
    p.reject_too_slow(make(ALICE, 0).hash, 0)
    assert p.counts() == (0, 1)
    error = refusal(p, ALICE, 0)
    assert (error.reason, error.message) == (R.TOO_SLOW, "execution too slow for this network")
    p.reject_too_slow(b"seen only in a block", 0)
    p.reject_too_slow(b"another", 0)
    assert add(p, ALICE, 0).is_pending


def test_content_and_get() -> None:
    p = pool()
    add(p, ALICE, 0, now=3)
    add(p, ALICE, 2)
    add(p, BOB, 1)
    content = p.content()
    assert [t.transaction.nonce for t in content.pending[ALICE]] == [0]
    assert {sender: [t.transaction.nonce for t in queue] for sender, queue in content.queued.items()} == {ALICE: [2], BOB: [1]}
    assert p.content(BOB).pending == {}
    assert p.content(CAROL).queued == {}
    found = p.get(make(ALICE, 0).hash)
    assert found is not None
    assert (found.sender, found.arrival, found.arrived_ms) == (ALICE, 0, 3)


def test_a_full_pool_keeps_the_dearest_and_stays_full() -> None:
    p = pool(transactions_max=1_000)
    refused = 0
    for number in range(3_000):
        try:
            add(p, address(100 + number), 0, fee=1 + number * 7919 % 2_999, tip=1)
        except InvalidTransaction as error:
            refused += error.reason is R.UNDERPRICED
    assert refused + p.drops[DropReason.EVICTED] == 2_000
    assert sorted(c.transaction.max_fee_per_gas for c in p.candidates(0, 10**9, 1_000)) == list(range(2_000, 3_000))
    block = p.candidates(0, 10**9, 400)
    p.on_block({c.sender: (1, RICH) for c in block}, 1)
    assert p.counts() == (600, 0)
    assert len(p.candidates(0, 10**9, 1_000)) == 600


def test_heap_forgets_what_moved() -> None:
    heap: KeyedHeap[str] = KeyedHeap()
    for round_number in range(1_000):
        heap.set("a", (round_number,))
        heap.set("b", (-round_number,))
    assert len(heap) == 2
    assert len(heap._heap) < 200
    assert heap.pop() == ((-999,), "b")
    assert heap.pop() == ((999,), "a")
    assert heap.pop() is None
