"""The supply invariant, exact to the wei (PROTOCOL 4)."""

from __future__ import annotations

from typing import NamedTuple

from consensus.beacon.state import BeaconState


class SupplyTerms(NamedTuple):
    """Where every wei is, and where it came from; all in wei."""

    shards: int
    """Held by accounts of all shards."""
    in_flight: int
    stakes: int
    delegated: int
    queued: int
    unbonding: int
    unclaimed: int
    fee_pool: int
    treasury: int
    genesis: int
    issued: int
    burned: int

    @property
    def held(self) -> int:
        """The left side: everything that somebody or something holds."""
        return (
            self.shards + self.in_flight + self.stakes + self.delegated + self.queued + self.unbonding
            + self.unclaimed + self.fee_pool + self.treasury
        )

    @property
    def owed(self) -> int:
        """The right side: genesis + issued - burned."""
        return self.genesis + self.issued - self.burned


def supply_terms(state: BeaconState) -> SupplyTerms:
    """All terms of the invariant."""
    return SupplyTerms(
        shards=sum(record.supply for record in state.shards),
        in_flight=sum(sum(row) for row in state.in_flight),
        stakes=sum(validator.stake for validator in state.validators),
        delegated=state.delegated,
        queued=state.queued,
        unbonding=state.unbonding,
        unclaimed=state.unclaimed,
        fee_pool=state.fee_pool,
        treasury=state.treasury,
        genesis=state.genesis_wei,
        issued=state.issued,
        burned=state.burned,
    )


def imbalance(state: BeaconState) -> int:
    """Wei held beyond what genesis, issuance and burning account for; 0 in every valid state."""
    terms = supply_terms(state)
    return terms.held - terms.owed
