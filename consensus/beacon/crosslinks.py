"""Crosslinks: what a shard's finalized header proves, and the bounds no shard can overstep (PROTOCOL 4, Containment)."""

from __future__ import annotations

from dataclasses import replace

from consensus.beacon.committees import committee_of, instance_of
from consensus.beacon.epochs import is_boundary_reference, open_next_instance
from consensus.beacon.state import BeaconState, ShardRecord
from consensus.beacon.verifier import Verifier
from primitives.blocks import Crosslink, SummaryChange
from primitives.errors import BlockReason, InvalidBlock, InvalidConsensusMessage, InvalidEncoding
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, ChannelTotals, Summary
from primitives.votes import VoteKind

BASE_FEE_LIMIT = 1 << 128
"""Wei a gas; a base fee reaches every Outbox, which multiplies it with gas limits."""
GAS_AND_TIME_LIMIT = 1 << 63


def apply_crosslink(state: BeaconState, crosslink: Crosslink, parameters: Parameters) -> BeaconState:
    """The state with one crosslink recorded; all rules but the finalization's signatures.

    Raises:
        InvalidBlock: BAD_CROSSLINK, WRONG_INSTANCE or CONTAINMENT.
    """
    shard = crosslink.shard
    if not 0 <= shard < state.beacon:
        raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"there is no shard {shard}")
    if crosslink.finalization.instance != instance_of(state, shard):
        raise InvalidBlock(BlockReason.WRONG_INSTANCE, f"shard {shard}: {crosslink.finalization.instance} is not open")
    if len(crosslink.finalization.participation) != len(committee_of(state, shard).members):
        raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {shard}: one participation bit a member")
    record = state.shards[shard]
    header = _checked_header(record, crosslink, parameters)
    summary = _changed_summary(record.summary, crosslink)
    if summary.requests_hash() != header.requests_hash:
        raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {shard}: the changes do not lead to the header's requests_hash")
    _check_totals(state, shard, summary)
    closing = is_boundary_reference(state, record, header.parent_beacon_block_root)
    state = _book(state, shard, summary)
    recorded = replace(
        state.shards[shard],
        height=header.number,
        hash=crosslink.finalization.root,
        base_fee=header.base_fee_per_gas,
        timestamp=header.timestamp,
        summary=summary,
    )
    state = replace(state, shards=(*state.shards[:shard], recorded, *state.shards[shard + 1 :]))
    return open_next_instance(state, shard) if closing else state


def verify_finalization(state: BeaconState, crosslink: Crosslink, verifier: Verifier) -> None:
    """Checks the quorum of the shard's committee in the state before the block.

    Raises:
        InvalidBlock: BAD_CROSSLINK.
    """
    try:
        verifier.certificate(crosslink.finalization, committee_of(state, crosslink.shard))
    except InvalidConsensusMessage as error:
        raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {crosslink.shard}, finalization: {error}") from error


def check_crosslink(state: BeaconState, crosslink: Crosslink, parameters: Parameters, verifier: Verifier) -> None:
    """Whether a block on this state may carry the crosslink; a proposer asks, so that one bad shard does not spoil its block.

    Raises:
        InvalidBlock: BAD_CROSSLINK, WRONG_INSTANCE or CONTAINMENT.
    """
    apply_crosslink(state, crosslink, parameters)
    verify_finalization(state, crosslink, verifier)


def _checked_header(record: ShardRecord, crosslink: Crosslink, parameters: Parameters) -> ShardHeader:
    def need(condition: bool, why: str) -> None:
        if not condition:
            raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {crosslink.shard}: {why}")

    finalization = crosslink.finalization
    need(finalization.kind == VoteKind.FINALIZE, "the certificate is not a finalization")
    need(keccak256(crosslink.header) == finalization.root, "the finalization is not of this header")
    try:
        header = ShardHeader.decode(crosslink.header)
    except InvalidEncoding as error:
        raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {crosslink.shard}: {error}") from error
    need(header.number > record.height, f"height {header.number} is not above {record.height}")
    need(header.number <= record.height + parameters.crosslink_gap_max, f"height {header.number} is too far above {record.height}")
    need(header.base_fee_per_gas < BASE_FEE_LIMIT, "base fee out of bounds")
    need(header.gas_limit < GAS_AND_TIME_LIMIT and header.gas_used < GAS_AND_TIME_LIMIT, "gas out of bounds")
    need(header.timestamp < GAS_AND_TIME_LIMIT, "timestamp out of bounds")
    return header


def _changed_summary(stored: Summary, crosslink: Crosslink) -> Summary:
    def changed(entries: tuple[ChannelTotals, ...], changes: tuple[SummaryChange, ...]) -> tuple[ChannelTotals, ...]:
        new, before = list(entries), -1
        for change in changes:
            if not before < change.chain < len(new):
                raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {crosslink.shard}: changes are listed by rising chain number")
            if change.totals == new[change.chain]:
                raise InvalidBlock(BlockReason.BAD_CROSSLINK, f"shard {crosslink.shard}: chain {change.chain} is listed, not changed")
            new[change.chain], before = change.totals, change.chain
        return tuple(new)

    return Summary(
        crosslink.burned, crosslink.fees,
        changed(stored.outgoing, crosslink.outgoing), changed(stored.incoming, crosslink.incoming),
    )


def _check_totals(state: BeaconState, shard: int, new: Summary) -> None:
    """Containment, but for the sum in `_book`: a corrupted committee spends its own and what is on its way to it, no more."""
    def need(condition: bool, why: str) -> None:
        if not condition:
            raise InvalidBlock(BlockReason.CONTAINMENT, f"shard {shard}: {why}")

    old = state.shards[shard].summary
    need(new.burned >= old.burned and new.fees >= old.fees, "burned or fees decrease")
    for before, after in zip((*old.outgoing, *old.incoming), (*new.outgoing, *new.incoming), strict=True):
        need(after.count >= before.count and after.value >= before.value, "a channel total decreases")
        need(after.count > before.count or after == before, "a channel changes without a receipt")
    need(new.outgoing[shard] == EMPTY_CHANNEL == new.incoming[shard], "a channel to itself")
    for source, after in enumerate(new.incoming):
        sent = state.recorded_out(source, shard)
        need(after.count <= sent.count, f"takes in what chain {source} did not send")
        need(after.count < sent.count or after == sent, f"took in all of chain {source}, but not what it sent")
        taken = after.value - old.incoming[source].value
        need(taken <= state.in_flight[source][shard], f"takes in more than chain {source} has on its way")


def _book(state: BeaconState, shard: int, new: Summary) -> BeaconState:
    """Moves the value a Summary speaks of between supply, flight, fee pool and the burned total."""
    record = state.shards[shard]
    old = record.summary
    in_flight = [list(row) for row in state.in_flight]
    supply = record.supply
    for chain in range(len(in_flight)):
        taken = new.incoming[chain].value - old.incoming[chain].value
        sent = new.outgoing[chain].value - old.outgoing[chain].value
        in_flight[chain][shard] -= taken
        in_flight[shard][chain] += sent
        supply += taken - sent
    burned, fees = new.burned - old.burned, new.fees - old.fees
    supply -= burned + fees
    if supply < 0:
        raise InvalidBlock(BlockReason.CONTAINMENT, f"shard {shard}: spends {-supply} wei more than it holds")
    return replace(
        state,
        shards=(*state.shards[:shard], replace(record, supply=supply), *state.shards[shard + 1 :]),
        in_flight=tuple(tuple(row) for row in in_flight),
        burned=state.burned + burned,
        fee_pool=state.fee_pool + fees,
    )
