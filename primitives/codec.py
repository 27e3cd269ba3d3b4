"""Encoding, decoding and Merkle roots of SSZ types, compiled once a type: a node spends much of its time here.

Types are those of the `ssz` library, which does the same a hundred times slower; tests compare the two.
Source: the SSZ specification (consensus-specs, ssz/simple-serialize.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any

import ssz.sedes as sedes

from primitives.errors import EncodingReason, InvalidEncoding

OFFSET_BYTES = 4
CHUNK_BYTES = 32
_TREE_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Codec:
    """One SSZ type."""

    size: int | None
    """Bytes of every encoding; None where they differ."""
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    """Raises InvalidEncoding, or takes what does not encode to the same bytes again: `Container.decode` compares."""
    root: Callable[[Any], bytes]
    """Hash tree root."""
    is_basic: bool = False
    """Packed into chunks with its neighbours."""


def malformed(message: str) -> InvalidEncoding:
    """What is no encoding of the type at all."""
    return InvalidEncoding(EncodingReason.MALFORMED, message)


def compile_sedes(kind: Any) -> Codec:
    """The codec of a type of the library."""
    if isinstance(kind, sedes.UInt):
        return _uint(kind.size)
    if isinstance(kind, sedes.ByteVector):
        return _byte_vector(kind.max_length)
    if isinstance(kind, sedes.ByteList):
        return _byte_list(kind.limit)
    if isinstance(kind, sedes.Bitlist):
        return _bits(kind.max_bit_count)
    if isinstance(kind, sedes.List):
        return _sequence(compile_sedes(kind.element_sedes), kind.max_length)
    assert isinstance(kind, sedes.Container), f"no codec for {kind!r}"
    return _structure(kind)


# -- Merkle trees


def _zero_hashes() -> tuple[bytes, ...]:
    hashes = [bytes(CHUNK_BYTES)]
    for _ in range(_TREE_DEPTH_MAX):
        hashes.append(sha256(hashes[-1] * 2).digest())
    return tuple(hashes)


_ZEROS = _zero_hashes()


def merkleize(chunks: Sequence[bytes], limit: int) -> bytes:
    """Root of a tree over chunks of 32 bytes, filled up with zeros to `limit` chunks and the next power of two."""
    depth = max(limit - 1, 0).bit_length()
    if not chunks:
        return _ZEROS[depth]
    level = list(chunks)
    for height in range(depth):
        if len(level) % 2:
            level.append(_ZEROS[height])
        level = [sha256(level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


def _pack(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK_BYTES].ljust(CHUNK_BYTES, b"\0") for at in range(0, len(data), CHUNK_BYTES)]


def _mix_in(root: bytes, length: int) -> bytes:
    return sha256(root + length.to_bytes(CHUNK_BYTES, "little")).digest()


# -- basic types


def _uint(size: int) -> Codec:
    def encode(value: int) -> bytes:
        return value.to_bytes(size, "little")

    def decode(data: bytes) -> int:
        if len(data) != size:
            raise malformed(f"{len(data)} bytes for an integer of {size}")
        return int.from_bytes(data, "little")

    return Codec(size, encode, decode, lambda value: value.to_bytes(size, "little").ljust(CHUNK_BYTES, b"\0"), is_basic=True)


def _byte_vector(size: int) -> Codec:
    def encode(value: bytes) -> bytes:
        if len(value) != size:
            raise malformed(f"{len(value)} bytes, not {size}")
        return bytes(value)

    chunks = (size + CHUNK_BYTES - 1) // CHUNK_BYTES
    if chunks == 1:
        return Codec(size, encode, encode, lambda value: encode(value).ljust(CHUNK_BYTES, b"\0"))
    return Codec(size, encode, encode, lambda value: merkleize(_pack(encode(value)), chunks))


def _byte_list(limit: int) -> Codec:
    def check(value: bytes) -> bytes:
        if len(value) > limit:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"{len(value)} bytes, at most {limit}")
        return bytes(value)

    chunks = (limit + CHUNK_BYTES - 1) // CHUNK_BYTES
    return Codec(None, check, check, lambda value: _mix_in(merkleize(_pack(check(value)), chunks), len(value)))


def _bits(limit: int) -> Codec:
    def bits_of(value: Sequence[bool]) -> int:
        if len(value) > limit:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"{len(value)} bits, at most {limit}")
        return sum(1 << at for at, bit in enumerate(value) if bit)

    def encode(value: Sequence[bool]) -> bytes:
        return (bits_of(value) | 1 << len(value)).to_bytes(len(value) // 8 + 1, "little")

    def decode(data: bytes) -> tuple[bool, ...]:
        if not data or data[-1] == 0:
            raise malformed("a bit list without its end")
        bits = int.from_bytes(data, "little")
        count = bits.bit_length() - 1
        if count > limit:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"{count} bits, at most {limit}")
        return tuple([bool(bits >> at & 1) for at in range(count)])

    chunks = (limit + 255) // 256

    def root(value: Sequence[bool]) -> bytes:
        packed = bits_of(value).to_bytes((len(value) + 7) // 8, "little")
        return _mix_in(merkleize(_pack(packed), chunks), len(value))

    return Codec(None, encode, decode, root)


# -- composite types


def _split(data: bytes, first: int, offsets: Sequence[int]) -> list[bytes]:
    """The parts of variable size: they follow the fixed part of `first` bytes and one another without a gap."""
    if offsets and offsets[0] != first:
        raise malformed(f"the first part starts at {offsets[0]}, not {first}")
    ends = [*offsets[1:], len(data)]
    if any(start > end for start, end in zip(offsets, ends, strict=True)):
        raise malformed("parts that overlap, or lie beyond the end")
    return [data[start:end] for start, end in zip(offsets, ends, strict=True)]


def _join(parts: Sequence[bytes]) -> bytes:
    """Parts of variable size behind their offsets."""
    at = OFFSET_BYTES * len(parts)
    offsets = []
    for part in parts:
        offsets.append(at.to_bytes(OFFSET_BYTES, "little"))
        at += len(part)
    return b"".join((*offsets, *parts))


def _sequence(element: Codec, limit: int) -> Codec:
    size = element.size

    def check(count: int) -> None:
        if count > limit:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"{count} elements, at most {limit}")

    def encode(value: Sequence[Any]) -> bytes:
        check(len(value))
        parts = [element.encode(one) for one in value]
        return b"".join(parts) if size is not None else _join(parts)

    def decode(data: bytes) -> tuple[Any, ...]:
        if not data:
            return ()
        if size is not None:
            if len(data) % size:
                raise malformed(f"{len(data)} bytes are no whole number of elements of {size}")
            check(len(data) // size)
            return tuple([element.decode(data[at : at + size]) for at in range(0, len(data), size)])
        first = int.from_bytes(data[:OFFSET_BYTES], "little")
        if first % OFFSET_BYTES or not OFFSET_BYTES <= first <= len(data):
            raise malformed(f"a first offset of {first} in {len(data)} bytes")
        check(first // OFFSET_BYTES)
        offsets = [int.from_bytes(data[at : at + OFFSET_BYTES], "little") for at in range(0, first, OFFSET_BYTES)]
        return tuple([element.decode(part) for part in _split(data, first, offsets)])

    def root(value: Sequence[Any]) -> bytes:
        check(len(value))
        if element.is_basic:
            assert size is not None
            packed = _pack(b"".join([element.encode(one) for one in value]))
            return _mix_in(merkleize(packed, (limit * size + CHUNK_BYTES - 1) // CHUNK_BYTES), len(value))
        return _mix_in(merkleize([element.root(one) for one in value], limit), len(value))

    return Codec(None, encode, decode, root)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A field of fixed size, at any depth, as it lies in the fixed part of a container."""

    path: str
    layout: str
    """As the struct module names it."""
    size: int
    is_bytes: bool
    """Bytes, whose length the struct module does not check."""
    is_wide: bool
    """An integer the struct module has no word for."""


