"""How much clients that are not of this machine may ask: an allowance of calls for each connection, and one for each client.

A request is let in while a whole call is left of both, and then costs what it turns out to be; the last one may overdraw, and the next
waits until that is made good. So nothing is too large to be asked at all, and what is refused is refused before it is read. A client is
an address, or a /64 of IPv6 (`node/shares.py`). Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

from node.rpc.limits import (
    CLIENT_CALLS_RATE,
    CLIENT_REFUSALS_RATE,
    CLIENTS_REMEMBERED_MAX,
    CONNECTION_CALLS_RATE,
    CONNECTION_REFUSALS_RATE,
    OVERDRAFT_BURSTS_MAX,
)
from p2p.limits import Rate


class Allowance:
    """A token bucket that begins full."""

    __slots__ = ("_at_seconds", "_left", "rate")

    def __init__(self, rate: Rate, now_seconds: float) -> None:
        self.rate = rate
        self._left, self._at_seconds = float(rate.burst), now_seconds

    def left(self, now_seconds: float) -> float:
        """What is left of it, at most the burst; less than nothing where it is overdrawn."""
        if now_seconds > self._at_seconds:
            self._left = min(self.rate.burst, self._left + (now_seconds - self._at_seconds) * self.rate.per_second)
            self._at_seconds = now_seconds
        return self._left

    def spend(self, cost: float, now_seconds: float) -> None:
        """Takes `cost`, be it there or not; never so much that more than `OVERDRAFT_BURSTS_MAX` bursts are missing."""
        self._left = max(self._floor, self.left(now_seconds) - cost)

    def seconds_until(self, wanted: float, now_seconds: float) -> float:
        """How long until so much is left, if nothing is taken meanwhile."""
        return max(0.0, (wanted - self.left(now_seconds)) / self.rate.per_second)

    def is_far_overdrawn(self, now_seconds: float) -> bool:
        """Whether all is missing that may be."""
        return self.left(now_seconds) <= self._floor

    @property
    def _floor(self) -> float:
        return -OVERDRAFT_BURSTS_MAX * self.rate.burst


@dataclass(frozen=True, slots=True)
class Overrun:
    """Why a request is not let in."""

    limit: str
    """The name of the limit."""
    whose: str
    rate: Rate
    seconds: float
    """Until a call is left."""


@dataclass(slots=True)
class Held:
    """What somebody holds at the moment."""

    name: str = ""
    """Whose it is: what stays when the connections are gone is held against it."""
    requests: int = 0
    body_bytes: int = 0
    """Received, of bodies that are not whole yet."""
    answer_bytes: int = 0
    """Of answers that are being sent."""
    subscriptions: int = 0
    executions: int = 0
    """What executes, searches or traces."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a port gives to those who are not of this machine."""

    connection_calls: Rate
    client_calls: Rate
    connection_refusals: Rate
    client_refusals: Rate


def rpc_rates() -> Rates:
    """Those of JSON-RPC."""
    return Rates(CONNECTION_CALLS_RATE, CLIENT_CALLS_RATE, CONNECTION_REFUSALS_RATE, CLIENT_REFUSALS_RATE)


class Client:
    """What all connections of one client share."""

    __slots__ = ("calls", "connections", "held", "rates", "refusals")

    def __init__(self, name: str, rates: Rates, now_seconds: float) -> None:
        self.rates = rates
        self.calls = Allowance(rates.client_calls, now_seconds)
        self.refusals = Allowance(rates.client_refusals, now_seconds)
        self.connections = 0
        self.held = Held(name)

    def full_at_seconds(self, now_seconds: float) -> float:
        """When it is as if nothing had ever been asked."""
        return now_seconds + max(each.seconds_until(each.rate.burst, now_seconds) for each in (self.calls, self.refusals))


