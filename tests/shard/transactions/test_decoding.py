import pytest
import rlp
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from primitives.blocks import TRANSACTION_BYTES_MAX
from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from shard.transactions import decode_transaction, encode_impersonated, read_transaction, recover_authority, recover_sender
from shard.transactions.rlp import split
from shard.transactions.signatures import UNIMPERSONATED
from tests.shard.transactions.signing import CHAIN_ID, OTHER, SIGNER, TO, signed, transaction

R = TransactionReason
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def refused(raw: bytes) -> InvalidTransaction:
    with pytest.raises(InvalidTransaction) as caught:
        decode_transaction(raw)
    return caught.value


def altered(kind: int, index: int, value) -> bytes:
    """A signed transaction with one RLP field replaced."""
    raw = signed(kind)
    items = rlp.decode(raw[1:] if kind else raw)
    items[index] = value
    return (bytes([kind]) if kind else b"") + rlp.encode(items)


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_fields_and_sender_as_eth_account_signed_them(kind) -> None:
    raw = signed(kind)
    tx = decode_transaction(raw)
    assert (tx.type, tx.chain_id, tx.nonce, tx.gas_limit, tx.value, tx.data) == (kind, CHAIN_ID, 7, 100_000, 5, b"\0\1\2")
    assert tx.to == bytes.fromhex(TO[2:])
    assert (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) == ((30, 30) if kind < 2 else (30, 3))
    assert tx.raw == raw
    assert tx.hash == keccak256(raw)
    assert recover_sender(tx) == bytes.fromhex(SIGNER.address[2:])


@given(st.integers(0, 2**64 - 2), st.integers(0, 2**256 - 1), st.binary(max_size=300), st.integers(1, 2**32), st.booleans())
def test_any_transaction_recovers_its_signer(nonce, value, data, chain_id, creates) -> None:
    for kind in (0, 2):
        tx = transaction(kind, nonce=nonce, value=value, data=data, chainId=chain_id, to="" if creates else TO)
        assert (tx.nonce, tx.value, tx.data, tx.chain_id, tx.to is None) == (nonce, value, data, chain_id, creates)
        assert recover_sender(tx) == bytes.fromhex(SIGNER.address[2:])


def test_access_and_authorization_lists() -> None:
    assert transaction(1).access_list == ((bytes.fromhex(TO[2:]), (bytes(32), b"\1" * 32)),)
    (authorization,) = transaction(4).authorization_list
    assert (authorization.chain_id, authorization.address, authorization.nonce) == (CHAIN_ID, bytes.fromhex(TO[2:]), 0)
    assert recover_authority(authorization) == bytes.fromhex(OTHER.address[2:])


@pytest.mark.parametrize("changes", [{"chainId": 0}, {"nonce": 2**40}, {"address": "0x" + "00" * 20}])
def test_authority_covers_every_field(changes) -> None:
    signer = Account.from_key(b"\x33" * 32)
    entry = signer.sign_authorization({"chainId": CHAIN_ID, "address": TO, "nonce": 3} | changes)
    (authorization,) = transaction(4, authorizationList=[entry]).authorization_list
    assert recover_authority(authorization) == bytes.fromhex(signer.address[2:])


@pytest.mark.parametrize("changed", [(3, b"\2"), (4, b""), (5, b""), (5, (ORDER - 1).to_bytes(32, "big")), (2, b"\xff" * 8)])
def test_void_authorizations_decode_and_have_no_authority(changed) -> None:
    items = rlp.decode(signed(4)[1:])
    items[9][0][changed[0]] = changed[1]
    (authorization,) = decode_transaction(b"\4" + rlp.encode(items)).authorization_list
    assert recover_authority(authorization) is None


@pytest.mark.parametrize(
    ("field", "value"), [(0, b"\1" * 33), (1, b"\1" * 19), (2, b"\1" * 9), (3, b"\1\0"), (4, b"\1" * 33), (5, b"\0\1"), (0, [])]
)
def test_authorization_fields_out_of_bounds(field, value) -> None:
    items = rlp.decode(signed(4)[1:])
    items[9][0][field] = value
    assert refused(b"\4" + rlp.encode(items)).reason is R.AUTHORIZATION_LIST


