"""Whether what a node holds adds up, to the wei (PROTOCOL 4): a node at which it does not casts no vote.

The transition refuses beacon blocks that do not add up, and headers speak of what executing gave; these sums are about the
numbers of this node, which a bug, a damaged store or a failing memory may have made wrong since.
"""

from __future__ import annotations

from consensus.beacon.state import BeaconState
from consensus.beacon.supply import imbalance
from primitives.receipts import Summary

WITHHELD = "this node casts no vote until it is started again and adds up"


def complaint_about_state(state: BeaconState) -> str:
    """What is wrong with the supply of a final beacon state; empty while all adds up."""
    wei = imbalance(state)
    return f"the supply invariant is off by {wei} wei at beacon block {state.height}: {WITHHELD}" if wei else ""


def complaint_about_record(shard: int, state: BeaconState, genesis_supply: int) -> str:
    """What is wrong with the supply that a final beacon state records of a shard; empty while it adds up."""
    record = state.shards[shard]
    wei = record.supply - genesis_supply - record.summary.net
    return f"the recorded supply of shard {shard} is off by {wei} wei at beacon block {state.height}: {WITHHELD}" if wei else ""


def complaint_about_block(shard: int, number: int, supply: int, genesis_supply: int, summary: Summary) -> str:
    """What is wrong with the balances of a shard after a block executed here; empty while they add up.

    `supply` is wei of all accounts as the executor has added them up since genesis, change by change.
    """
    wei = supply - genesis_supply - summary.net
    return f"the balances of shard {shard} are off by {wei} wei at block {number}: {WITHHELD}" if wei else ""
