"""SSZ for frozen dataclasses: fields are annotated once, encoding and Merkle roots follow.

Types are the `ssz` library's, primitives/codec.py does the work; this file binds both to dataclasses. A decoded value must
encode to the very same bytes, so every value has one encoding, and list limits hold in both directions.
Source: the SSZ specification (consensus-specs, ssz/simple-serialize.md).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

import ssz.sedes as sedes

from primitives.codec import Codec, compile_sedes
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.sedes import BoundedBytes, Structure
from primitives.types import Root

Uint8 = Annotated[int, sedes.uint8]
Uint32 = Annotated[int, sedes.uint32]
Uint64 = Annotated[int, sedes.uint64]
Uint256 = Annotated[int, sedes.uint256]
Bytes20 = Annotated[bytes, sedes.ByteVector(20)]
Bytes32 = Annotated[bytes, sedes.bytes32]
Bytes48 = Annotated[bytes, sedes.bytes48]
Bytes96 = Annotated[bytes, sedes.bytes96]


def ByteList(limit: int) -> Any:  # noqa: N802 - named as the SSZ type it stands for
    """Sedes of a byte string of at most `limit` bytes."""
    return BoundedBytes(limit)


def Bits(limit: int) -> Any:  # noqa: N802
    """Sedes of a tuple of booleans, at most `limit` long (an SSZ Bitlist)."""
    return sedes.Bitlist(limit)


class Repeated:
    """Marks a tuple field: `Annotated[tuple[Vote, ...], Repeated(64)]` is an SSZ List of at most 64."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


def _sedes_of(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        inner, mark = get_args(annotation)[:2]
        return sedes.List(_sedes_of(get_args(inner)[0]), mark.limit) if isinstance(mark, Repeated) else mark
    if isinstance(annotation, type) and issubclass(annotation, Container):
        return annotation.sedes()
    raise AssertionError(f"a container field needs an SSZ annotation, got {annotation!r}")


class Container:
    """Base of every protocol container; subclasses are frozen dataclasses."""

    __slots__ = ()
    encoded_bytes_max: ClassVar[int] = 16 * 1024 * 1024
    """Longest encoding `decode` looks at, in bytes; subclasses that travel set a smaller one."""
    remembers_root: ClassVar[bool] = False
    """True: a value computes its hash tree root once; for classes without slots that are hashed again and again."""
    remembers_encoding: ClassVar[bool] = False
    """True: likewise its encoding; for parts of larger values that are written again and again and seldom change."""

    @classmethod
    def sedes(cls) -> Any:
        """The SSZ type of this container."""
        return _sedes_of_class(cls)

    @classmethod
    def codec(cls) -> Codec:
        """What encodes, decodes and hashes this container."""
        return _codec_of_class(cls)

    @classmethod
    def field_codecs(cls) -> dict[str, Codec]:
        """What encodes, decodes and hashes each field, in order."""
        return _field_codecs_of_class(cls)

    def encode(self) -> bytes:
        """SSZ encoding.

        Raises:
            InvalidEncoding: a value does not fit its type (a bug, or hostile input that was not decoded).
        """
        try:
            return self.codec().encode(self)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise InvalidEncoding(EncodingReason.MALFORMED, f"{type(self).__name__}: {str(error)[:200]}") from error

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The container encoded by `data`.

        Raises:
            InvalidEncoding: not this container, over a limit, or not the one encoding of its value.
        """
        if len(data) > cls.encoded_bytes_max:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"{cls.__name__}: {len(data)} bytes, at most {cls.encoded_bytes_max}")
        try:
            value = cls.codec().decode(data)
        except InvalidEncoding as error:
            raise InvalidEncoding(error.reason, f"{cls.__name__}: {error.message}") from error
        assert isinstance(value, cls)
        if value.encode() != data:
            raise InvalidEncoding(EncodingReason.NOT_CANONICAL, cls.__name__)
        return value

    def hash_tree_root(self) -> Root:
        """SSZ hash tree root, 32 bytes."""
        return Root(self.codec().root(self))


def _make_sedes(cls: Any) -> Structure:
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls)]
    return Structure(cls, names, [_sedes_of(hints[name]) for name in names])


def _make_codec(cls: Any) -> Codec:
    return compile_sedes(cls.sedes())


def _make_field_codecs(cls: Any) -> dict[str, Codec]:
    kind = cls.sedes()
    return {name: compile_sedes(field) for name, field in zip(kind.names, kind.field_sedes, strict=True)}


_sedes_of_class: Callable[[Any], Structure] = functools.cache(_make_sedes)
_codec_of_class: Callable[[Any], Codec] = functools.cache(_make_codec)
_field_codecs_of_class: Callable[[Any], dict[str, Codec]] = functools.cache(_make_field_codecs)