def test_authorization_with_a_field_too_few() -> None:
    items = rlp.decode(signed(4)[1:])
    del items[9][0][5]
    assert refused(b"\4" + rlp.encode(items)).reason is R.AUTHORIZATION_LIST


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\3" + signed(2)[1:], "blob transactions"),
        (b"\x7d" + bytes(64), "cross-shard receipt"),
        (b"\5" + signed(2)[1:], "type 5"),
        (b"\0" + signed(0), "type 0 "),
        (b"\x7f", "type 127"),
    ],
)
def test_unsupported_types(raw, words) -> None:
    error = refused(raw)
    assert error.reason is R.UNSUPPORTED_TYPE
    assert words in error.message


@pytest.mark.parametrize(
    "raw", [b"", b"\x80", b"\xbf", b"\xc0", b"\2", b"\2\xc0", b"\2\x80", signed(2) + b"\0", signed(0) + b"\0", signed(2)[:-1]]
)
def test_malformed(raw) -> None:
    assert refused(raw).reason is R.MALFORMED


def test_too_large() -> None:
    fits = signed(2, data=bytes(TRANSACTION_BYTES_MAX - 200), gas=2**40)
    assert decode_transaction(fits).raw == fits
    error = refused(signed(2, data=bytes(TRANSACTION_BYTES_MAX), gas=2**40))
    assert error.reason is R.TOO_LARGE
    assert error.details["limit"] == TRANSACTION_BYTES_MAX


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_numbers_have_no_leading_zeros_and_stay_in_range(kind) -> None:
    nonce_at = 1 if kind else 0
    gas_at = {0: 2, 1: 3, 2: 4, 4: 4}[kind]
    for index, width in ((nonce_at, 8), (nonce_at + 1, 32), (gas_at, 8), (gas_at + 2, 32)):
        assert refused(altered(kind, index, b"\0\5")).reason is R.MALFORMED
        assert refused(altered(kind, index, b"\0")).reason is R.MALFORMED
        assert refused(altered(kind, index, b"\1" * (width + 1))).reason is R.MALFORMED
        assert refused(altered(kind, index, [])).reason is R.MALFORMED
    assert refused(altered(kind, nonce_at, b"\xff" * 8)).reason is R.NONCE_MAX
    assert decode_transaction(altered(kind, nonce_at, (2**64 - 2).to_bytes(8, "big"))).nonce == 2**64 - 2
    assert decode_transaction(altered(kind, gas_at, b"\xff" * 8)).gas_limit == 2**64 - 1


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
@pytest.mark.parametrize("value", [b"\1" * 19, b"\1" * 21, []])
def test_to_is_an_address_or_nothing(kind, value) -> None:
    assert refused(altered(kind, {0: 3, 1: 4}.get(kind, 5), value)).reason is R.MALFORMED


