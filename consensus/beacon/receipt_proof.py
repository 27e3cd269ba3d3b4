"""A proof that a cross-shard receipt was sent and is final, checked with the genesis file and nothing else (docs/decisions/0012).

From the receipt up: its id and those that followed it fold to an accumulator; a crosslink records that accumulator; a beacon block
holds the crosslink; a later block that is final has that one for an ancestor; and who made it final follows from genesis.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from consensus.beacon.lineage import BeaconHeader, Handover, check_certificate, check_final, committees_since_genesis, header_of
from consensus.beacon.verifier import Verifier
from consensus.committee import Committee
from consensus.signatures import BlsScheme, SignatureScheme
from primitives.blocks import SHARDS_MAX, BeaconBlock, Crosslink
from primitives.errors import InvalidEncoding, InvalidProof, ProofReason
from primitives.genesis import Genesis
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.merkle import climb, element_branch
from primitives.receipts import CrossShardReceipt
from primitives.ssz import Bytes32, Container, Repeated, Uint8
from primitives.types import Root
from primitives.votes import Certificate, Instance

PROOF_BYTES_MAX = 3 * 1024 * 1024
"""One encoded proof; in hexadecimal digits it fits what a peer answers."""
PROOF_IDS_MAX = 32_768
"""Ids of the receipts that followed in the channel up to the crosslink: 65 full blocks at the defaults."""
PROOF_HEADERS_MAX = 256
"""Beacon blocks from the one with the crosslink to the first with a finalization of its own."""
PROOF_HANDOVERS_MAX = 128
"""Changes of the committee since genesis."""
_CROSSLINK_BRANCH_LENGTH = (SHARDS_MAX - 1).bit_length() + 1
"""From a crosslink to the list of them, and past the list's length."""


@dataclass(frozen=True, slots=True)
class ReceiptProof(Container):
    """The proof; SSZ is its one encoding, and the first byte of that begins no text."""

    encoded_bytes_max: ClassVar[int] = PROOF_BYTES_MAX

    receipt: CrossShardReceipt
    accumulator_before: Bytes32
    """Of its channel, before it. Need not be proven: only the true one leads to what is recorded."""
    following: Annotated[tuple[Bytes32, ...], Repeated(PROOF_IDS_MAX)]
    """Ids of the channel's receipts after it, in order, up to the last that the crosslink records."""
    crosslink: Crosslink
    """The first that records the receipt."""
    position: Uint8
    """Of the crosslink in its beacon block."""
    branch: Annotated[tuple[Bytes32, ...], Repeated(_CROSSLINK_BRANCH_LENGTH)]
    """From the crosslink to the block's `crosslinks` root."""
    headers: Annotated[tuple[BeaconHeader, ...], Repeated(PROOF_HEADERS_MAX)]
    """The beacon block that holds the crosslink, and its descendants up to the one `finalization` is of."""
    finalization: Certificate
    handovers: Annotated[tuple[Handover, ...], Repeated(PROOF_HANDOVERS_MAX)]
    """One for each committee between genesis and the one that signed `finalization`."""


@dataclass(frozen=True, slots=True)
class SentReceipt:
    """What a valid proof proves."""

    receipt: CrossShardReceipt
    id: Root
    shard_block: ShardHeader
    """Of the source: the crosslinked block, which sent the receipt or has the one that did for an ancestor."""
    beacon_block: BeaconHeader
    """The one that recorded it."""
    beacon_root: Root
    """Of that block."""
    final_block: BeaconHeader
    """The block that was made final: the same, or a descendant."""
    committees: int
    """Committees whose word it rests on, from that of genesis on: of each more than two thirds of the stake."""


def build_receipt_proof(
    receipt: CrossShardReceipt,
    accumulator_before: bytes,
    following: Sequence[bytes],
    blocks: Sequence[BeaconBlock],
    finalization: Certificate,
    handovers: Sequence[Handover],
) -> ReceiptProof:
    """The proof of a receipt; the first of `blocks` holds a crosslink of its source, `finalization` is of the last.

    Raises:
        InvalidProof: TOO_LARGE.
    """
    links = blocks[0].crosslinks
    position = next(i for i, link in enumerate(links) if link.shard == receipt.source)
    for what, parts, limit in (
        ("ids", following, PROOF_IDS_MAX), ("beacon headers", blocks, PROOF_HEADERS_MAX), ("handovers", handovers, PROOF_HANDOVERS_MAX),
    ):  # fmt: skip
        if len(parts) > limit:
            raise InvalidProof(ProofReason.TOO_LARGE, f"{len(parts)} {what}, at most {limit}")
    proof = ReceiptProof(
        receipt, accumulator_before, tuple(following), links[position], position, element_branch(links, SHARDS_MAX, position),
        tuple(header_of(block) for block in blocks), finalization, tuple(handovers),
    )
    if len(proof.encode()) > PROOF_BYTES_MAX:
        raise InvalidProof(ProofReason.TOO_LARGE, f"more than {PROOF_BYTES_MAX} bytes")
    return proof


