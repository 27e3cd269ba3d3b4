"""Executors of one shard over stores in memory, with a clock that only tests move."""

import coincurve
import rlp

from primitives.blocks import ChannelTerms, ShardReference
from primitives.genesis import Genesis, GenesisAccount, GenesisValidator
from primitives.hashing import keccak256
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.database import MemoryDatabase
from shard.engine.reference import ReferenceEngine
from shard.executor.context import BuildContext
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader

GWEI = 10**9
RICH = 10**24
ENGINE = ReferenceEngine
"""Tests in this folder run on the fast engine too (conftest.py)."""
SHARDS = 2
COINBASE = b"\xc0" * 20
LOOP = b"\x1e" * 20
LOOP_CODE = bytes.fromhex("5b600056")
"""JUMPDEST PUSH1 0 JUMP: never ends."""
RECURSION = b"\x2e" * 20
RECURSION_CODE = bytes.fromhex("60006000600060006000305af1")
"""CALL itself with all gas."""
LOGGER = b"\x3e" * 20
LOGGER_CODE = bytes.fromhex("600160005260aa60206000a1")
"""LOG1 of a word with topic 0xaa."""
ROOM_MS = 60_000


def key(i):
    return coincurve.PrivateKey(keccak256(b"key%d" % i))


def address(i):
    return keccak256(key(i).public_key.format(compressed=False)[1:])[12:]


def integer(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def make_genesis(**parameters):
    validator = GenesisValidator(public_key=b"\1" * 48, proof_of_possession=b"\2" * 96, stake=1, fee_address=COINBASE)
    accounts = [GenesisAccount(address=address(i), balance=RICH) for i in range(4)]
    accounts += [
        GenesisAccount(address=a, nonce=1, code=code) for a, code in ((LOOP, LOOP_CODE), (RECURSION, RECURSION_CODE), (LOGGER, LOGGER_CODE))
    ]
    return Genesis(
        parameters=Parameters(**{"shard_count": SHARDS, **parameters}),
        timestamp=1000,
        seed=b"\0" * 32,
        validators=(validator,),
        accounts=accounts,
    )


class Clock:
    """Seconds; every look at it takes `step`."""

    def __init__(self, step=0.0):
        self.seconds, self.step = 0.0, step

    def __call__(self):
        self.seconds += self.step
        return self.seconds


def make_executor(genesis, database=None, shard=0, clock=None, worked=None):
    database = MemoryDatabase() if database is None else database
    engine = ENGINE(genesis.parameters, shard, StateReader(database))
    return ShardExecutor(database, genesis, shard, engine, clock or Clock(), worked)


def reference(root=b"\1" * 32, mix=b"\2" * 32, inbound=(EMPTY_CHANNEL,) * (SHARDS + 1)):
    terms = tuple(ChannelTerms(GWEI if i < SHARDS else 0, int(i == SHARDS)) for i in range(SHARDS + 1))
    return ShardReference(root, 1, 0, mix, terms, inbound)


def context(view=1, timestamp=1001, available=None, **fields):
    return BuildContext(reference(**fields), COINBASE, 0, view, 0, timestamp, available or {})


def transfer(genesis, i, nonce, to=b"\x99" * 20, value=1, gas=21_000, data=b"", tip=GWEI, shard=0):
    fields = [
        integer(genesis.parameters.chain_id(shard)), integer(nonce), integer(tip), integer(3 * GWEI), integer(gas),
        to, integer(value), data, [],
    ]  # fmt: skip
    signature = key(i).sign_recoverable(keccak256(b"\x02" + rlp.encode(fields)), hasher=None)
    parts = [integer(signature[64]), integer(int.from_bytes(signature[:32], "big")), integer(int.from_bytes(signature[32:64], "big"))]
    return b"\x02" + rlp.encode(fields + parts), address(i)


def receipts(count, source=1, first=0, destination=0, amount=5):
    return tuple(
        CrossShardReceipt(source, destination, nonce, ReceiptKind.CREDIT, address(3), b"\x77" * 20, amount, 0, 0, address(3), b"")
        for nonce in range(first, first + count)
    )


def outbox_transfer(genesis, i, nonce, value, destination=1, to=b"\x88" * 20):
    return transfer(genesis, i, nonce, OUTBOX, value, 300_000, OUTBOX_CONTRACT.encode_call("transfer", destination, to))


def build(executor, candidates=(), parent=None, view=1, budget_ms=ROOM_MS, **given):
    return executor.build(parent or executor.latest.result.hash, context(view, **given), candidates, budget_ms)