_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class _Layout:
    """A container's fields in one struct: those of fixed size with all that is in them, and the offsets of the others."""

    def __init__(self, kind: Any) -> None:
        self.leaves: list[_Leaf] = []
        self.variable: list[tuple[str, Codec]] = []
        """Path and codec, in order."""
        self.make = self._walk(kind, "")
        """Builds the value from the unpacked fixed part and an iterator over the decoded rest."""

    def _walk(self, kind: Any, prefix: str) -> Callable[[Any], Any]:
        """Takes up the fields of a container; how to build it, from an iterator over its leaves."""
        parts: list[Callable[[Any], Any]] = []
        for name, field in zip(kind.names, kind.field_sedes, strict=True):
            path = prefix + name
            if isinstance(field, sedes.UInt):
                word = _WORDS.get(field.size)
                self.leaves.append(_Leaf(path, word or f"{field.size}s", field.size, is_bytes=False, is_wide=word is None))
                parts.append(next if word else _next_wide)
            elif isinstance(field, sedes.ByteVector):
                self.leaves.append(_Leaf(path, f"{field.max_length}s", field.max_length, is_bytes=True, is_wide=False))
                parts.append(next)
            elif isinstance(field, sedes.Container) and field.is_fixed_sized:
                parts.append(self._walk(field, path + "."))
            else:
                codec = compile_sedes(field)
                assert codec.size is None, "what is of fixed size is laid out"
                self.leaves.append(_Leaf(path, "I", OFFSET_BYTES, is_bytes=False, is_wide=False))
                self.variable.append((path, codec))
                parts.append(next)
        make, build = kind.cls, tuple(parts)
        return lambda values: make(*[part(values) for part in build])


