"""The specification's test chain, executed by the EVM library under each block's own fork, and put into a shard's store.

This network has Prague's rules from its first block on, so its engine cannot execute that chain; what is tested here is what
is told of it. Headers of forks before Prague have fewer fields: they are stored with the later ones empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import rlp.codec
from eth.chains.base import MiningChain
from eth.consensus import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm.forks import (
    ArrowGlacierVM,
    BerlinVM,
    ByzantiumVM,
    CancunVM,
    ConstantinopleVM,
    GrayGlacierVM,
    HomesteadVM,
    IstanbulVM,
    LondonVM,
    MuirGlacierVM,
    ParisVM,
    PetersburgVM,
    PragueVM,
    ShanghaiVM,
    SpuriousDragonVM,
    TangerineWhistleVM,
)  # fmt: skip

from primitives.blocks import ShardBlock
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT, ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import empty_summary
from shard.database import MemoryDatabase
from shard.engine.encoding import bloom_of
from shard.engine.interface import Log
from shard.executor.rules import EMPTY_BLOOM, next_base_fee
from shard.executor.schema import STORE_VERSION, StoredBlock, StoredGenesis, StoredLog, StoredTransaction
from shard.executor.store import BlockStore
from shard.results import BlockResult
from shard.views import big
from tests.conformance.cases import VECTORS

FOLDER = VECTORS / "execution-apis" / "tests"
LAST_BLOCK = 47
"""From the next one on, the chain is of forks after Prague, which the library does not have."""
FORKS = (
    (0, HomesteadVM.configure(support_dao_fork=False)), (3, TangerineWhistleVM), (6, SpuriousDragonVM), (9, ByzantiumVM),
    (12, ConstantinopleVM), (15, PetersburgVM), (18, IstanbulVM), (21, MuirGlacierVM), (24, BerlinVM), (27, LondonVM),
    (30, ArrowGlacierVM), (33, GrayGlacierVM), (36, ParisVM), (39, ShanghaiVM), (42, CancunVM), (45, PragueVM),
)  # fmt: skip
"""First block of each, as the chain's forkenv.json has them; it names the last three by time, ten seconds a block."""
LATER_FIELDS = {
    "base_fee_per_gas": 0, "withdrawals_root": EMPTY_TRIE_ROOT, "blob_gas_used": 0, "excess_blob_gas": 0,
    "parent_beacon_block_root": bytes(32), "requests_hash": bytes(32),
}  # fmt: skip


def _number(text: str) -> int:
    return int(text, 16)


