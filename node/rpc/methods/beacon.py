"""beacon: the coordinator's blocks, validators, committees, crosslinks and evidence; the same at every address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import trio
from pydantic.alias_generators import to_camel

from node.rpc.backend import BlockRef
from node.rpc.beacon_backend import BeaconBlockView
from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.forms import data, parse_block, parse_quantity
from node.rpc.limits import BEACON_BLOCKS_DEFAULT, BEACON_BLOCKS_MAX
from node.rpc.methods.context import Context, Method
from primitives.blocks import Crosslink, Evidence
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.votes import Certificate, Vote, VoteKind

Json = dict[str, object]


def ref(block: BlockRef) -> Json:
    """A block by number and hash."""
    return {"number": hex(block.number), "hash": data(block.hash)}


async def get_head(context: Context, arguments: list[object]) -> object:
    """beacon_getHead: the newest finalized beacon block."""
    head = context.backend.beacon_head()
    return ref(head.block) | {
        "epoch": hex(head.epoch),
        "view": hex(head.view),
        "timestamp": hex(head.timestamp),
        "proposer": hex(head.proposer),
        "parentRoot": data(head.parent_root),
        "stateRoot": data(head.state_root),
        "crosslinks": [
            {"shard": hex(shard)} | ref(crosslink.block) | {"baseFeePerGas": hex(crosslink.base_fee)}
            for shard, crosslink in enumerate(head.crosslinks)
        ],
    }


def _crosslink(link: Crosslink) -> Json:
    header = ShardHeader.decode(link.header)
    return {
        "shard": hex(link.shard),
        "number": hex(header.number),
        "hash": data(keccak256(link.header)),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "gasUsed": hex(header.gas_used),
        "burned": hex(link.burned),
        "fees": hex(link.fees),
        "finalization": _certificate(link.finalization),
    }


def _certificate(certificate: Certificate) -> Json:
    return {
        "chain": hex(certificate.instance.chain),
        "epoch": hex(certificate.instance.epoch),
        "view": hex(certificate.view),
        "kind": VoteKind(certificate.kind).name.lower(),
        "root": data(certificate.root),
        "positions": [hex(position) for position, is_in in enumerate(certificate.participation) if is_in],
    }


def _vote(vote: Vote) -> Json:
    return {
        "chain": hex(vote.instance.chain),
        "epoch": hex(vote.instance.epoch),
        "view": hex(vote.view),
        "kind": VoteKind(vote.kind).name.lower(),
        "root": data(vote.root),
        "validator": hex(vote.validator),
        "signature": data(vote.signature),
    }


def _evidence(evidence: Evidence) -> Json:
    return {"validator": hex(evidence.first.validator), "votes": [_vote(evidence.first), _vote(evidence.second)]}


async def get_block(context: Context, arguments: list[object]) -> object:
    """beacon_getBlock: by number, root or tag; null if unknown."""
    view = context.backend.beacon.block(parse_block(arguments[0], "argument 0"))
    if view is None:
        return None
    block = view.block
    return {
        "number": hex(block.height),
        "hash": data(view.root),
        "epoch": hex(block.epoch),
        "view": hex(block.view),
        "timestamp": hex(block.timestamp),
        "proposer": hex(block.proposer),
        "parentRoot": data(block.parent_root),
        "stateRoot": data(block.state_root),
        "randaoReveal": data(block.randao_reveal),
        "parentCertificate": _certificate(block.parent_certificate),
        "crosslinks": [_crosslink(link) for link in block.crosslinks],
        "evidence": [_evidence(evidence) for evidence in block.evidence],
        "size": hex(view.size),
    }


async def get_validators(context: Context, arguments: list[object]) -> object:
    """beacon_getValidators: the registry at the newest finalized beacon block."""
    return [
        {
            "index": hex(index),
            "publicKey": data(validator.public_key),
            "stake": hex(validator.stake),
            "feeAddress": data(validator.fee_address),
            "active": validator.is_active,
            "slashedAt": hex(validator.slashed_at) if validator.slashed_at else None,
            "votesDue": hex(validator.votes_due),
            "votesSeen": hex(validator.votes_seen),
        }
        for index, validator in enumerate(context.backend.beacon.validators())
    ]


async def get_committees(context: Context, arguments: list[object]) -> object:
    """beacon_getCommittees: who runs which chain in an epoch, the current one unless another is asked for."""
    epoch = None if arguments[0] is None else parse_quantity(arguments[0], "argument 0", 64)
    found = context.backend.beacon.committees(epoch)
    if found is None:
        known = ", ".join(str(held) for held in context.backend.beacon.epochs_known())
        raise RpcError(SERVER, f"no committees of epoch {epoch} are held: there are those of {known}")
    parameters = context.backend.genesis.parameters
    return {
        "epoch": hex(found.epoch),
        "seed": data(found.seed),
        "committees": [
            {
                "chain": hex(chain),
                "chainId": hex(parameters.chain_id(chain)),
                "instanceEpoch": hex(committee.instance_epoch),
                "members": [{"validator": hex(index), "stake": hex(stake)} for index, stake in committee.members],
            }
            for chain, committee in enumerate(found.committees)
        ],
    }


def _count(count: object, at: int) -> int:
    """How many beacon blocks a query looks at."""
    wanted = BEACON_BLOCKS_DEFAULT if count is None else parse_quantity(count, f"argument {at}", 32)
    if not 1 <= wanted <= BEACON_BLOCKS_MAX:
        raise invalid_params(f"invalid argument {at}: a number of beacon blocks, 1 to {BEACON_BLOCKS_MAX}")
    return wanted


def _range(context: Context, first: object, count: object, at: int) -> range:
    """Heights a query looks at: `count` from `first` on, or the newest `count`."""
    head, wanted = context.backend.beacon_head().block.number, _count(count, at + 1)
    start = max(0, head + 1 - wanted) if first is None else parse_quantity(first, f"argument {at}", 64)
    return range(start, min(start + wanted, head + 1))


async def _blocks(context: Context, heights: Iterable[int]) -> AsyncIterator[BeaconBlockView]:
    for height in heights:
        view = context.backend.beacon.block(height)
        if view is not None:
            yield view
        await trio.lowlevel.checkpoint()


async def get_crosslinks(context: Context, arguments: list[object]) -> object:
    """beacon_getCrosslinks: of one shard, in a range of beacon blocks, oldest first."""
    shard = parse_quantity(arguments[0], "argument 0", 32)
    shard_count = context.backend.genesis.parameters.shard_count
    if shard >= shard_count:
        raise invalid_params(f"invalid argument 0: this network has shards 0 to {shard_count - 1}")
    found: list[Json] = []
    async for view in _blocks(context, _range(context, arguments[1], arguments[2], 1)):
        place: Json = {"beacon": ref(BlockRef(view.block.height, view.root)) | {"timestamp": hex(view.block.timestamp)}}
        found += [_crosslink(link) | place for link in view.block.crosslinks if link.shard == shard]
    return found


def _slashings(context: Context, count: int) -> list[int]:
    """The newest `count` heights whose block cut a validator's stake; no other block holds evidence."""
    heights = {validator.slashed_at for validator in context.backend.beacon.validators()} - {0}
    return sorted(heights)[-count:]


