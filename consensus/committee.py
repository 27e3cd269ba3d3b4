"""The validators that run one chain in one epoch, their weights, and whose turn a view is (PROTOCOL 2 and 3)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from primitives.hashing import sha256
from primitives.types import Root, ValidatorIndex
from primitives.votes import COMMITTEE_SIZE_MAX

_DRAW_RANGE = 1 << 256


@dataclass(frozen=True, slots=True)
class Member:
    """One validator of a committee."""

    index: ValidatorIndex
    """Registry index."""
    public_key: bytes
    """48 bytes; its proof of possession was checked when the validator entered the registry."""
    stake: int
    """Weight in this committee, in wei; 0 for a validator that is set aside."""


@dataclass(frozen=True)
class Committee:
    """Members in committee order: bit and position i of a certificate are `members[i]`. Equal when all members are."""

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        assert 0 < len(self.members) <= COMMITTEE_SIZE_MAX, f"a committee has 1 to {COMMITTEE_SIZE_MAX} members"
        assert len(self._positions) == len(self.members), "a validator sits in a committee once"
        assert all(member.stake >= 0 for member in self.members)
        assert self.total > 0, "somebody has to hold stake"

    @functools.cached_property
    def total(self) -> int:
        """Stake of all members, in wei."""
        return sum(member.stake for member in self.members)

    @functools.cached_property
    def _positions(self) -> dict[int, int]:
        return {member.index: position for position, member in enumerate(self.members)}

    @functools.cached_property
    def digest(self) -> Root:
        """Names members, keys and weights in one hash."""
        return sha256(b"".join(m.index.to_bytes(4, "big") + m.public_key + m.stake.to_bytes(32, "big") for m in self.members))

    def position(self, index: int) -> int | None:
        """Place of validator `index` in committee order; None when it is not a member."""
        return self._positions.get(index)

    def stake_of(self, positions: Iterable[int]) -> int:
        """Stake of the members at these positions, each counted once, in wei."""
        members = self.members
        return sum([members[position].stake for position in set(positions)])

    def has_quorum(self, positions: Iterable[int]) -> bool:
        """Whether the members at these positions hold more than two thirds of the stake."""
        return 3 * self.stake_of(positions) > 2 * self.total

    def leader(self, seed: bytes, chain: int, view: int) -> Member:
        """Whose turn `view` is: drawn by stake from the hash of seed, chain and view (PROTOCOL 2).

        Draws that would favour the first members are thrown away, so the chances are exactly the shares of stake.
        """
        fair = _DRAW_RANGE - _DRAW_RANGE % self.total
        place = seed + chain.to_bytes(4, "big") + view.to_bytes(8, "big")
        draw, attempt = fair, 0
        while draw >= fair:
            draw = int.from_bytes(sha256(place + attempt.to_bytes(4, "big")), "big")
            attempt += 1
        point = draw % self.total
        for member in self.members:
            if point < member.stake:
                return member
            point -= member.stake
        raise AssertionError("the point lies below the total")


def positions_of(bits: Iterable[bool]) -> tuple[int, ...]:
    """Positions whose bit is set in a participation bitfield."""
    return tuple([position for position, bit in enumerate(bits) if bit])
