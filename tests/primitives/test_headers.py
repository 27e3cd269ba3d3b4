import dataclasses
import json
from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from rlp.exceptions import DecodingError

from primitives.blocks import HEADER_BYTES_MAX, ExtraData, instance_of, sources_of
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.headers import ShardHeader
from primitives.votes import Instance

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "headers" / "headers.json").read_text())["headers"]
RAW = [(bytes.fromhex(v["rlp"][2:]), v) for v in VECTORS]
CURRENT = [(raw, v) for raw, v in RAW if len(rlp.decode(raw)) == 21]
OLDER = [raw for raw, _ in RAW if len(rlp.decode(raw)) < 21]
FIELDS = [field.name for field in dataclasses.fields(ShardHeader)]


def refused(raw: bytes) -> EncodingReason:
    with pytest.raises(InvalidEncoding) as caught:
        ShardHeader.decode(raw)
    return caught.value.reason


def altered(name: str, value) -> bytes:
    items = rlp.decode(CURRENT[0][0])
    items[FIELDS.index(name)] = value
    return rlp.encode(items)


@pytest.mark.parametrize(("raw", "vector"), CURRENT, ids=[str(v["number"]) for _, v in CURRENT])
def test_real_headers(raw, vector) -> None:
    header = ShardHeader.decode(raw)
    assert header.encode() == raw
    assert header.hash().hex() == vector["hash"][2:]
    assert header.number == vector["number"]


def test_headers_of_older_forks_are_refused() -> None:
    assert len(OLDER) == 5
    assert {refused(raw) for raw in OLDER} == {EncodingReason.MALFORMED}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_in_the_hash(name) -> None:
    header = ShardHeader.decode(CURRENT[0][0])
    value = getattr(header, name)
    other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:] if value else b"\1"
    changed = dataclasses.replace(header, **{name: other})
    assert changed.hash() != header.hash()
    assert ShardHeader.decode(changed.encode()) == changed


@pytest.mark.parametrize("name", ["number", "gas_limit", "gas_used", "timestamp", "base_fee_per_gas", "difficulty"])
def test_numbers_are_canonical_and_bounded(name) -> None:
    assert refused(altered(name, b"\0\1")) is EncodingReason.NOT_CANONICAL
    assert refused(altered(name, b"\0")) is EncodingReason.NOT_CANONICAL
    assert refused(altered(name, b"\1" * 33)) is EncodingReason.NOT_CANONICAL
    assert getattr(ShardHeader.decode(altered(name, b"")), name) == 0


@pytest.mark.parametrize("name", ["parent_hash", "coinbase", "logs_bloom", "nonce", "requests_hash", "prev_randao"])
def test_sizes(name) -> None:
    value = getattr(ShardHeader.decode(CURRENT[0][0]), name)
    assert refused(altered(name, value + b"\0")) is EncodingReason.MALFORMED
    assert refused(altered(name, value[1:])) is EncodingReason.MALFORMED
    assert refused(altered(name, [value])) is EncodingReason.MALFORMED


def test_not_a_header() -> None:
    raw = CURRENT[0][0]
    assert refused(raw + b"\0") is EncodingReason.MALFORMED
    assert refused(raw[:-1]) is EncodingReason.MALFORMED
    assert refused(b"") is EncodingReason.MALFORMED
    assert refused(rlp.encode([])) is EncodingReason.MALFORMED
    assert refused(bytes(HEADER_BYTES_MAX + 1)) is EncodingReason.TOO_LARGE
    assert refused(rlp.encode([*rlp.decode(raw), b"\1"])) is EncodingReason.MALFORMED


def test_extra_data() -> None:
    extra = ExtraData(1, 3, 12, 2, 0b101)
    header = dataclasses.replace(ShardHeader.decode(CURRENT[0][0]), extra_data=extra.encode())
    assert len(header.extra_data) == 29
    assert ShardHeader.decode(header.encode()).extra() == extra
    assert instance_of(4, extra) == Instance(4, 3)
    assert sources_of(extra.missing) == (0, 2)
    assert sources_of(0) == ()
    with pytest.raises(InvalidEncoding):
        dataclasses.replace(header, extra_data=b"geth").extra()


@given(data=st.data())
def test_a_changed_header_is_taken_exactly_where_the_library_takes_it(data) -> None:
    raw = bytearray(data.draw(st.sampled_from([raw for raw, _ in CURRENT])))
    at = data.draw(st.integers(0, 12) | st.integers(0, len(raw) - 1))
    how = data.draw(st.sampled_from(["change", "cut", "insert"]))
    if how == "change":
        raw[at] = data.draw(st.integers(0, 255))
    elif how == "cut":
        del raw[at:]
    else:
        raw.insert(at, data.draw(st.integers(0, 255)))
    try:
        items = rlp.decode(bytes(raw))
    except DecodingError:
        items = None
    try:
        header = ShardHeader.decode(bytes(raw))
    except InvalidEncoding:
        header = None
    assert header is None or header.encode() == bytes(raw)
    if items is None or not isinstance(items, list) or len(items) != len(FIELDS):
        assert header is None
