"""RLP as spans into the wire bytes: strict, canonical, nothing copied that is not asked for.

A transaction's bytes are hashed as they came, so they must be the one encoding of their value.
Source: Ethereum yellow paper, appendix B.
"""

from __future__ import annotations

from primitives.errors import InvalidTransaction, TransactionReason

Span = tuple[int, int, bool]
"""Where an item's payload starts and ends, and whether the item is a list."""


def malformed(message: str) -> InvalidTransaction:
    """The error for bytes that are not a transaction."""
    return InvalidTransaction(TransactionReason.MALFORMED, message)


def split(data: bytes, start: int, end: int) -> list[Span]:
    """The items encoded in `data[start:end]`, one after another.

    Raises:
        InvalidTransaction: MALFORMED when an item is cut short or not in canonical form.
    """
    spans: list[Span] = []
    while start < end:
        prefix = data[start]
        if prefix < 0x80:
            spans.append((start, start + 1, False))
            start += 1
            continue
        is_list = prefix >= 0xC0
        short = prefix - (0xC0 if is_list else 0x80)
        begin = start + 1
        if short <= 55:
            stop = begin + short
            if short == 1 and not is_list and begin < end and data[begin] < 0x80:
                raise malformed("rlp: a single byte below 0x80 has a prefix")
        else:
            begin += short - 55
            length = int.from_bytes(data[start + 1 : begin], "big")
            if begin > end or length <= 55 or data[start + 1] == 0:
                raise malformed("rlp: a length is not in its shortest form")
            stop = begin + length
        if stop > end:
            raise malformed("rlp: an item is longer than its list")
        spans.append((begin, stop, is_list))
        start = stop
    return spans


def outer_list(data: bytes, start: int) -> Span:
    """The list that `data[start:]` is.

    Raises:
        InvalidTransaction: MALFORMED when it is anything else, or bytes follow it.
    """
    spans = split(data, start, len(data))
    if len(spans) != 1 or not spans[0][2]:
        raise malformed("rlp: not exactly one list")
    return spans[0]


def text(data: bytes, span: Span, name: str) -> bytes:
    """The byte string at `span`.

    Raises:
        InvalidTransaction: MALFORMED when it is a list.
    """
    if span[2]:
        raise malformed(f"{name}: a list where bytes belong")
    return data[span[0] : span[1]]


def number(data: bytes, span: Span, name: str, bits: int) -> int:
    """The unsigned integer of at most `bits` bits at `span`.

    Raises:
        InvalidTransaction: MALFORMED when it is a list, has leading zeros or is too large.
    """
    begin, end, is_list = span
    if is_list:
        raise malformed(f"{name}: a list where a number belongs")
    if begin == end:
        return 0
    if data[begin] == 0:
        raise malformed(f"{name}: leading zeros")
    if (end - begin) * 8 > bits:
        raise malformed(f"{name}: over {bits} bits")
    return int.from_bytes(data[begin:end], "big")


def items(data: bytes, span: Span, name: str, count: int | None = None) -> list[Span]:
    """The items of the list at `span`, exactly `count` of them unless None.

    Raises:
        InvalidTransaction: MALFORMED when it is no list or has another number of items.
    """
    if not span[2]:
        raise malformed(f"{name}: bytes where a list belongs")
    found = split(data, span[0], span[1])
    if count is not None and len(found) != count:
        raise malformed(f"{name}: {len(found)} items, not {count}")
    return found


def _encode(payload: bytes, offset: int) -> bytes:
    size = len(payload)
    if size <= 55:
        return bytes([offset + size]) + payload
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(length)]) + length + payload


def encode_text(value: bytes) -> bytes:
    """RLP of a byte string."""
    return value if len(value) == 1 and value[0] < 0x80 else _encode(value, 0x80)


def encode_number(value: int) -> bytes:
    """RLP of an unsigned integer."""
    return encode_text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def encode_list(payload: bytes) -> bytes:
    """RLP of a list whose items' encodings are `payload`."""
    return _encode(payload, 0xC0)
