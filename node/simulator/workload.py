"""What simulated users send: transfers within a shard and through Outbox, each from an account of its own."""

from __future__ import annotations

from dataclasses import dataclass

import coincurve
import rlp

from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256, sha256
from primitives.parameters import Parameters
from shard.contracts import OUTBOX, OUTBOX_CONTRACT

_FUNDS = 10**20
_GAS, _MAX_FEE, _TIP = 200_000, 20 * 10**9, 10**9


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
    """The users' accounts on every shard."""
    return tuple(GenesisAccount(address=user.address, balance=_FUNDS) for user in users)


def transfer(user: User, parameters: Parameters, shard: int, to_shard: int, to: bytes, value: int) -> bytes:
    """A signed transfer of `value` wei to `to`, through Outbox where the shards differ (EIP-1559)."""
    data = b""
    destination = to
    if to_shard != shard:
        destination, data = OUTBOX, OUTBOX_CONTRACT.encode_call("transfer", to_shard, to)
    fields: list[object] = [parameters.chain_id(shard), 0, _TIP, _MAX_FEE, _GAS, destination, value, data, []]
    digest = keccak256(b"\x02" + rlp.encode(fields))
    signature = coincurve.PrivateKey(user.secret).sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return b"\x02" + bytes(rlp.encode([*fields, signature[64], r, s]))
