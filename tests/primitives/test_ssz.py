"""Every value has one encoding, and limits hold in both directions."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.blocks import BeaconBlock, ChannelTerms, Crosslink, Evidence, ExtraData, ShardBlock, ShardReference, SummaryChange
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.receipts import Bundle, ChannelTotals, CrossShardReceipt, Summary
from primitives.ssz import Bits, ByteList, Container, Repeated, Uint8, Uint64
from primitives.votes import Certificate, Instance, Proposal, SigningData, Vote, Wake


def uint(bits: int):
    return st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([0, 2**bits - 1]))


def fixed(size: int):
    return st.binary(min_size=size, max_size=size)


def some(strategy, size: int = 3):
    return st.lists(strategy, max_size=size).map(tuple)


instances = st.builds(Instance, uint(32), uint(64))
votes = st.builds(Vote, instances, uint(64), uint(8), fixed(32), uint(32), fixed(96))
certificates = st.builds(Certificate, instances, uint(64), uint(8), fixed(32), some(st.booleans(), 20), fixed(96))
totals = st.builds(ChannelTotals, uint(64), uint(256), fixed(32))
changes = st.builds(SummaryChange, uint(32), totals)
receipts = st.builds(
    CrossShardReceipt, uint(32), uint(32), uint(64), uint(8), fixed(20), fixed(20), uint(256), uint(64), uint(256), fixed(20),
    st.binary(max_size=50),
)  # fmt: skip
crosslinks = st.builds(Crosslink, uint(32), st.binary(max_size=60), uint(256), uint(256), some(changes), some(changes), certificates)
terms = st.builds(ChannelTerms, uint(256), uint(8))
CONTAINERS = {
    Instance: instances,
    Vote: votes,
    Certificate: certificates,
    Proposal: st.builds(Proposal, st.binary(max_size=60), certificates, votes),
    Wake: st.builds(Wake, instances, uint(64)),
    SigningData: st.builds(SigningData, fixed(32), uint(32), fixed(32), uint(32), uint(64), uint(64), uint(8), fixed(32)),
    ChannelTotals: totals,
    CrossShardReceipt: receipts,
    Summary: st.builds(Summary, uint(256), uint(256), some(totals), some(totals)),
    Bundle: st.builds(Bundle, uint(32), uint(32), uint(64), fixed(32), some(receipts)),
    Crosslink: crosslinks,
    Evidence: st.builds(Evidence, votes, votes),
    BeaconBlock: st.builds(
        BeaconBlock, uint(8), uint(64), uint(64), uint(64), fixed(32), certificates, uint(32), uint(64), fixed(96), some(crosslinks, 2),
        some(st.builds(Evidence, votes, votes), 2), some(st.binary(max_size=9)), fixed(32),
    ),
    ShardBlock: st.builds(ShardBlock, st.binary(max_size=60), some(receipts), some(st.binary(max_size=60))),
    ExtraData: st.builds(ExtraData, uint(8), uint(64), uint(64), uint(32), uint(64)),
    ShardReference: st.builds(ShardReference, fixed(32), uint(64), uint(64), fixed(32), some(terms), some(totals)),
}  # fmt: skip
KINDS = sorted(CONTAINERS, key=lambda kind: kind.__name__)
named = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@named
@settings(max_examples=25)
@given(data=st.data())
def test_round_trip(kind, data) -> None:
    value = data.draw(CONTAINERS[kind])
    decoded = kind.decode(value.encode())
    assert decoded == value
    assert decoded.hash_tree_root() == value.hash_tree_root()


@named
@settings(max_examples=40)
@given(data=st.data())
def test_a_changed_encoding_is_refused_or_is_another_value(kind, data) -> None:
    value = data.draw(CONTAINERS[kind])
    encoded = bytearray(value.encode())
    how = data.draw(st.sampled_from(["flip", "append", "cut", "insert"]))
    at = data.draw(st.integers(0, len(encoded) - 1))
    if how == "flip":
        encoded[at] ^= data.draw(st.integers(1, 255))
    elif how == "append":
        encoded += data.draw(st.binary(min_size=1, max_size=4))
    elif how == "cut":
        del encoded[at:]
    else:
        encoded.insert(at, data.draw(st.integers(0, 255)))
    if bytes(encoded) == value.encode():
        return
    try:
        decoded = kind.decode(bytes(encoded))
    except InvalidEncoding:
        return
    assert decoded != value
    assert decoded.hash_tree_root() != value.hash_tree_root()
    assert decoded.encode() == bytes(encoded)


@named
@settings(max_examples=40)
@given(junk=st.binary(max_size=300))
def test_junk_raises_nothing_else(kind, junk) -> None:
    try:
        value = kind.decode(junk)
    except InvalidEncoding:
        return
    assert value.encode() == junk


@dataclass(frozen=True, slots=True)
class Bounded(Container):
    encoded_bytes_max: ClassVar[int] = 100
    text: Annotated[bytes, ByteList(4)]
    numbers: Annotated[tuple[Uint64, ...], Repeated(2)]
    flags: Annotated[tuple[bool, ...], Bits(3)]
    byte: Uint8


@dataclass(frozen=True, slots=True)
class Wide(Container):
    """Bounded's layout with room to spare."""

    text: Annotated[bytes, ByteList(400)]
    numbers: Annotated[tuple[Uint64, ...], Repeated(400)]
    flags: Annotated[tuple[bool, ...], Bits(400)]
    byte: Uint8


FULL = (b"1234", (1, 2), (True, False, True), 255)


def test_at_the_limit() -> None:
    assert Bounded.decode(Bounded(*FULL).encode()) == Bounded(*FULL)
    assert Wide(*FULL).encode() == Bounded(*FULL).encode()


@pytest.mark.parametrize("over", [(b"12345", *FULL[1:]), (FULL[0], (1, 2, 3), *FULL[2:]), (*FULL[:2], (True,) * 4, 1)])
def test_over_a_limit_neither_encodes_nor_decodes(over) -> None:
    with pytest.raises(InvalidEncoding):
        Bounded(*over).encode()
    with pytest.raises(InvalidEncoding):
        Bounded.decode(Wide(*over).encode())


@pytest.mark.parametrize("wrong", [(b"", (2**64,), (), 0), (b"", (-1,), (), 0), (b"", (), (), 256), ("text", (), (), 0), (b"", 5, (), 0)])
def test_values_that_do_not_fit_their_type(wrong) -> None:
    with pytest.raises(InvalidEncoding):
        Bounded(*wrong).encode()


@pytest.mark.parametrize("kind", [Vote, Instance, Wake, ExtraData], ids=lambda kind: kind.__name__)
def test_fixed_size_containers_know_their_size(kind) -> None:
    zeros = kind.sedes().get_fixed_size()
    assert kind.decode(bytes(zeros)).encode() == bytes(zeros)
    if kind is not Instance:
        assert kind.encoded_bytes_max == zeros
    with pytest.raises(InvalidEncoding):
        kind.decode(bytes(zeros + 1))


def test_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(InvalidEncoding) as caught:
        Bounded.decode(bytes(101))
    assert caught.value.reason is EncodingReason.TOO_LARGE
