"""Votes, certificates and proposals of the agreement (PROTOCOL 2), in their wire form."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar

from primitives.ssz import Bits, ByteList, Bytes32, Bytes96, Container, Uint8, Uint32, Uint64
from primitives.types import ZERO_ROOT, Root

COMMITTEE_SIZE_MAX = 1024
"""Validators of one committee."""
BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""Ceiling of one encoded block, in bytes; the parameter `block_bytes_max` is lower."""
EMPTY_SIGNATURE = b"\0" * 96


class VoteKind(IntEnum):
    """What a vote says, or a certificate proves."""

    BASE = 0
    """Only on certificates: the finalized block an instance starts from, view 0, unsigned."""
    NOTARIZE = 1
    NULLIFY = 2
    FINALIZE = 3


@dataclass(frozen=True, slots=True, order=True)
class Instance(Container):
    """One run of Simplex on one chain with one committee; views count within it."""

    chain: Uint32
    """Chain number; `shard_count` is the beacon chain."""
    epoch: Uint64
    """c: the first epoch of the unbroken run of epochs with this committee."""


@dataclass(frozen=True, slots=True)
class Vote(Container):
    """One validator's signed word on one view."""

    encoded_bytes_max: ClassVar[int] = 153

    instance: Instance
    view: Uint64
    kind: Uint8
    """A `VoteKind` other than BASE."""
    root: Bytes32
    """The block voted for; zero for NULLIFY."""
    validator: Uint32
    """Registry index of the signer."""
    signature: Bytes96
    """BLS over `vote_signing_root`."""


@dataclass(frozen=True, slots=True)
class Certificate(Container):
    """More than two thirds of a committee's stake on one word about one view."""

    encoded_bytes_max: ClassVar[int] = 512

    instance: Instance
    view: Uint64
    kind: Uint8
    root: Bytes32
    """The block; zero for NULLIFY."""
    participation: Annotated[tuple[bool, ...], Bits(COMMITTEE_SIZE_MAX)]
    """One bit a member, in committee order."""
    signature: Bytes96
    """Aggregate of the members' signatures over the same signing root; zero for BASE."""


def base_certificate(instance: Instance, root: Root) -> Certificate:
    """The unsigned certificate of the finalized block `root` an instance starts from."""
    return Certificate(instance, 0, VoteKind.BASE, root, (), EMPTY_SIGNATURE)


@dataclass(frozen=True, slots=True)
class Proposal(Container):
    """A leader's block for a view, what it builds on, and the leader's own notarize vote."""

    encoded_bytes_max: ClassVar[int] = BLOCK_BYTES_MAX + 4096

    block: Annotated[bytes, ByteList(BLOCK_BYTES_MAX)]
    """The encoded block; empty when it is too large to gossip, then it is pulled by `vote.root`."""
    parent: Certificate
    """Notarization or finalization of the parent (of the block itself for a re-proposal), or the base."""
    vote: Vote
    """Names instance, view, root and leader."""


@dataclass(frozen=True, slots=True)
class Wake(Container):
    """Tells a view's leader that somebody sees work; unsigned, it can only hasten a block that was allowed anyway."""

    encoded_bytes_max: ClassVar[int] = 20

    instance: Instance
    view: Uint64


@dataclass(frozen=True, slots=True)
class SigningData(Container):
    """What a signature covers; its hash tree root is the message that is signed."""

    domain: Bytes32
    """Purpose of the signature, ASCII padded with zeros, so that no signature serves two purposes."""
    fork_version: Uint32
    genesis_root: Bytes32
    chain: Uint32
    epoch: Uint64
    """c of the instance."""
    view: Uint64
    kind: Uint8
    root: Bytes32


VOTE_DOMAIN = b"shardnet.vote".ljust(32, b"\0")
RANDAO_DOMAIN = b"shardnet.randao".ljust(32, b"\0")


SIGNING_ROOTS_REMEMBERED_MAX = 4096
"""Messages of votes kept: each is asked for by every vote and certificate about it."""


@functools.lru_cache(SIGNING_ROOTS_REMEMBERED_MAX)
def vote_signing_root(fork_version: int, genesis_root: Root, instance: Instance, view: int, kind: int, root: bytes) -> Root:
    """Message of a vote or certificate: (domain, fork version, genesis root, instance, view, kind, root)."""
    return SigningData(VOTE_DOMAIN, fork_version, genesis_root, instance.chain, instance.epoch, view, kind, root).hash_tree_root()


def randao_signing_root(fork_version: int, genesis_root: Root, beacon: int, height: int) -> Root:
    """Message whose signature a beacon proposer reveals: its height (PROTOCOL 3)."""
    return SigningData(RANDAO_DOMAIN, fork_version, genesis_root, beacon, 0, height, 0, ZERO_ROOT).hash_tree_root()