class Guest:
    """One connection of a client."""

    def __init__(self, client: Client, now_seconds: float) -> None:
        self.held = client.held
        """By all connections of the client."""
        own = Allowance(client.rates.connection_calls, now_seconds)
        self._calls = (("connection_calls_rate", "connection", own), ("client_calls_rate", "address", client.calls))
        refusals = Allowance(client.rates.connection_refusals, now_seconds)
        self._refusals = (("connection_refusals_rate", refusals), ("client_refusals_rate", client.refusals))
        self.flooded: str | None = None
        """Once the connection is to be closed for going on: the name of the limit that says so."""

    def take(self, cost: float, now_seconds: float) -> Overrun | None:
        """Takes `cost` calls, or at most the burst of a connection; nothing where not one is left, and why."""
        for limit, whose, allowance in self._calls:
            if allowance.left(now_seconds) < 1:
                return Overrun(limit, whose, allowance.rate, allowance.seconds_until(1, now_seconds))
        cost = min(cost, self._calls[0][2].rate.burst)
        for _, _, allowance in self._calls:
            allowance.spend(cost, now_seconds)
        return None

    def spend(self, cost: float, now_seconds: float) -> bool:
        """Takes what has come already and cannot be refused; False once so much is overdrawn that the connection is to be closed."""
        is_far = False
        for _, _, allowance in self._calls:
            allowance.spend(cost, now_seconds)
            is_far |= allowance.is_far_overdrawn(now_seconds)
        if is_far:
            self.flooded = "overdraft_bursts_max"
        return not is_far

    def refused(self, now_seconds: float, count: float = 1) -> None:
        """A request was refused, with an answer that costs as much as `count` of them; of too many, `flooded` tells."""
        for limit, allowance in self._refusals:
            if allowance.left(now_seconds) < 1:
                self.flooded = limit
            allowance.spend(count, now_seconds)


class Clients:
    """The clients that are connected, and those that are gone and have not got back all of their allowance."""

    def __init__(self, rates: Rates | None = None) -> None:
        """`rates` are those of JSON-RPC unless given."""
        self._rates = rates or rpc_rates()
        self._here: dict[str, Client] = {}
        self._gone: dict[str, tuple[float, Client]] = {}
        self._by_fullness: list[tuple[float, str]] = []
        """Those that are gone, with the moment when each has all of its allowance: that does not change while nobody takes of it."""

    def __len__(self) -> int:
        return len(self._here) + len(self._gone)

    def enter(self, name: str, now_seconds: float) -> Guest | None:
        """A connection of the client, which costs it a call; None if it has gone on so long that this one is to be closed at once."""
        client = self._here.get(name) or self._returned(name) or Client(name, self._rates, now_seconds)
        self._here[name] = client
        client.connections += 1
        client.calls.spend(1, now_seconds)
        if client.refusals.left(now_seconds) < 1 or client.calls.is_far_overdrawn(now_seconds):
            return None
        return Guest(client, now_seconds)

    def leave(self, name: str, now_seconds: float) -> bool:
        """One connection less, whatever `enter` said; False if the client nearest to a full allowance had to be forgotten for it."""
        client = self._here[name]
        client.connections -= 1
        if client.connections:
            return True
        del self._here[name]
        full_at = client.full_at_seconds(now_seconds)
        self._gone[name] = (full_at, client)
        insort(self._by_fullness, (full_at, name))
        self._forget(bisect_left(self._by_fullness, (now_seconds, chr(0x10FFFF))))
        has_room = len(self._gone) <= CLIENTS_REMEMBERED_MAX
        if not has_room:
            self._forget(1)
        return has_room

    def _returned(self, name: str) -> Client | None:
        full_at, client = self._gone.pop(name, (0.0, None))
        if client is not None:
            del self._by_fullness[bisect_left(self._by_fullness, (full_at, name))]
        return client

    def _forget(self, count: int) -> None:
        for _, name in self._by_fullness[:count]:
            del self._gone[name]
        del self._by_fullness[:count]
