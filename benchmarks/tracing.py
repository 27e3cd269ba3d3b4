"""How long a trace takes: a transaction of a million gas, by each tracer; no network."""

from __future__ import annotations

import time

import rlp
from coincurve import PrivateKey

from benchmarks.statistics import Figure
from primitives.blocks import ChannelTerms, ShardReference
from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL
from shard.engine.interface import BlockContext
from shard.engine.reference import ReferenceEngine
from shard.transactions import Transaction, decode_transaction
from shard.transactions.rlp import encode_list, encode_number, encode_text
from shard.views import TraceConfig

NAME = "tracing"
GAS = 1_000_000
SECONDS_MAX = 1.0
RUNS = 3
KEY = PrivateKey(keccak256(b"benchmark"))
SENDER = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]
TARGET, HELPER = b"\xa0" * 20, b"\xa1" * 20
GWEI = 10**9
AGAIN = "6200ea60" + "5a" + "11" + "6001" + "57" + "00"
"""Back to the start while there are 60,000 gas."""
TOKEN = bytes.fromhex(
    "5f" + "5b"  # i = 0; loop:
    + "80" + "5f52" + "60405f20"  # a slot, from i
    + "80" + "54" + "6001" + "01" + "90" + "55"  # one more in it
    + "5f5f60205f5f73" + HELPER.hex() + "5af150"  # a call that logs
    + "6001" + "01" + AGAIN
)  # fmt: skip
"""As long as there is gas: hash, read and write a slot, call a contract that logs, as tokens do."""
ARITHMETIC = bytes.fromhex("5f" + "5b" + "6007" + "02" + "6003" + "01" + AGAIN)
"""As long as there is gas: the cheapest steps there are, and so as many as there can be."""
HELPER_CODE = bytes.fromhex("60aa60205fa1" + "00")
CONFIGS = {
    "callTracer": TraceConfig(tracer="callTracer", with_log=True),
    "prestateTracer": TraceConfig(tracer="prestateTracer", diff_mode=True),
    "struct logs": TraceConfig(disable_storage=True),
}


def _transaction(parameters: Parameters) -> Transaction:
    fields = b"".join(map(encode_number, (parameters.chain_id(0), 0, GWEI, 3 * GWEI, GAS)))
    fields += encode_text(TARGET) + encode_number(0) + encode_text(b"") + rlp.encode([])
    signature = KEY.sign_recoverable(keccak256(b"\x02" + encode_list(fields)), hasher=None)
    fields += encode_number(signature[64]) + b"".join(encode_number(int.from_bytes(signature[i : i + 32], "big")) for i in (0, 32))
    return decode_transaction(b"\x02" + encode_list(fields))


def seconds_of(code: bytes, config: TraceConfig) -> float:
    """Processor time of tracing a transaction that runs `code` to the end of its gas; the least of `RUNS`."""
    parameters = Parameters()
    nodes: dict[bytes, bytes] = {}
    engine = ReferenceEngine(parameters, 0, nodes)
    contracts = {TARGET: code, HELPER: HELPER_CODE}
    accounts = [GenesisAccount(address=address, nonce=1, code=held) for address, held in contracts.items()]
    genesis = engine.genesis([GenesisAccount(address=SENDER, balance=10**24), *accounts])
    nodes.update(genesis.writes)
    terms = (ChannelTerms(GWEI, 0),) * (parameters.shard_count + 1)
    reference = ShardReference(bytes(32), 1, 0, bytes(32), terms, (EMPTY_CHANNEL,) * len(terms))
    context = BlockContext(1, 1, bytes(20), parameters.gas_limit, GWEI, bytes(32), reference, lambda _: None)
    items = [(_transaction(parameters), SENDER)]
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        (trace,) = engine.trace_block(genesis.state_root, context, items, range(1), config, lambda: None)
        taken.append(time.process_time() - began)
        assert b'"error"' not in trace, "every frame runs as it should"
        assert b'"failed":true' not in trace, "it runs as it should"
    return min(taken)


def measure_tracing() -> list[Figure]:
    """Seconds for a million gas by each tracer."""
    figures = [
        Figure(NAME, f"a million gas of token work, {name}", seconds_of(TOKEN, config), "s", SECONDS_MAX)
        for name, config in CONFIGS.items()
    ]
    figures.append(Figure(NAME, "a million gas of arithmetic, callTracer", seconds_of(ARITHMETIC, CONFIGS["callTracer"]), "s"))
    limited = TraceConfig(disable_storage=True, limit=10_000)
    return [*figures, Figure(NAME, "the same, 10,000 struct logs", seconds_of(ARITHMETIC, limited), "s")]
