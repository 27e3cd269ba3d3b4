import pytest

from primitives import bls
from primitives.errors import InvalidSignature, SignatureReason

KEYS = [bls.derive_secret_key(bytes([n]) * 32) for n in range(1, 5)]
MESSAGE = b"a message"


@pytest.mark.parametrize("data", [bytes(32), bls.CURVE_ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\1" * 31, b"\1" * 33, b""])
def test_bad_secret_keys(data) -> None:
    with pytest.raises(InvalidSignature) as caught:
        bls.SecretKey(data)
    assert caught.value.reason is SignatureReason.BAD_KEY


def test_key_derivation() -> None:
    assert bls.derive_secret_key(b"\1" * 32).public_key == KEYS[0].public_key
    assert len({key.public_key for key in KEYS}) == len(KEYS)
    with pytest.raises(InvalidSignature):
        bls.derive_secret_key(b"\1" * 31)


def test_a_secret_key_does_not_print_itself() -> None:
    secret = bytes(range(1, 33))
    key = bls.SecretKey(secret)
    assert key.public_key.hex()[:16] in repr(key)
    assert secret.hex()[:8] not in repr(key)


IDENTITY_KEY = b"\xc0" + bytes(47)
IDENTITY_SIGNATURE = b"\xc0" + bytes(95)


@pytest.mark.parametrize("key", [IDENTITY_KEY, bytes(48), b"\xff" * 48, KEYS[0].public_key[:47], b""])
def test_bad_public_keys(key) -> None:
    with pytest.raises(InvalidSignature) as caught:
        bls.check_public_key(key)
    assert caught.value.reason is SignatureReason.BAD_KEY
    assert not bls.verify(key, MESSAGE, KEYS[0].sign(MESSAGE))
    assert not bls.verify_possession(key, KEYS[0].prove_possession())


@pytest.mark.parametrize("signature", [bytes(96), b"\xff" * 96, b"", IDENTITY_SIGNATURE])
def test_bad_signatures_are_false(signature) -> None:
    assert not bls.verify(KEYS[0].public_key, MESSAGE, signature)


def test_aggregates() -> None:
    keys = tuple(key.public_key for key in KEYS)
    total = bls.aggregate(tuple(key.sign(MESSAGE) for key in KEYS))
    assert bls.fast_aggregate_verify(keys, MESSAGE, total)
    assert not bls.fast_aggregate_verify(keys[:3], MESSAGE, total)
    assert not bls.fast_aggregate_verify(keys, MESSAGE + b".", total)
    assert not bls.fast_aggregate_verify((), MESSAGE, total)
    for bad in ((), (b"\xff" * 96,), (IDENTITY_SIGNATURE[:95] + b"\1",), (total, bytes(96))):
        with pytest.raises(InvalidSignature) as caught:
            bls.aggregate(bad)
        assert caught.value.reason is SignatureReason.BAD_SIGNATURE


def test_possession_is_a_purpose_of_its_own() -> None:
    key, other = KEYS[:2]
    assert bls.verify_possession(key.public_key, key.prove_possession())
    assert not bls.verify_possession(other.public_key, key.prove_possession())
    assert not bls.verify_possession(key.public_key, key.sign(key.public_key))
    assert not bls.verify(key.public_key, key.public_key, key.prove_possession())