async def get_evidence(context: Context, arguments: list[object]) -> object:
    """beacon_getEvidence: what a range of beacon blocks holds against validators, or the newest blocks that slashed any; oldest first."""
    found: list[Json] = []
    first, count = arguments
    async for view in _blocks(context, _slashings(context, _count(count, 1)) if first is None else _range(context, first, count, 0)):
        place: Json = {"beacon": ref(BlockRef(view.block.height, view.root))}
        found += [_evidence(evidence) | place for evidence in view.block.evidence]
    return found


async def get_parameters(context: Context, arguments: list[object]) -> object:
    """beacon_getParameters: what all nodes agreed on in genesis."""
    genesis = context.backend.genesis
    answer: Json = {"genesisRoot": data(genesis.root), "genesisTimestamp": hex(genesis.timestamp)}
    for name, value in genesis.parameters.model_dump().items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        answer[to_camel(name)] = hex(value) if is_number else value
    return answer


METHODS = {
    "beacon_getHead": Method(get_head),
    "beacon_getBlock": Method(get_block, 1),
    "beacon_getValidators": Method(get_validators),
    "beacon_getCommittees": Method(get_committees, 0, 1),
    "beacon_getCrosslinks": Method(get_crosslinks, 1, 2),
    "beacon_getEvidence": Method(get_evidence, 0, 2),
    "beacon_getParameters": Method(get_parameters),
}
