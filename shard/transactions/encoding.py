"""Transactions without a signature, as a developer's network takes them (docs/decisions/0015)."""

from __future__ import annotations

from shard.transactions.model import AccessList
from shard.transactions.rlp import encode_list, encode_number, encode_text


def encode_impersonated(
    *, chain_id: int, sender: bytes, nonce: int, fee: int, tip: int | None, gas: int, to: bytes | None, value: int, data: bytes,
    access_list: AccessList = (),
) -> bytes:  # fmt: skip
    """A transaction that names its sender in place of r, with s and the parity 0.

    Args:
        chain_id: of the shard.
        sender: who it is from.
        nonce: the sender's.
        fee: wei a gas at most; with `tip` None the gas price.
        tip: wei a gas of it for the proposer (type 2); None: type 1 with an access list, else type 0.
        gas: limit.
        to: None creates a contract.
        value: wei.
        data: call data, or init code.
        access_list: EIP-2930.
    """
    number = int.from_bytes(sender, "big")
    common = encode_number(gas) + encode_text(to or b"") + encode_number(value) + encode_text(data)
    if tip is None and not access_list:
        signature = encode_number(35 + 2 * chain_id) + encode_number(number) + encode_number(0)
        return encode_list(encode_number(nonce) + encode_number(fee) + common + signature)
    entries = b"".join(encode_list(encode_text(address) + encode_list(b"".join(map(encode_text, keys)))) for address, keys in access_list)
    fees = encode_number(fee) if tip is None else encode_number(tip) + encode_number(fee)
    fields = encode_number(chain_id) + encode_number(nonce) + fees + common + encode_list(entries)
    kind = b"\x01" if tip is None else b"\x02"
    return kind + encode_list(fields + encode_number(0) + encode_number(number) + encode_number(0))
