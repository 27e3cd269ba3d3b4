"""From signed bytes to a `Transaction`: form and field bounds, no rule that depends on the chain or its state."""

from __future__ import annotations

from primitives.blocks import TRANSACTION_BYTES_MAX
from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from primitives.receipts import RECEIPT_TRANSACTION_TYPE
from shard.transactions import rlp
from shard.transactions.model import AccessList, Authorization, Signature, Transaction, intrinsic_gas_of
from shard.transactions.rlp import Span

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NONCE_MAX = 2**64 - 2
"""Highest nonce a transaction may carry (EIP-2681)."""
ADDRESS_BITS = 160
_FIELD_COUNTS = {0: 9, 1: 11, 2: 12, 4: 13}


def read_transaction(raw: bytes) -> Transaction:
    """A transaction that was checked when it came into the pool or the block that holds it."""
    return decode_transaction(raw, impersonation=True)


def decode_transaction(raw: bytes, *, impersonation: bool = False) -> Transaction:
    """The user transaction that `raw` encodes, of type 0, 1, 2 or 4.

    Args:
        raw: signed bytes.
        impersonation: whether one without a signature is taken, which names its sender in place of r: where genesis grants
            `developer_controls` (docs/decisions/0015), and nowhere else.

    Raises:
        InvalidTransaction: MALFORMED, TOO_LARGE, UNSUPPORTED_TYPE, BAD_SIGNATURE (values out of range), NONCE_MAX,
            or AUTHORIZATION_LIST (a field out of its bounds).

    Source: EIP-155, EIP-2718, EIP-2930, EIP-1559, EIP-7702; low s by EIP-2.
    """
    if len(raw) > TRANSACTION_BYTES_MAX:
        raise InvalidTransaction(
            TransactionReason.TOO_LARGE,
            f"oversized data: transaction size {len(raw)}, limit {TRANSACTION_BYTES_MAX}",
            size=len(raw),
            limit=TRANSACTION_BYTES_MAX,
        )
    if not raw:
        raise rlp.malformed("a transaction has at least one byte")
    kind = 0 if raw[0] >= 0xC0 else raw[0]
    if raw[0] == 0 or kind not in _FIELD_COUNTS:
        raise _unsupported(raw[0])
    spans = rlp.items(raw, rlp.outer_list(raw, 1 if kind else 0), "transaction", _FIELD_COUNTS[kind])
    transaction = _legacy(raw, spans) if kind == 0 else _typed(raw, kind, spans)
    if transaction.is_impersonated and not impersonation:
        raise _bad_signature("s is not in the lower half of the range")
    return transaction


def _unsupported(kind: int) -> InvalidTransaction:
    if kind == 3:
        why = "blob transactions (type 3) are not supported on this network: it has no blobs; use types 0, 1, 2 or 4"
    elif kind == RECEIPT_TRANSACTION_TYPE:
        why = "type 0x7d is the network's own (a delivered cross-shard receipt): it cannot be sent; call the Outbox contract instead"
    elif 0x80 <= kind < 0xC0:
        return rlp.malformed("neither a typed transaction nor an RLP list")
    else:
        why = f"transaction type {kind} is not supported: use types 0, 1, 2 or 4"
    return InvalidTransaction(TransactionReason.UNSUPPORTED_TYPE, f"transaction type not supported: {why}", type=kind)


def _legacy(raw: bytes, spans: list[Span]) -> Transaction:
    v = rlp.number(raw, spans[6], "v", 256)
    if v in (27, 28):
        chain_id, y_parity = None, v - 27
    elif v >= 35:
        chain_id, y_parity = divmod(v - 35, 2)
    else:
        raise _bad_signature(f"v is {v}")
    price = rlp.number(raw, spans[1], "gas price", 256)
    return _build(
        raw=raw, kind=0, chain_id=chain_id, nonce=spans[0], fees=(price, price), gas_limit=spans[2],
        to=spans[3], value=spans[4], data=spans[5], access_list=(), authorizations=(),
        signature_offset=spans[5][1], y_parity=y_parity, r=spans[7], s=spans[8],
    )  # fmt: skip


