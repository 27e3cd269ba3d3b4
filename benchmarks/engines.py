"""What transfers, crossings and programs cost on either engine: processor time of one process, no network.

The engines take turns, round by round, and what is told is the median of the rounds' ratios, which a busy machine changes little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.inbound_worst import push
from benchmarks.statistics import Figure, percentile
from node.simulator.workload import make_users, sign
from primitives.blocks import ChannelTerms, ShardReference
from primitives.genesis import Genesis, GenesisAccount, GenesisValidator
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.database import MemoryDatabase
from shard.engine.engines import ENGINES, make_engine
from shard.engine.interface import BlockContext
from shard.executor.context import BuildContext
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader

NAME = "engines"
TRANSFERS = 100
"""Of a block."""
WARM_BLOCKS, ROUNDS = 2, 5
CROSSING_RATIO_MAX = 3.0
SLOWER_MAX = 1.2
GWEI = 10**9
USERS = make_users(1, 4)
GAS_LIMIT, OUTBOX_GAS = 21_000, 150_000
PROGRAM_GAS = 3_000_000
AGAIN = "617530" + "5a" + "11" + "6001" + "57" + "00"
"""Back to the start while there are 30,000 gas."""
PROGRAMS = {
    "500,000 cheap steps": bytes.fromhex("5f" + "5b" + "6007026003018060021c18" + AGAIN),
    "hashes in a loop": bytes.fromhex("5f" + "5b" + "805f5260205f2018" + AGAIN),
    "stores in a loop": bytes.fromhex("5f" + "5b" + "60010180600755" + AGAIN),
}  # fmt: skip
"""As long as there is gas, called again and again."""
LITTLE_CODE = 24_000
"""Bytes of contracts that are run just often enough to be translated, and never again."""


def _reference(parameters: Parameters) -> ShardReference:
    count = parameters.shard_count + 1
    return ShardReference(b"\1" * 32, 1, 0, b"\2" * 32, (ChannelTerms(GWEI, 0),) * count, (EMPTY_CHANNEL,) * count)


@dataclass
class Chain:
    """A shard whose every block is built of transfers of one kind."""

    engine: str
    is_crossing: bool
    parameters: Parameters = field(default_factory=lambda: Parameters(shard_count=2))

    def __post_init__(self) -> None:
        validator = GenesisValidator(public_key=b"\1" * 48, proof_of_possession=b"\2" * 96, stake=1, fee_address=bytes(20))
        accounts = tuple(GenesisAccount(address=user.address, balance=10**24) for user in USERS)
        genesis = Genesis(parameters=self.parameters, timestamp=1, seed=bytes(32), validators=(validator,), accounts=accounts)
        database = MemoryDatabase()
        engine = make_engine(self.engine, self.parameters, 0, StateReader(database))
        self._executor = ShardExecutor(database, genesis, 0, engine, time.monotonic)
        self._parent: bytes = ShardHeader.decode(self._executor.latest.result.header).hash()
        self._sent = self._blocks = 0

    def seconds(self) -> float:
        """Processor time of building a block, by transfer."""
        candidates = [self._transfer() for _ in range(TRANSFERS)]
        self._blocks += 1
        context = BuildContext(_reference(self.parameters), bytes(20), 0, self._blocks, 0, 1000 + self._blocks, {})
        began = time.process_time()
        built = self._executor.build(self._parent, context, tuple(candidates), 60_000)
        taken = time.process_time() - began
        assert built is not None
        assert len(built.result.transaction_hashes) == TRANSFERS
        self._parent = built.result.hash
        return taken / TRANSFERS

    def _transfer(self) -> tuple[bytes, bytes]:
        user, nonce = USERS[self._sent % len(USERS)], self._sent // len(USERS)
        receiver = USERS[(self._sent + 1) % len(USERS)].address
        self._sent += 1
        if not self.is_crossing:
            return sign(user, self.parameters, 0, receiver, 1, b"", nonce, GAS_LIMIT), user.address
        data = OUTBOX_CONTRACT.encode_call("transfer", 1, receiver)
        return sign(user, self.parameters, 0, OUTBOX, 1, data, nonce, OUTBOX_GAS), user.address


class Bench:
    """An engine over contracts, for what is measured without an executor."""

    def __init__(self, engine: str, contracts: dict[bytes, bytes]) -> None:
        self._nodes: dict[bytes, bytes] = {}
        self.parameters = Parameters(shard_count=2, gas_limit=10**9, inbound_call_gas_max=10**9 // 4, receipt_gas_max=10**7)
        self._engine = make_engine(engine, self.parameters, 0, self._nodes)
        genesis = self._engine.genesis([GenesisAccount(address=a, nonce=1, code=code) for a, code in contracts.items()])
        self._nodes.update(genesis.writes)
        self._root, self._height = genesis.state_root, 0

    def seconds(self, receipts: list[CrossShardReceipt]) -> float:
        """Processor time of a block that delivers receipts."""
        self._height += 1
        context = BlockContext(
            self._height, 1000 + self._height, bytes(20), self.parameters.gas_limit, GWEI, b"\3" * 32, _reference(self.parameters),
            lambda number: b"\4" * 32,
        )  # fmt: skip
        began = time.process_time()
        block = self._engine.begin(self._root, context)
        for receipt in receipts:
            block.deliver(receipt)
        done = block.finish()
        taken = time.process_time() - began
        self._nodes.update(done.writes)
        self._root = done.state_root
        return taken


def _receipts(first: int, targets: list[bytes], gas: int) -> list[CrossShardReceipt]:
    kind = ReceiptKind.CALL if gas else ReceiptKind.CREDIT
    fee = 2 * gas * GWEI
    return [CrossShardReceipt(1, 0, first + i, kind, b"\xb0" * 20, to, 1, gas, fee, b"\xfe" * 20, b"") for i, to in enumerate(targets)]


def _credit_seconds(bench: Bench, turn: int) -> float:
    targets = [USERS[i % len(USERS)].address for i in range(TRANSFERS)]
    return bench.seconds(_receipts(turn * TRANSFERS, targets, 0)) / TRANSFERS


def _program_seconds(bench: Bench, turn: int) -> float:
    return bench.seconds(_receipts(turn, [b"\xa0" * 20], PROGRAM_GAS))


def cold_contracts(count: int) -> dict[bytes, bytes]:
    """Contracts that differ and are as dear to translate as can be: many ways out, from a place that is soon hot."""
    body = bytes.fromhex("36361415") + push(0) + b"\x57"
    return {
        (0xA1 << 152 | i).to_bytes(20, "big"): push(i + 1) + b"\x50" + (b"\x5b" + body * (LITTLE_CODE // len(body) - 2))[:1500] + b"\x00"
        for i in range(count)
    }


def _cold_seconds(engine: str) -> float:
    contracts = cold_contracts(60)
    bench = Bench(engine, contracts)
    targets = [place for place in contracts for _ in range(10)]
    return bench.seconds(_receipts(0, targets, 60_000))


def _alternating(one: Callable[[int], float], other: Callable[[int], float], warm: int) -> tuple[float, float, float]:
    """Medians of both, and of the ratio of the second to the first, turn by turn."""
    pairs = [(one(turn), other(turn)) for turn in range(warm + ROUNDS)][warm:]
    ratios = [b / a for a, b in pairs]
    return percentile([a for a, _ in pairs], 0.5), percentile([b for _, b in pairs], 0.5), percentile(ratios, 0.5)


def measure_engines() -> list[Figure]:
    """Crossings against local transfers on each engine, programs on one against the other, and code that is not worth translating."""
    figures = []
    for name in ENGINES:
        local, crossing, bench = Chain(name, False), Chain(name, True), Bench(name, {})

        def crossed(turn: int, crossing: Chain = crossing, bench: Bench = bench) -> float:
            return crossing.seconds() + _credit_seconds(bench, turn)

        near, far, ratio = _alternating(lambda turn, local=local: local.seconds(), crossed, WARM_BLOCKS)  # type: ignore[misc]
        figures.append(Figure(NAME, f"{name}: a transfer within a shard, built", near * 1e6, "us"))
        figures.append(Figure(NAME, f"{name}: one to another shard, built there and credited here", far * 1e6, "us"))
        target = CROSSING_RATIO_MAX if name == "fast" else None
        figures.append(Figure(NAME, f"{name}: the second to the first", ratio, "x", target))
    for words, code in PROGRAMS.items():
        reference, fast = (Bench(name, {b"\xa0" * 20: code}) for name in ("reference", "fast"))
        *_, ratio = _alternating(
            lambda turn, bench=reference: _program_seconds(bench, turn),  # type: ignore[misc]
            lambda turn, bench=fast: _program_seconds(bench, turn),  # type: ignore[misc]
            WARM_BLOCKS,
        )
        figures.append(Figure(NAME, f"{words}: fast to reference", ratio, "x"))
    *_, ratio = _alternating(lambda turn: _cold_seconds("reference"), lambda turn: _cold_seconds("fast"), 0)
    figures.append(Figure(NAME, "60 contracts, each run ten times: fast to reference", ratio, "x", SLOWER_MAX))
    return figures
