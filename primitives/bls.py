"""BLS12-381 signatures, minimal public keys, proof-of-possession suite.

The curve is `py-arkworks-bls12381`'s; this file is the scheme: `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_` of
draft-irtf-cfrg-bls-signature, with the test vectors of consensus-spec-tests in tests/vectors.
"""

from __future__ import annotations

import functools
import hashlib
import hmac

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from primitives.errors import InvalidSignature, SignatureReason

SIGNATURE_DOMAIN = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_DOMAIN = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
CURVE_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
SECRET_KEY_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 32, 48, 96
_KEY_CACHE_MAX = 8192


class SecretKey:
    """A validator's secret key; never printed, never compared."""

    __slots__ = ("_scalar", "public_key")

    def __init__(self, data: bytes) -> None:
        """`data`: 32 bytes, big endian, 1 <= value < curve order.

        Raises:
            InvalidSignature: BAD_KEY when the value is out of range.
        """
        value = int.from_bytes(data, "big")
        if len(data) != SECRET_KEY_BYTES or not 0 < value < CURVE_ORDER:
            raise InvalidSignature(SignatureReason.BAD_KEY, "a secret key is 32 bytes, above 0 and below the curve order")
        self._scalar = Scalar.from_be_bytes(data)
        self.public_key = bytes((G1Point() * self._scalar).to_compressed_bytes())

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`, 96 bytes."""
        return bytes((G2Point.hash_to_curve(message, SIGNATURE_DOMAIN) * self._scalar).to_compressed_bytes())

    def prove_possession(self) -> bytes:
        """Proof that this key's owner knows it, 96 bytes; without it a rogue key could cancel others in an aggregate."""
        return bytes((G2Point.hash_to_curve(self.public_key, POSSESSION_DOMAIN) * self._scalar).to_compressed_bytes())

    def __repr__(self) -> str:
        return f"SecretKey(public_key={self.public_key.hex()[:16]}…)"


def derive_secret_key(seed: bytes) -> SecretKey:
    """Key from at least 32 bytes of entropy, by HKDF as KeyGen of draft-irtf-cfrg-bls-signature section 2.3.

    Raises:
        InvalidSignature: BAD_KEY when the seed is short.
    """
    if len(seed) < 32:
        raise InvalidSignature(SignatureReason.BAD_KEY, "a key seed has at least 32 bytes")
    salt, value = b"BLS-SIG-KEYGEN-SALT-", 0
    while value == 0:
        salt = hashlib.sha256(salt).digest()
        pseudorandom = hmac.new(salt, seed + b"\0", hashlib.sha256).digest()
        block, output = b"", b""
        for counter in (1, 2):
            block = hmac.new(pseudorandom, block + (48).to_bytes(2, "big") + bytes([counter]), hashlib.sha256).digest()
            output += block
        value = int.from_bytes(output[:48], "big") % CURVE_ORDER
    return SecretKey(value.to_bytes(32, "big"))


@functools.lru_cache(maxsize=_KEY_CACHE_MAX)
def _public_key_point(data: bytes) -> G1Point:
    if len(data) != PUBLIC_KEY_BYTES:
        raise InvalidSignature(SignatureReason.BAD_KEY, "a public key has 48 bytes")
    try:
        point = G1Point.from_compressed_bytes(data)
    except ValueError as error:
        raise InvalidSignature(SignatureReason.BAD_KEY, str(error)) from error
    if point == G1Point.identity():
        raise InvalidSignature(SignatureReason.BAD_KEY, "the identity is not a key")
    if bytes(point.to_compressed_bytes()) != data:
        raise InvalidSignature(SignatureReason.BAD_KEY, "not the one encoding of its point")
    return point


def _signature_point(data: bytes) -> G2Point:
    if len(data) != SIGNATURE_BYTES:
        raise InvalidSignature(SignatureReason.BAD_SIGNATURE, "a signature has 96 bytes")
    try:
        point = G2Point.from_compressed_bytes(data)
    except ValueError as error:
        raise InvalidSignature(SignatureReason.BAD_SIGNATURE, str(error)) from error
    # The library reads any bytes under the infinity flag as the identity.
    if bytes(point.to_compressed_bytes()) != data:
        raise InvalidSignature(SignatureReason.BAD_SIGNATURE, "not the one encoding of its point")
    return point


def check_public_key(public_key: bytes) -> None:
    """Checks form, curve, subgroup and that it is not the identity.

    Raises:
        InvalidSignature: BAD_KEY.
    """
    _public_key_point(public_key)


def _pairing_holds(key: G1Point, hashed: G2Point, signature: G2Point) -> bool:
    return bool(GT.pairing_check([key, -G1Point()], [hashed, signature]))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is `public_key`'s over `message`; malformed input is simply False."""
    return fast_aggregate_verify((public_key,), message, signature)


def verify_possession(public_key: bytes, proof: bytes) -> bool:
    """Whether `proof` is the proof of possession of `public_key`."""
    try:
        return _pairing_holds(_public_key_point(public_key), G2Point.hash_to_curve(public_key, POSSESSION_DOMAIN), _signature_point(proof))
    except InvalidSignature:
        return False


def fast_aggregate_verify(public_keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the aggregate of all keys' signatures over one message; False for no keys."""
    if not public_keys:
        return False
    try:
        point = _signature_point(signature)
        total = _public_key_point(public_keys[0])
        for key in public_keys[1:]:
            total = total + _public_key_point(key)
    except InvalidSignature:
        return False
    return _pairing_holds(total, G2Point.hash_to_curve(message, SIGNATURE_DOMAIN), point)


def aggregate(signatures: tuple[bytes, ...]) -> bytes:
    """The aggregate of at least one signature, 96 bytes.

    Raises:
        InvalidSignature: none given, or one is not a point of the subgroup.
    """
    if not signatures:
        raise InvalidSignature(SignatureReason.BAD_SIGNATURE, "nothing to aggregate")
    total = _signature_point(signatures[0])
    for signature in signatures[1:]:
        total = total + _signature_point(signature)
    return bytes(total.to_compressed_bytes())
