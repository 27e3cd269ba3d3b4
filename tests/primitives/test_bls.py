import json
from pathlib import Path

import pytest

from primitives import bls
from primitives.errors import InvalidSignature, SignatureReason

VECTORS = Path(__file__).parents[1] / "vectors" / "bls"
CONSENSUS = json.loads((VECTORS / "consensus.json").read_text())
NOBLE = [line.split(":") for line in (VECTORS / "noble_g2.txt").read_text().split()]
NUL_DOMAIN = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"
KEYS = [bls.derive_secret_key(bytes([n]) * 32) for n in range(1, 5)]
MESSAGE = b"a message"


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def of(handler: str):
    cases = [pytest.param(case, id=case["path"].rsplit("/", 1)[1]) for case in CONSENSUS if case["handler"] == handler]
    assert cases
    return pytest.mark.parametrize("case", cases)


@of("sign")
def test_sign(case) -> None:
    assert bls.SecretKey(raw(case["input"]["privkey"])).sign(raw(case["input"]["message"])) == raw(case["output"])


@of("verify")
def test_verify(case) -> None:
    given = case["input"]
    assert bls.verify(raw(given["pubkey"]), raw(given["message"]), raw(given["signature"])) is case["output"]


@of("aggregate")
def test_aggregate(case) -> None:
    assert bls.aggregate(tuple(raw(signature) for signature in case["input"])) == raw(case["output"])


@of("fast_aggregate_verify")
def test_fast_aggregate_verify(case) -> None:
    given = case["input"]
    keys = tuple(raw(key) for key in given["pubkeys"])
    assert bls.fast_aggregate_verify(keys, raw(given["message"]), raw(given["signature"])) is case["output"]


def test_second_implementation_signs_the_same(monkeypatch) -> None:
    monkeypatch.setattr(bls, "SIGNATURE_DOMAIN", NUL_DOMAIN)
    checked = 0
    for key, message, signature in NOBLE:
        secret = int(key, 16)
        if secret >= bls.CURVE_ORDER:
            with pytest.raises(InvalidSignature):
                bls.SecretKey(bytes.fromhex(key))
            continue
        assert bls.SecretKey(secret.to_bytes(32, "big")).sign(bytes.fromhex(message)).hex() == signature
        checked += 1
    assert checked >= 20


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
