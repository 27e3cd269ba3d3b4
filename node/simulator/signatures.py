"""Keys of simulated validators: real BLS, or a stand-in that costs a hash.

In the stand-in, who lacks a validator's secret cannot make its signature, by construction.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Protocol

from consensus.signatures import BlsScheme, SignatureScheme
from primitives import bls
from primitives.errors import InvalidSignature, SignatureReason
from primitives.hashing import sha256

TAGS_REMEMBERED_MAX = 4096
"""Signatures kept, by secret and message: each is checked by every node, alone and in certificates."""


@functools.lru_cache(TAGS_REMEMBERED_MAX)
def _tag(secret: bytes, message: bytes) -> bytes:
    return sha256(secret + message) * 3


class MacScheme:
    """`consensus.signatures.SignatureScheme` over a table of secrets that the whole simulation shares for checking."""

    def __init__(self, secrets: Mapping[bytes, bytes], local: Mapping[int, bytes]) -> None:
        """`secrets` by public key, for checking; `local`: public keys of the validators that may sign here, by index."""
        self._secrets = secrets
        self._local = dict(local)

    def _tag(self, public_key: bytes, message: bytes) -> bytes:
        return _tag(self._secrets[public_key], message)

    def sign(self, validator_index: int, message: bytes) -> bytes:
        """See `SignatureScheme`."""
        return self._tag(self._local[validator_index], message)

    def can_sign(self, validator_index: int) -> bool:
        """See `SignatureScheme`."""
        return validator_index in self._local

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """See `SignatureScheme`."""
        return public_key in self._secrets and self._tag(public_key, message) == signature

    def aggregate(self, signatures: tuple[bytes, ...]) -> bytes:
        """See `SignatureScheme`: the exclusive or."""
        if not signatures:
            raise InvalidSignature(SignatureReason.BAD_SIGNATURE, "nothing to aggregate")
        return functools.reduce(operator.xor, [int.from_bytes(signature, "big") for signature in signatures]).to_bytes(96, "big")

    def fast_aggregate_verify(self, public_keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
        """See `SignatureScheme`."""
        if not public_keys or any(key not in self._secrets for key in public_keys):
            return False
        return self.aggregate(tuple(self._tag(key, message) for key in public_keys)) == signature


class Keys(Protocol):
    """The keys of all validators of a world."""

    def public(self, index: int) -> tuple[bytes, bytes]:
        """Public key and proof of possession of a validator."""

    def scheme(self, index: int | None) -> SignatureScheme:
        """What a node that holds this validator's key signs and checks with; None: one without a key."""


class FastKeys:
    """The stand-in; its proofs of possession are empty."""

    def __init__(self, seeds: Sequence[bytes]) -> None:
        self._public = [seed + seed[:16] for seed in seeds]
        self._secrets = {key: sha256(b"secret" + key) for key in self._public}

    def public(self, index: int) -> tuple[bytes, bytes]:
        """See `Keys`."""
        return self._public[index], bytes(96)

    def scheme(self, index: int | None) -> SignatureScheme:
        """See `Keys`."""
        return MacScheme(self._secrets, {} if index is None else {index: self._public[index]})


class BlsKeys:
    """Real keys."""

    def __init__(self, seeds: Sequence[bytes]) -> None:
        self._keys = [bls.derive_secret_key(seed) for seed in seeds]

    def public(self, index: int) -> tuple[bytes, bytes]:
        """See `Keys`."""
        key = self._keys[index]
        return key.public_key, key.prove_possession()

    def scheme(self, index: int | None) -> SignatureScheme:
        """See `Keys`."""
        return BlsScheme({} if index is None else {index: self._keys[index]})


SIGNATURES: dict[str, type[FastKeys] | type[BlsKeys]] = {"fast": FastKeys, "bls": BlsKeys}
