"""What evidence on the beacon chain does: stake is cut, the validator leaves, who included it is paid (PROTOCOL 2 and 7)."""

from __future__ import annotations

import itertools
from dataclasses import replace

from consensus.beacon.state import BeaconState
from consensus.evidence import check_form
from primitives.blocks import Evidence
from primitives.errors import BlockReason, InvalidBlock
from primitives.parameters import Parameters


def can_slash(state: BeaconState, validator: int) -> bool:
    """Whether evidence against a validator would be news: it is in the registry and was never slashed."""
    return validator < len(state.validators) and state.validators[validator].slashed_at == 0


def apply_evidence(state: BeaconState, evidence: tuple[Evidence, ...], proposer: int, parameters: Parameters) -> BeaconState:
    """The state at a block's height with its evidence carried out; all rules but the signatures.

    Of the stake, `slash_percent` is cut; `evidence_reward_percent` of that goes to the proposer's stake, the rest is burned.

    Raises:
        InvalidBlock: BAD_EVIDENCE.
    """
    accused = [one.first.validator for one in evidence]
    if any(first >= second for first, second in itertools.pairwise(accused)):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "one piece a validator, by rising index")
    for one in evidence:
        check_form(one)
        state = _slash(state, one.first.validator, proposer, parameters)
    return state


def _slash(state: BeaconState, validator: int, proposer: int, parameters: Parameters) -> BeaconState:
    if not can_slash(state, validator):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, f"validator {validator} is unknown, or slashed already")
    records = list(state.validators)
    cut = records[validator].stake * parameters.slash_percent // 100
    # nobody is paid for its own confession
    reward = 0 if proposer == validator else cut * parameters.evidence_reward_percent // 100
    records[validator] = replace(records[validator], stake=records[validator].stake - cut, slashed_at=state.height)
    records[proposer] = replace(records[proposer], stake=records[proposer].stake + reward)
    return replace(state, validators=tuple(records), burned=state.burned + cut - reward)
