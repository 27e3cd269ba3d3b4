"""What a client may ask: the buckets against a plain account of them, and which clients are remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc import allowances
from node.rpc.allowances import Allowance, Client, Clients, Guest, rpc_rates
from node.rpc.limits import CLIENT_CALLS_RATE, CLIENT_REFUSALS_RATE, CONNECTION_CALLS_RATE, CONNECTION_REFUSALS_RATE, OVERDRAFT_BURSTS_MAX
from p2p.limits import Rate

RATES = st.builds(Rate, st.integers(1, 1000), st.integers(1, 5000))
STEPS = st.lists(st.tuples(st.integers(0, 4096), st.integers(1, 6000)), max_size=60)
"""Sixteenths of a second that pass, and calls that are wanted then."""


@given(RATES, STEPS)
def test_no_more_is_let_in_than_the_rate_allows(rate, steps):
    guest = Guest(Client("somebody", rpc_rates(), 0), 0)
    allowance = Allowance(rate, 0)
    guest._calls = (("x", "connection", allowance),)
    now, let_in, last = 0.0, 0.0, 0.0
    for passed, wanted in steps:
        now += passed / 16
        overrun = guest.take(wanted, now)
        if overrun is None:
            last = min(wanted, rate.burst)
            let_in += last
            assert let_in <= rate.burst + now * rate.per_second + last - 1 + 1e-6  # the last one may overdraw
        else:
            assert overrun.seconds > 0
            before = allowance.left(now)
            assert guest.take(1, now) is not None
            assert allowance.left(now) == before  # what is refused costs nothing
            now += overrun.seconds + 1e-6
            assert guest.take(1, now) is None  # and after the time that was told, it is let in
            let_in += 1


@given(RATES, st.lists(st.tuples(st.integers(-64, 4096), st.integers(0, 20_000)), max_size=60))
def test_an_allowance_stays_between_its_bounds_whatever_the_clock_says(rate, steps):
    allowance, now = Allowance(rate, 0), 0.0
    for passed, cost in steps:
        now += passed / 16
        before = allowance.left(now)
        allowance.spend(cost, now)
        left = allowance.left(now)
        assert -OVERDRAFT_BURSTS_MAX * rate.burst <= left <= rate.burst
        assert left == max(before - cost, -OVERDRAFT_BURSTS_MAX * rate.burst)
        assert allowance.is_far_overdrawn(now) == (left <= -OVERDRAFT_BURSTS_MAX * rate.burst)
    later = Allowance(rate, 0)
    later.spend(3 * rate.burst, 0)
    assert later.left(later.seconds_until(rate.burst, 0) + 1e-6) == rate.burst


def test_a_connection_and_its_client_have_an_allowance_each():
    clients = Clients()
    guest, other = clients.enter("a", 0), clients.enter("a", 0)
    assert guest.take(10**9, 0) is None  # nothing is too large to be asked
    overrun = guest.take(1, 0)
    assert (overrun.limit, overrun.rate) == ("connection_calls_rate", CONNECTION_CALLS_RATE)
    assert overrun.seconds == pytest.approx(1 / CONNECTION_CALLS_RATE.per_second)
    assert other.take(1, 0) is None
    taken = 0
    while (overrun := clients.enter("a", 0).take(CONNECTION_CALLS_RATE.burst, 0)) is None:
        taken += 1
    assert (overrun.limit, overrun.rate) == ("client_calls_rate", CLIENT_CALLS_RATE)
    assert taken == CLIENT_CALLS_RATE.burst / CONNECTION_CALLS_RATE.burst - 1
    assert clients.enter("b", 0).take(1, 0) is None


def test_who_goes_on_is_told_apart_from_who_is_refused_now_and_then():
    clients = Clients()
    patient = clients.enter("a", 0)
    for second in range(1000):
        for _ in range(int(CONNECTION_REFUSALS_RATE.per_second)):
            patient.refused(second)
    assert patient.flooded is None
    flooder = clients.enter("b", 0)
    for _ in range(CONNECTION_REFUSALS_RATE.burst):
        flooder.refused(0)
        assert flooder.flooded is None
    flooder.refused(0)
    assert flooder.flooded == "connection_refusals_rate"
    last = None
    while last is None or last.flooded is None:
        last = last or clients.enter("b", 0)
        last.refused(0)
        if last.flooded == "connection_refusals_rate":
            last = None
    assert last.flooded == "client_refusals_rate"
    assert clients.enter("b", 0) is None
    assert clients.enter("a", 0) is not None
    assert clients.enter("b", CLIENT_REFUSALS_RATE.burst) is not None


def test_what_comes_besides_calls_ends_a_connection_far_below_nothing():
    guest = Clients().enter("a", 0)
    sent = 0
    while guest.spend(1, 0):
        sent += 1
        assert guest.flooded is None
    assert sent == CONNECTION_CALLS_RATE.burst * (1 + OVERDRAFT_BURSTS_MAX) - 1
    assert guest.flooded == "overdraft_bursts_max"


def test_connections_alone_are_counted_too():
    clients = Clients()
    opened = 0
    while clients.enter("a", 0) is not None:
        clients.leave("a", 0)
        opened += 1
    assert opened == CLIENT_CALLS_RATE.burst * (1 + OVERDRAFT_BURSTS_MAX) - 1
    clients.leave("a", 0)
    assert clients.enter("a", 1) is not None


def test_leaving_does_not_fill_an_allowance_and_the_fullest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(allowances, "CLIENTS_REMEMBERED_MAX", 3)
    clients = Clients()
    for name, asked in (("a", 3000), ("b", 1000), ("c", 4000), ("d", 2000)):
        guest = clients.enter(name, 0)
        for _ in range(asked // 1000):
            clients._here[name].calls.spend(1000, 0)
        assert guest.flooded is None
        assert clients.leave(name, 0) == (name != "d")
    assert sorted(clients._gone) == ["a", "c", "d"]
    clients.enter("c", 0)
    assert clients._here["c"].calls.left(0) == CLIENT_CALLS_RATE.burst - 4000 - 2
    assert clients.leave("c", 0)
    late = CLIENT_CALLS_RATE.burst
    clients.enter("e", late)
    assert clients.leave("e", late)
    assert list(clients._gone) == ["e"]  # of those that have got all back nothing is kept


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.integers(0, 64), st.integers(0, 9000)), max_size=80))
def test_the_table_of_clients_is_bounded_and_sound(steps):
    most, allowances.CLIENTS_REMEMBERED_MAX = allowances.CLIENTS_REMEMBERED_MAX, 4
    try:
        clients, held, now = Clients(), [], 0.0
        for name, enters, passed, cost in steps:
            now += passed / 16
            if enters:
                clients.enter(name, now)
                clients._here[name].calls.spend(cost, now)
                held.append(name)
            elif held:
                clients.leave(held.pop(cost % len(held)), now)
            assert {name: client.connections for name, client in clients._here.items()} == {name: held.count(name) for name in held}
            assert clients._by_fullness == sorted((full_at, name) for name, (full_at, _) in clients._gone.items())
            assert len(clients._gone) <= 4
            assert len(clients) == len(clients._gone) + len(set(held))
            assert not clients._gone.keys() & clients._here.keys()
    finally:
        allowances.CLIENTS_REMEMBERED_MAX = most