@pytest.mark.parametrize(
    "value", [b"", [[b"\1" * 19, []]], [[b"\1" * 20, [b"\1" * 31]]], [[b"\1" * 20]], [[b"\1" * 20, b""]], [b""], [[[], []]]]
)
def test_access_list_shapes(value) -> None:
    assert refused(altered(2, 8, value)).reason is R.MALFORMED


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
@pytest.mark.parametrize("bad", [0, ORDER, 2**256 - 1])
def test_signature_values_out_of_range(kind, bad) -> None:
    for index in (-2, -1):
        assert refused(altered(kind, index, bad.to_bytes(32, "big") if bad else b"")).reason is R.BAD_SIGNATURE


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_high_s_and_parity(kind) -> None:
    assert refused(altered(kind, -1, (ORDER // 2 + 1).to_bytes(32, "big"))).reason is R.BAD_SIGNATURE
    assert decode_transaction(altered(kind, -1, (ORDER // 2).to_bytes(32, "big"))).signature.s == ORDER // 2
    assert refused(altered(kind, -3, b"\2")).reason is R.BAD_SIGNATURE


def test_signature_no_key_gives() -> None:
    # No curve point has this x coordinate.
    tx = decode_transaction(altered(2, -2, b"\5"))
    with pytest.raises(InvalidTransaction) as caught:
        recover_sender(tx)
    assert caught.value.reason is R.BAD_SIGNATURE


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_else(raw) -> None:
    for candidate in (raw, b"\2" + raw, b"\4\xf8" + raw):
        try:
            tx = decode_transaction(candidate)
        except InvalidTransaction:
            continue
        assert tx.raw == candidate


@given(st.sampled_from([0, 1, 2, 4]), st.data())
def test_one_changed_byte_never_keeps_hash_and_sender(kind, data) -> None:
    raw = signed(kind)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = bytearray(raw)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        tx = decode_transaction(bytes(changed))
        sender = recover_sender(tx)
    except InvalidTransaction:
        return
    assert tx.hash != keccak256(raw)
    assert sender != bytes.fromhex(SIGNER.address[2:])


RLP_VALUES = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(RLP_VALUES)
def test_rlp_agrees_with_the_rlp_library(value) -> None:
    def read(data: bytes, spans):
        return [read(data, split(data, begin, end)) if is_list else data[begin:end] for begin, end, is_list in spans]

    encoded = rlp.encode(value)
    assert read(encoded, split(encoded, 0, len(encoded))) == [value]


@given(st.binary(min_size=1, max_size=12))
def test_rlp_refuses_what_the_rlp_library_refuses(data) -> None:
    def deep(begin: int, end: int) -> int:
        spans = split(data, begin, end)
        for inner in spans:
            if inner[2]:
                deep(inner[0], inner[1])
        return len(spans)

    try:
        rlp.decode(data)
        valid = True
    except rlp.DecodingError:
        valid = False
    try:
        ours = deep(0, len(data)) == 1
    except InvalidTransaction:
        ours = False
    assert ours == valid


NAMED = st.binary(min_size=20, max_size=20).filter(lambda address: address not in UNIMPERSONATED)


@given(NAMED, st.integers(0, 2**64 - 2), st.integers(0, 2**256 - 1), st.binary(max_size=99), st.booleans(), st.sampled_from([None, 3]))
def test_a_transaction_without_a_signature_is_for_whoever_wants_such(sender, nonce, value, data, creates, tip) -> None:
    to = None if creates else b"\x12" * 20
    for access_list in ((), ((b"\x33" * 20, (bytes(32), b"\1" * 32)),)):
        raw = encode_impersonated(
            chain_id=CHAIN_ID, sender=sender, nonce=nonce, fee=30, tip=tip, gas=99_999, to=to, value=value, data=data,
            access_list=access_list,
        )
        assert refused(raw).reason is R.BAD_SIGNATURE
        tx = decode_transaction(raw, impersonation=True)
        assert tx.is_impersonated
        assert recover_sender(tx) == sender
        assert (tx.chain_id, tx.nonce, tx.value, tx.data, tx.to, tx.gas_limit) == (CHAIN_ID, nonce, value, data, to, 99_999)
        assert (tx.max_fee_per_gas, tx.max_priority_fee_per_gas, tx.access_list) == (30, 30 if tip is None else tip, access_list)
        assert tx.type == (2 if tip else 1 if access_list else 0)
        assert read_transaction(raw) == tx


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_whoever_takes_such_takes_no_worse_signature(kind) -> None:
    assert not decode_transaction(signed(kind), impersonation=True).is_impersonated
    for index, value in ((-1, b""), (-2, b""), (-1, ORDER.to_bytes(32, "big")), (-2, ORDER.to_bytes(32, "big"))):
        with pytest.raises(InvalidTransaction) as caught:
            decode_transaction(altered(kind, index, value), impersonation=True)
        assert caught.value.reason is R.BAD_SIGNATURE


@pytest.mark.parametrize("sender", sorted(UNIMPERSONATED))
def test_nobody_stands_for_the_protocol(sender) -> None:
    raw = encode_impersonated(chain_id=CHAIN_ID, sender=sender, nonce=0, fee=1, tip=1, gas=21_000, to=sender, value=0, data=b"")
    with pytest.raises(InvalidTransaction) as caught:
        recover_sender(decode_transaction(raw, impersonation=True))
    assert caught.value.reason is R.BAD_SIGNATURE
