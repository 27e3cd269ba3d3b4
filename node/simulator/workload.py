"""What simulated users send: transfers within a shard, and transfers and calls through Outbox, each from an account of its own."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import coincurve
import rlp

from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256, sha256
from primitives.parameters import Parameters
from shard.contracts import OUTBOX, OUTBOX_CONTRACT

_FUNDS = 10**20
_GAS, _MAX_FEE, _TIP = 200_000, 20 * 10**9, 10**9
_CALL_GAS = 100_000
_CALLBACK_GAS = 30_000
_FEE_MULTIPLE = 4
"""Of the gas limit at the first base fee: what a call offers; Outbox asks for 2."""
FORWARDER, REFUSER = b"\xf0" * 20, b"\xf1" * 20
_CONTRACTS = {FORWARDER: bytes.fromhex("5f5f5f5f345f355af100"), REFUSER: bytes.fromhex("5f5ffd")}
"""One sends its value to the account it is called with, the other reverts."""


@dataclass(frozen=True, slots=True)
class User:
    """A funded account that sends once on each shard."""

    secret: bytes
    address: bytes


def make_users(seed: int, count: int) -> list[User]:
    """Accounts derived from the seed."""
    users = []
    for number in range(count):
        secret = sha256(b"shardnet.simulated-user" + seed.to_bytes(8, "big") + number.to_bytes(4, "big"))
        public = coincurve.PrivateKey(secret).public_key.format(compressed=False)
        users.append(User(secret, keccak256(public[1:])[12:]))
    return users


def genesis_accounts(users: list[User]) -> tuple[GenesisAccount, ...]:
    """The users' accounts and two contracts, on every shard."""
    accounts = tuple(GenesisAccount(address=user.address, balance=_FUNDS) for user in users)
    return accounts + tuple(GenesisAccount(address=address, nonce=1, code=code) for address, code in _CONTRACTS.items())


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a transaction has brought to an account once everything is settled."""

    shard: int
    account: bytes
    least: int
    """Wei."""
    most: int


def draw(rng: Random, user: User, parameters: Parameters) -> tuple[int, bytes, Arrival]:
    """A signed transaction, its shard, and what it has to lead to: to the same shard or another, and there a transfer or a call."""
    shard, to_shard = rng.randrange(parameters.shard_count), rng.randrange(parameters.shard_count)
    to, value = rng.randbytes(20), rng.randint(1, 10**18)
    if shard == to_shard:
        return shard, sign(user, parameters, shard, to, value, b""), Arrival(shard, to, value, value)
    form = rng.choice(("transfer", "call", "failing call"))
    if form == "transfer":
        raw = sign(user, parameters, shard, OUTBOX, value, OUTBOX_CONTRACT.encode_call("transfer", to_shard, to))
        return shard, raw, Arrival(to_shard, to, value, value)
    fee = _FEE_MULTIPLE * _CALL_GAS * parameters.base_fee_initial
    # Told by what is drawn anyway, so that a seed goes on replaying the network it always did.
    if to[0] % 2:
        return shard, _with_callback(user, parameters, (shard, to_shard), to, value, form == "call"), Arrival(
            to_shard if form == "call" else shard, to, value, value + fee + _FEE_MULTIPLE * _CALLBACK_GAS * parameters.base_fee_initial
        )
    if form == "call":
        call = OUTBOX_CONTRACT.encode_call("send", to_shard, FORWARDER, value, _CALL_GAS, user.address, to.rjust(32, b"\0"))
        return shard, sign(user, parameters, shard, OUTBOX, value + fee, call), Arrival(to_shard, to, value, value)
    call = OUTBOX_CONTRACT.encode_call("send", to_shard, REFUSER, value, _CALL_GAS, to, b"")
    return shard, sign(user, parameters, shard, OUTBOX, value + fee, call), Arrival(shard, to, value, value + fee)


def _with_callback(user: User, parameters: Parameters, way: tuple[int, int], to: bytes, value: int, succeeds: bool) -> bytes:
    """A call whose outcome comes back; what is attached beyond its exact price goes along with the value."""
    attached = value + _FEE_MULTIPLE * (_CALL_GAS + _CALLBACK_GAS) * parameters.base_fee_initial
    receiver, refund_to, data = (FORWARDER, user.address, to.rjust(32, b"\0")) if succeeds else (REFUSER, to, b"")
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", way[1], receiver, _CALL_GAS, _CALLBACK_GAS, refund_to, data)
    return sign(user, parameters, way[0], OUTBOX, attached, call)


def sign(
    user: User, parameters: Parameters, shard: int, destination: bytes, value: int, data: bytes = b"", nonce: int = 0, gas: int = _GAS
) -> bytes:
    """A user's EIP-1559 transaction, signed."""
    fields: list[object] = [parameters.chain_id(shard), nonce, _TIP, _MAX_FEE, gas, destination, value, data, []]
    digest = keccak256(b"\x02" + rlp.encode(fields))
    signature = coincurve.PrivateKey(user.secret).sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return b"\x02" + bytes(rlp.encode([*fields, signature[64], r, s]))