def _next_wide(values: Any) -> int:
    return int.from_bytes(next(values), "little")


def _structure(kind: Any) -> Codec:
    """A container: `kind` knows its dataclass as `cls`."""
    layout = _Layout(kind)
    leaves, variable, make = layout.leaves, layout.variable, layout.make
    packer = Struct("<" + "".join(leaf.layout for leaf in leaves))
    fixed, pack, unpack = packer.size, packer.pack, packer.unpack_from
    getter: Any = attrgetter(*[leaf.path for leaf in leaves])
    read = getter if len(leaves) > 1 else lambda value: (getter(value),)
    lengths = tuple((at, leaf.size) for at, leaf in enumerate(leaves) if leaf.is_bytes)
    wide = tuple((at, leaf.size) for at, leaf in enumerate(leaves) if leaf.is_wide)
    variable_paths = {path for path, _ in variable}
    slots = tuple(at for at, leaf in enumerate(leaves) if leaf.path in variable_paths)
    slotted = tuple(zip(slots, (codec for _, codec in variable), strict=True))
    roots = tuple(compile_sedes(field).root for field in kind.field_sedes)
    own: Any = attrgetter(*kind.names)
    fields = own if len(kind.names) > 1 else lambda value: (own(value),)

    def encode(value: Any) -> bytes:
        values = list(read(value))
        for at, size in lengths:
            if len(values[at]) != size:
                raise malformed(f"{len(values[at])} bytes, not {size}")
        for at, size in wide:
            values[at] = values[at].to_bytes(size, "little")
        tail, end = [], fixed
        for at, codec in slotted:
            part = codec.encode(values[at])
            values[at] = end
            end += len(part)
            tail.append(part)
        try:
            head = pack(*values)
        except StructError as error:
            raise malformed(str(error)) from error
        return b"".join((head, *tail)) if tail else head

    def decode(data: bytes) -> Any:
        if len(data) < fixed or (not slotted and len(data) != fixed):
            raise malformed(f"{len(data)} bytes, {'at least' if slotted else 'not'} {fixed}")
        values = list(unpack(data))
        if slotted:
            for (at, codec), part in zip(slotted, _split(data, fixed, [values[at] for at in slots]), strict=True):
                values[at] = codec.decode(part)
        return make(iter(values))

    def root(value: Any) -> bytes:
        return merkleize([compute(one) for compute, one in zip(roots, fields(value), strict=True)], len(roots))

    return Codec(
        None if slotted else fixed,
        _remembered("_encoding", encode) if kind.cls.remembers_encoding else encode,
        decode,
        _remembered("_root", root) if kind.cls.remembers_root else root,
    )


def _remembered(name: str, compute: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """As `compute`, whose result a value keeps under `name`."""

    def known_or_computed(value: Any) -> bytes:
        known: bytes | None = getattr(value, name, None)
        if known is None:
            known = compute(value)
            object.__setattr__(value, name, known)
        return known

    return known_or_computed