def _data(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _account(entry: dict[str, Any]) -> dict[str, Any]:
    storage = {_number(slot): _number(word) for slot, word in entry.get("storage", {}).items()}
    return {
        "balance": _number(entry["balance"]), "nonce": _number(entry.get("nonce", "0x0")), "code": _data(entry.get("code", "0x")),
        "storage": storage,
    }  # fmt: skip


def _start(given: dict[str, Any], database: AtomicDB) -> MiningChain:
    vms = tuple((number, vm.configure(consensus_class=NoProofConsensus)) for number, vm in FORKS)
    kind = MiningChain.configure(__name__="SpecificationChain", vm_configuration=vms, chain_id=given["config"]["chainId"])
    return kind.from_genesis(
        database,
        {
            "coinbase": _data(given["coinbase"]), "difficulty": _number(given["difficulty"]), "extra_data": _data(given["extraData"]),
            "gas_limit": _number(given["gasLimit"]), "mix_hash": _data(given["mixHash"]),
            "nonce": _number(given["nonce"]).to_bytes(8, "big"),
            "timestamp": _number(given["timestamp"]),
        },
        {_data(address): _account(entry) for address, entry in given["alloc"].items()},
    )  # fmt: skip


def _blocks(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        _, _, length, start = rlp.codec.consume_length_prefix(raw, at)
        yield raw[at : start + length]
        at = start + length


def _header(header: Any) -> ShardHeader:
    names = {"uncles_hash": "uncles_hash", "transactions_root": "transaction_root", "receipts_root": "receipt_root",
             "number": "block_number", "prev_randao": "mix_hash"}  # fmt: skip
    fields: dict[str, Any] = {}
    for name in ShardHeader.__slots__:
        given = names.get(name, name)
        if name == "logs_bloom":
            fields[name] = header.bloom.to_bytes(256, "big")
        else:
            fields[name] = getattr(header, given, LATER_FIELDS.get(name))
    return ShardHeader(**fields)


def _raw(transaction: Any) -> bytes:
    return bytes(transaction.encode())


def _transactions(block: Any, receipts: list[Any]) -> tuple[StoredTransaction, ...]:
    stored: list[StoredTransaction] = []
    first, before = 0, 0
    base_fee = getattr(block.header, "base_fee_per_gas", 0)
    for transaction, receipt in zip(block.transactions, receipts, strict=True):
        logs = tuple(Log(log.address, tuple(topic.to_bytes(32, "big") for topic in log.topics), log.data) for log in receipt.logs)
        bloom, creates = bloom_of(logs), not transaction.to
        price = min(transaction.max_fee_per_gas, base_fee + transaction.max_priority_fee_per_gas)
        created = keccak256(rlp.encode([transaction.sender, transaction.nonce]))[12:] if creates else None
        stored.append(
            StoredTransaction(
                raw=_raw(transaction), hash=keccak256(_raw(transaction)), sender=transaction.sender, to=None if creates else transaction.to,
                # Before Byzantium a receipt holds a state root in place of the status.
                status=1 if len(receipt.state_root) == 32 else int.from_bytes(receipt.state_root, "big"),
                gas_used=receipt.gas_used - before, cumulative_gas_used=receipt.gas_used, effective_gas_price=big(price),
                contract_address=created, first_log=first, logs=tuple(StoredLog(log.address, log.topics, log.data) for log in logs),
                logs_bloom=b"" if bloom == EMPTY_BLOOM else bloom,
            )
        )  # fmt: skip
        first, before = first + len(logs), receipt.gas_used
    return tuple(stored)


def _stored(block: Any, size: int, transactions: tuple[StoredTransaction, ...], shards: int) -> StoredBlock:
    header = _header(block.header)
    result = BlockResult(
        hash=block.hash, parent=header.parent_hash, number=header.number, timestamp=header.timestamp, header=header.encode(),
        summary=empty_summary(shards).encode(), gas_used=header.gas_used, base_fee=big(header.base_fee_per_gas),
        next_base_fee=big(next_base_fee(header)), transaction_hashes=tuple(t.hash for t in transactions), senders={}, execution_ms=0,
        supply=b"",
    )  # fmt: skip
    return StoredBlock(result, 0, {}, size)


def build() -> tuple[Genesis, MemoryDatabase]:
    """A network whose shard 0 has the chain's id, and that shard's store with blocks 0 to `LAST_BLOCK`.

    Every block is executed and must come out as its header says.
    """
    given = json.loads((FOLDER / "genesis.json").read_text())
    held = MemoryDB()
    chain = _start(given, AtomicDB(held))
    parameters = Parameters(shard_count=1).model_copy(update={"chain_id_base": given["config"]["chainId"]})
    validator = GenesisValidator(public_key=b"\x01" * 48, proof_of_possession=b"\x02" * 96, stake=1, fee_address=b"\x03" * 20)
    genesis = Genesis(parameters=parameters, timestamp=0, seed=bytes(32), validators=(validator,))
    database = MemoryDatabase()
    store = BlockStore(database)
    first = chain.get_canonical_block_by_number(0)
    block = _stored(first, len(rlp.encode(first)), (), 1)
    store.put_genesis(StoredGenesis(STORE_VERSION, genesis.root, 0, first.hash, b""), block, b"", {})
    for raw in _blocks((FOLDER / "chain.rlp").read_bytes()):
        height = chain.get_canonical_head().block_number + 1
        if height > LAST_BLOCK:
            break
        parsed = rlp.decode(raw, chain.get_vm_class_for_block_number(height).get_block_class())
        imported = chain.import_block(parsed).imported_block
        transactions = _transactions(imported, imported.get_receipts(chain.chaindb))
        block = _stored(imported, len(raw), transactions, 1)
        body = ShardBlock(block.result.header, (), tuple(t.raw for t in transactions)).encode()
        store.put_block(block, body, transactions, (), {})
        store.make_canonical([block])
    database.write_batch([(b"s" + key, value) for key, value in held.kv_store.items() if len(key) == 32], sync=False)
    store.set_finalized_height(LAST_BLOCK)
    return genesis, database