def verify_receipt_proof(encoded: bytes, genesis: Genesis, scheme: SignatureScheme | None = None) -> SentReceipt:
    """What an encoded proof proves on the network of a genesis file.

    It is as good as the word of its committees: that of each, one after the other from genesis on, less than a third of the stake has
    signed two histories, be it long after its time.

    Raises:
        InvalidProof: see `ProofReason`; MALFORMED also where the bytes are no proof, or not the one encoding of it.
    """
    try:
        proof = ReceiptProof.decode(encoded)
    except InvalidEncoding as error:
        raise InvalidProof(ProofReason.MALFORMED, str(error)) from error
    identity = _check_channel(proof, genesis)
    shard_block = _check_crosslink(proof)
    _check_headers(proof.headers)
    verifier = Verifier(scheme or BlsScheme({}), genesis.root, genesis.parameters.fork_version)
    committees = committees_since_genesis(genesis, proof.handovers, verifier)
    newest, first, final = max(committees), proof.headers[0], proof.headers[-1]
    check_final(final, proof.finalization, Instance(genesis.parameters.beacon, newest), committees[newest], verifier)
    _check_shard_committee(proof.crosslink, committees, verifier)
    return SentReceipt(proof.receipt, identity, shard_block, first, first.hash_tree_root(), final, len(committees))


def _check_channel(proof: ReceiptProof, genesis: Genesis) -> Root:
    """The receipt's id, once it and those after it are what the crosslink records of the channel."""
    receipt, crosslink = proof.receipt, proof.crosslink
    identity = receipt.identity(genesis.parameters.chain_id_base)
    totals = next((change.totals for change in crosslink.outgoing if change.chain == receipt.destination), None)
    if crosslink.shard != receipt.source or totals is None:
        what = f"shard {receipt.source} to chain {receipt.destination}"
        raise InvalidProof(ProofReason.NOT_RECORDED, f"the crosslink records nothing that was sent from {what}")
    if totals.count != receipt.nonce + 1 + len(proof.following):
        told = f"{totals.count} receipts, the proof speaks of {receipt.nonce + 1 + len(proof.following)}"
        raise InvalidProof(ProofReason.NOT_RECORDED, f"the crosslink records {told}")
    accumulator = proof.accumulator_before
    for one in (identity, *proof.following):
        accumulator = keccak256(accumulator + one)
    if accumulator != totals.accumulator:
        raise InvalidProof(ProofReason.DOES_NOT_FOLD, "the receipt is not the one that was sent there, or another one followed")
    return identity


def _check_crosslink(proof: ReceiptProof) -> ShardHeader:
    """The crosslinked header, once the crosslink is in the first of the beacon blocks."""
    if len(proof.branch) != _CROSSLINK_BRANCH_LENGTH or proof.position >= SHARDS_MAX or not proof.headers:
        raise InvalidProof(ProofReason.BAD_BRANCH, "no beacon block, or no branch of a crosslink")
    if climb(proof.crosslink.hash_tree_root(), proof.branch, proof.position) != proof.headers[0].crosslinks:
        raise InvalidProof(ProofReason.BAD_BRANCH, f"the crosslink is not in beacon block {proof.headers[0].height}")
    if keccak256(proof.crosslink.header) != proof.crosslink.finalization.root:
        raise InvalidProof(ProofReason.BAD_CERTIFICATE, "the crosslink's finalization is of another block than its header")
    try:
        return ShardHeader.decode(proof.crosslink.header)
    except InvalidEncoding as error:
        raise InvalidProof(ProofReason.MALFORMED, str(error)) from error


def _check_headers(headers: Sequence[BeaconHeader]) -> None:
    for parent, child in itertools.pairwise(headers):
        if child.parent_root != parent.hash_tree_root():
            raise InvalidProof(ProofReason.BROKEN_CHAIN, f"beacon block {child.height} is no child of block {parent.height}")


def _check_shard_committee(crosslink: Crosslink, committees: Mapping[int, Committee], verifier: Verifier) -> None:
    """Says nothing that the final beacon block does not; but then nobody has to take its word for what it checked."""
    instance = Instance(crosslink.shard, crosslink.finalization.instance.epoch)
    committee = committees.get(instance.epoch)
    if committee is None:
        raise InvalidProof(ProofReason.BAD_HANDOVER, f"the committee of epoch {instance.epoch} is not in the proof")
    what = f"the crosslinked block of shard {crosslink.shard}"
    check_certificate(crosslink.finalization, crosslink.finalization.root, instance, committee, verifier, what)
