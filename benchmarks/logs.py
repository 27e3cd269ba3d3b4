"""How long questions about logs and receipts take on a long chain: 100,000 blocks in a LevelDB, made by the store's own code."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from benchmarks.statistics import Figure, percentile
from node.rpc.render import render_logs, render_receipts
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import empty_summary
from shard.database import LevelDatabase
from shard.engine.encoding import bloom_of
from shard.engine.interface import Log
from shard.engine.reference import ReferenceEngine
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.executor.schema import StateReader, StoredBlock, StoredLog, StoredTransaction
from shard.results import BlockResult
from shard.views import LogFilter, big

NAME = "logs"
BLOCKS, HITS = 100_000, 1_000
BLOCKS_PER_BATCH = 500
TOKEN, OTHERS = b"\x70" * 20, 50
TOPIC = keccak256(b"Transfer(address,address,uint256)")
LOGS_MS_MAX, RECEIPTS_MS_MAX = 150.0, 10.0
RECEIPTS = 15
RUNS = 20


def _account(number: int) -> bytes:
    return keccak256(b"account %d" % number)[12:]


def _transaction(height: int, token: bytes) -> StoredTransaction:
    topics = (TOPIC, _account(height).rjust(32, b"\0"), _account(height + 1).rjust(32, b"\0"))
    log = Log(token, topics, height.to_bytes(32, "big"))
    return StoredTransaction(
        raw=bytes(170), hash=keccak256(b"transaction %d" % height), sender=_account(height), to=token, status=1, gas_used=50_000,
        cumulative_gas_used=50_000, effective_gas_price=big(10**9), contract_address=None, first_log=0,
        logs=(StoredLog(log.address, log.topics, log.data),), logs_bloom=bloom_of([log]),
    )  # fmt: skip


def make_chain(path: Path, blocks: int, hits: int) -> ShardReader:
    """A chain of blocks of one transfer each, `hits` of them spread evenly being of TOKEN."""
    parameters = Parameters()
    validator = GenesisValidator(public_key=b"\1" * 48, proof_of_possession=b"\2" * 96, stake=1, fee_address=bytes(20))
    genesis = Genesis(parameters=parameters, timestamp=1, seed=bytes(32), validators=(validator,))
    database = LevelDatabase(path)
    executor = ShardExecutor(database, genesis, 0, ReferenceEngine(parameters, 0, StateReader(database)), time.monotonic)
    parent = ShardHeader.decode(executor.latest.result.header)
    summary = empty_summary(parameters.shard_count).encode()
    made: list[StoredBlock] = []
    for height in range(1, blocks + 1):
        is_hit = height % (blocks // hits) == 0
        transaction = _transaction(height, TOKEN if is_hit else _account(height % OTHERS))
        header = replace(
            parent, parent_hash=parent.hash(), number=height, timestamp=height + 1, logs_bloom=transaction.logs_bloom, gas_used=50_000
        )
        result = BlockResult(
            header.hash(), header.parent_hash, height, header.timestamp, header.encode(), summary, 50_000,
            big(header.base_fee_per_gas), big(header.base_fee_per_gas), (transaction.hash,), {}, 1, b"",
        )  # fmt: skip
        block = StoredBlock(result, 0, {}, 700)
        executor.store.put_block(block, bytes(700), (transaction,), (), {})
        made.append(block)
        if len(made) == BLOCKS_PER_BATCH or height == blocks:
            executor.store.make_canonical(made)
            executor.latest = made[-1]
            made = []
        parent = header
    return ShardReader(executor)


def _median(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        began = time.monotonic()
        work()
        taken.append(time.monotonic() - began)
    return percentile(taken, 0.5)


def measure_logs() -> list[Figure]:
    """Logs of one address over the whole chain, and receipts one by one, read and written out as JSON."""
    with tempfile.TemporaryDirectory(prefix="shardnet-bench-") as folder:
        began = time.monotonic()
        reader = make_chain(Path(folder) / "shard", BLOCKS, HITS)
        built = time.monotonic() - began
        last = BLOCKS
        filters = {
            "one address": LogFilter(1, last, addresses=(TOKEN,)),
            "address and topic": LogFilter(1, last, addresses=(TOKEN,), topics=((TOPIC,),)),
            "one account's transfers": LogFilter(1, last, topics=((TOPIC,), (_account(77).rjust(32, b"\0"),))),
        }

        def logs(wanted: LogFilter) -> None:
            trio.run(render_logs, reader.logs(wanted, lambda: None))

        names = [keccak256(b"transaction %d" % height) for height in range(1, BLOCKS, BLOCKS // RECEIPTS)][:RECEIPTS]

        def receipts() -> None:
            found = [receipt for receipt in map(reader.receipt, names) if receipt is not None]
            assert len(found) == RECEIPTS
            trio.run(render_receipts, found)

        assert len(reader.logs(filters["one address"], lambda: None)) == HITS
        figures = [
            Figure(NAME, f"eth_getLogs over {BLOCKS:,} blocks, {name}", 1000 * _median(partial(logs, wanted)), "ms", LOGS_MS_MAX)
            for name, wanted in filters.items()
        ]
        figures.append(Figure(NAME, f"{RECEIPTS} receipts", 1000 * _median(receipts), "ms", RECEIPTS_MS_MAX))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        figures.append(Figure(NAME, "making the chain, a block", 1000 * built / BLOCKS, "ms"))
        return [*figures, Figure(NAME, "its database", size / 1e6, "MB")]
