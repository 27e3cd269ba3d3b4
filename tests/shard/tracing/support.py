"""A chain whose blocks are traced: contracts that call, create, log, fail and end."""

import json

from primitives.genesis import GenesisAccount
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind
from shard.executor.reads import ShardReader
from shard.executor.simulation import Simulator
from shard.executor.tracing import Tracing
from shard.views import CallRequest, TraceConfig, big
from tests.shard.executor.support import GWEI, address, build, make_executor, make_genesis

LOGGING = b"\x51" * 20
LOGGING_CODE = bytes.fromhex("600160005260aa60206000a1" + "6002545f55" + "602a5f5260205ff3")
"""LOG1, SLOAD 2, SSTORE 0, RETURN 42."""
FAILING = b"\x52" * 20
FAILING_CODE = bytes.fromhex("60bb5f5fa1" + "600160005260206000fd")
"""LOG1, REVERT with a word."""
CALLING = b"\x53" * 20


def call(op, to, value=False, gas="5a"):
    """Pushes and the instruction of a call to an account, without data."""
    pushes = "5f5f5f5f" + ("6003" if value else "") + "73" + to.hex() + gas + op
    return pushes + "50"


INIT = "60015f5360015ff3"
"""Makes a contract whose code is one byte 01."""
CALLING_CODE = bytes.fromhex(
    call("f1", LOGGING, value=True)
    + call("fa", FAILING, gas="611000")
    + call("f4", LOGGING)
    + call("f2", LOGGING, value=True)
    + call("f1", b"\x04".rjust(20, b"\0"), value=True)
    + "67" + INIT + "5f52" + "60086018" + "6001" + "f0" + "50"  # CREATE with 1 wei
    + "5f" + "60086018" + "5f" + "f5" + "50"  # CREATE2
    + "60cc5f5fa1"
    + "00"
)  # fmt: skip
ENDING = b"\x54" * 20
ENDING_CODE = bytes.fromhex("73" + (b"\x99" * 20).hex() + "ff")


def no_meter():
    """Lets all work go on."""


class Chain:
    """Blocks of one shard, and the traces of what they did."""

    def __init__(self, **contracts):
        genesis = make_genesis()
        accounts = [
            GenesisAccount(address=LOGGING, nonce=1, code=LOGGING_CODE, storage={2: 9, 0: 1}),
            GenesisAccount(address=FAILING, nonce=1, code=FAILING_CODE),
            GenesisAccount(address=CALLING, nonce=1, balance=100, code=CALLING_CODE),
            GenesisAccount(address=ENDING, nonce=1, balance=7, code=ENDING_CODE),
        ]
        accounts += [GenesisAccount(address=bytes.fromhex(at), nonce=1, balance=50, code=code) for at, code in contracts.items()]
        self.genesis = genesis.model_copy(update={"accounts": (*genesis.accounts, *accounts)})
        self.executor = make_executor(self.genesis)
        reader = ShardReader(self.executor)
        self.simulator = Simulator(self.executor, reader)
        self.tracing = Tracing(self.executor, reader, self.simulator)

    def add(self, *transactions, view=1, **given):
        """Hashes of the transactions of a new block."""
        built = build(self.executor, transactions, view=view, **given)
        assert not built.rejected
        self.executor.finalize(built.result.hash)
        return [transaction.hash for transaction in self.executor.store.transactions(built.result.hash)]

    def add_deliveries(self, sent, *transactions, view=1):
        """As `add`, with messages of shard 1."""
        channel = EMPTY_CHANNEL.add(sent, self.genesis.parameters.chain_id_base)
        return self.add(*transactions, view=view, available={1: sent}, inbound=(EMPTY_CHANNEL, channel, EMPTY_CHANNEL))

    def trace(self, name, tracer="callTracer", **options):
        return json.loads(self.tracing.transaction(name, TraceConfig(tracer=tracer, **options), no_meter))

    def trace_call(self, to, tracer="callTracer", data=b"", gas=None, value=0, overrides=(), price=0, **options):
        request = CallRequest(address(0), to, gas, big(price), big(value), data, overrides=overrides)
        return json.loads(self.tracing.call("latest", request, TraceConfig(tracer=tracer, **options), no_meter))


def message(nonce, kind=ReceiptKind.CALL, to=LOGGING, gas=100_000, fee=100_000 * GWEI, amount=5, data=b""):
    if kind == ReceiptKind.CREDIT:
        gas = fee = 0
    return CrossShardReceipt(1, 0, nonce, kind, address(3), to, amount, gas, fee, address(2), data)