def _typed(raw: bytes, kind: int, spans: list[Span]) -> Transaction:
    tip = rlp.number(raw, spans[2], "max priority fee per gas" if kind > 1 else "gas price", 256)
    at = 3 if kind > 1 else 2
    fee = rlp.number(raw, spans[at], "max fee per gas", 256)
    lists_at = at + 5
    authorizations = _authorizations(raw, spans[lists_at + 1]) if kind == 4 else ()
    return _build(
        raw=raw, kind=kind, chain_id=rlp.number(raw, spans[0], "chain id", 256), nonce=spans[1], fees=(fee, tip), gas_limit=spans[at + 1],
        to=spans[at + 2], value=spans[at + 3], data=spans[at + 4], access_list=_access_list(raw, spans[lists_at]),
        authorizations=authorizations, signature_offset=spans[-4][1], y_parity=rlp.number(raw, spans[-3], "y parity", 256),
        r=spans[-2], s=spans[-1],
    )  # fmt: skip


def _build(
    *,
    raw: bytes,
    kind: int,
    chain_id: int | None,
    nonce: Span,
    fees: tuple[int, int],
    gas_limit: Span,
    to: Span,
    value: Span,
    data: Span,
    access_list: AccessList,
    authorizations: tuple[Authorization, ...],
    signature_offset: int,
    y_parity: int,
    r: Span,
    s: Span,
) -> Transaction:
    target = rlp.text(raw, to, "to")
    if len(target) not in (0, 20):
        raise rlp.malformed(f"to: {len(target)} bytes, not 20 or none")
    count = rlp.number(raw, nonce, "nonce", 64)
    if count > NONCE_MAX:
        raise InvalidTransaction(TransactionReason.NONCE_MAX, f"nonce has max value: {count}", nonce=count)
    payload = rlp.text(raw, data, "data")
    intrinsic, floor = intrinsic_gas_of(payload, not target, access_list, len(authorizations))
    return Transaction(
        kind, chain_id, count, rlp.number(raw, gas_limit, "gas limit", 64), fees[0], fees[1], target or None,
        rlp.number(raw, value, "value", 256), payload, access_list, authorizations, _signature(raw, y_parity, r, s),
        signature_offset, raw, keccak256(raw), intrinsic, floor,
    )  # fmt: skip


def _bad_signature(what: str) -> InvalidTransaction:
    return InvalidTransaction(TransactionReason.BAD_SIGNATURE, f"invalid transaction v, r, s values: {what}")


def _signature(raw: bytes, y_parity: int, r_span: Span, s_span: Span) -> Signature:
    r, s = rlp.number(raw, r_span, "r", 256), rlp.number(raw, s_span, "s", 256)
    if y_parity > 1:
        raise _bad_signature(f"y parity is {y_parity}")
    if r < 1 << ADDRESS_BITS and s == 0 == y_parity:
        return Signature(0, r, 0)
    if not 0 < r < SECP256K1_ORDER:
        raise _bad_signature("r is out of range")
    if not 0 < s <= SECP256K1_ORDER // 2:
        raise _bad_signature("s is not in the lower half of the range")
    return Signature(y_parity, r, s)


def _sized(raw: bytes, span: Span, name: str, size: int) -> bytes:
    value = rlp.text(raw, span, name)
    if len(value) != size:
        raise rlp.malformed(f"{name}: {len(value)} bytes, not {size}")
    return value


def _access_list(raw: bytes, span: Span) -> AccessList:
    if span[2] and span[0] == span[1]:
        return ()
    entries = []
    for entry in rlp.items(raw, span, "access list"):
        address, keys = rlp.items(raw, entry, "access list entry", 2)
        entries.append(
            (
                _sized(raw, address, "access list address", 20),
                tuple(_sized(raw, key, "access list key", 32) for key in rlp.items(raw, keys, "access list keys")),
            )
        )
    return tuple(entries)


def _authorizations(raw: bytes, span: Span) -> tuple[Authorization, ...]:
    try:
        return tuple(_authorization(raw, rlp.items(raw, entry, "entry", 6)) for entry in rlp.items(raw, span, "authorization list"))
    except InvalidTransaction as error:
        raise InvalidTransaction(TransactionReason.AUTHORIZATION_LIST, f"authorization list: {error.message}") from error


def _authorization(raw: bytes, fields: list[Span]) -> Authorization:
    return Authorization(
        rlp.number(raw, fields[0], "chain id", 256),
        _sized(raw, fields[1], "address", 20),
        rlp.number(raw, fields[2], "nonce", 64),
        Signature(rlp.number(raw, fields[3], "y parity", 8), rlp.number(raw, fields[4], "r", 256), rlp.number(raw, fields[5], "s", 256)),
    )
