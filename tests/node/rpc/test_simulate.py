"""eth_simulateV1 at the edge: blocks in order, what is refused with which code, and the answer's form."""

import pytest

from node.rpc.simulations import parse_simulation, place
from primitives.errors import Interrupted, InvalidQuery, InvalidTransaction, QueryReason, TransactionReason
from shard.simulations import BlockToSimulate, CallToSimulate, SimulatedBlock, SimulatedCall, SimulatedTransaction
from shard.views import AccountOverride, CallOutcome, LogView, big
from tests.node.rpc.fake import ALICE, CHAIN_ID, CONTRACT, Client, header

WHO, AT = "0x" + ALICE.hex(), "0x" + CONTRACT.hex()
BUILT_IN = "0x" + "0" * 39 + "1"
BASE = header(10)


def placed(*blocks: dict) -> tuple[BlockToSimulate, ...]:
    return place(parse_simulation({"blockStateCalls": list(blocks)}, "argument 0"), BASE, CHAIN_ID, "argument 0")


def test_blocks_follow_one_another_and_gaps_are_filled() -> None:
    blocks = placed({}, {"blockOverrides": {"number": "0xe"}}, {"blockOverrides": {"time": hex(BASE.timestamp + 100)}}, {})
    assert [block.number - 10 for block in blocks] == [1, 2, 3, 4, 5, 6]
    assert [block.timestamp - BASE.timestamp for block in blocks] == [1, 2, 3, 4, 100, 101]


def test_everything_that_can_be_given() -> None:
    (block,) = placed({
        "blockOverrides": {
            "feeRecipient": AT, "gasLimit": "0x5", "baseFeePerGas": "0x7", "prevRandao": "0x" + "03" * 32, "withdrawals": [],
        },
        "stateOverrides": {BUILT_IN: {"code": "0x60", "movePrecompileToAddress": AT}, WHO: {"balance": "0x1"}},
        "calls": [
            {"from": WHO, "to": AT, "nonce": "0x4", "gas": "0x9", "maxFeePerGas": "0x6",
             "maxPriorityFeePerGas": "0x5", "value": "0x2", "input": "0x03"},
            {"gasPrice": "0x8"},
        ],
    })  # fmt: skip
    assert block == BlockToSimulate(
        11, BASE.timestamp + 1, CONTRACT, 5, b"\x07", b"\x03" * 32,
        (AccountOverride(bytes.fromhex(BUILT_IN[2:]), code=b"\x60"), AccountOverride(ALICE, balance=b"\x01")),
        ((bytes.fromhex(BUILT_IN[2:]), CONTRACT),),
        (
            CallToSimulate(ALICE, CONTRACT, 4, 9, b"\x06", b"\x05", b"\x02", b"\x03"),
            CallToSimulate(bytes(20), None, None, None, b"\x08", b"\x08", b"", b""),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "code", "words"),
    [
        ([{"blockOverrides": {"number": "0xa"}}], -38020, "block numbers must be in order: 10 <= 10"),
        ([{}, {"blockOverrides": {"number": "0xb"}}], -38020, "block numbers must be in order: 11 <= 11"),
        ([{"blockOverrides": {"time": hex(BASE.timestamp)}}], -38021, "block timestamps must be in order"),
        ([{"blockOverrides": {"number": "0x10b"}}], -38026, "too many blocks: 257, at most 256"),
        ([{}] * 257, -38026, "too many blocks: 257, at most 256"),
        ([{"calls": [{}] * 1001}], -38026, "too many calls: at most 1000"),
        ([{"stateOverrides": {BUILT_IN: {"movePrecompileToAddress": BUILT_IN}}}], -38022, "MovePrecompileToAddress referenced itself"),
        (
            [{"stateOverrides": {BUILT_IN: {"movePrecompileToAddress": AT}, BUILT_IN[:-1] + "2": {"movePrecompileToAddress": AT}}}],
            -38023, "multiple MovePrecompileToAddress",
        ),
        ([{"stateOverrides": {WHO: {"movePrecompileToAddress": AT}}}], -32000, f"account {WHO} is not a precompile"),
        ([], -32602, "empty input"),
        (5, -32602, "invalid argument 0, field blockStateCalls: want an array of objects"),
        ([5], -32602, "invalid argument 0, field blockStateCalls: want an array of objects"),
        ([{"blockOverrides": 5}], -32602, "invalid argument 0, block 0, field blockOverrides: want an object"),
        ([{"blockOverrides": {"beaconRoot": "0x"}}], -32602, "invalid argument 0, block 0, field blockOverrides: no field beaconRoot"),
        ([{"blockOverrides": {"withdrawals": [{}]}}], -32602, "invalid argument 0, block 0, field withdrawals: a shard has none"),
        ([{"blockOverrides": {"number": "x"}}], -32602, "invalid argument 0, block 0, field number: hex string without 0x prefix"),
        ([{"blockOverrides": {"time": "0xffffffffffffffff"}}, {}], -38021, "block timestamps must be in order: none comes after"),
        ([{"calls": 5}], -32602, "invalid argument 0, block 0, field calls: want an array"),
        ([{"calls": [5]}], -32602, "invalid argument 0, block 0, call 0: want a call object"),
        ([{"calls": [{"value": 5}]}], -32602, "invalid argument 0, block 0, call 0, field value: a quantity is a hex string"),
        ([{"calls": [{"chainId": "0x5"}]}], -32000, "chainId does not match node's"),
        ([{"calls": [{"gasPrice": "0x5", "maxFeePerGas": "0x5"}]}], -32000, "both gasPrice and"),
        ([{"calls": [{"blobVersionedHashes": ["0x"]}]}], -32602, "invalid argument 0, block 0, call 0, field blobVersionedHashes"),
    ],
)  # fmt: skip
async def test_refusals(blocks, code, words) -> None:
    found = await Client().error("eth_simulateV1", {"blockStateCalls": blocks})
    assert found[0] == code
    assert found[1].startswith(words)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (TransactionReason.NONCE_TOO_LOW, -38010), (TransactionReason.NONCE_TOO_HIGH, -38011), (TransactionReason.FEE_BELOW_BASE, -38012),
        (TransactionReason.INTRINSIC_GAS, -38013), (TransactionReason.INSUFFICIENT_FUNDS, -38014), (TransactionReason.GAS_LIMIT, -38015),
        (TransactionReason.SENDER_HAS_CODE, -38024), (TransactionReason.INIT_CODE_SIZE, -38025), (TransactionReason.NONCE_MAX, -32603),
        (TransactionReason.TIP_ABOVE_FEE, -32602),
    ],
)  # fmt: skip
async def test_calls_that_are_no_transactions(reason, code) -> None:
    client = Client()
    client.shard.simulate = raising(InvalidTransaction(reason, "what is wrong"))
    found = await client.error("eth_simulateV1", {"blockStateCalls": [{}]})
    assert found[0] == code
    assert found[1].startswith("err: ")


def raising(error: Exception):
    async def simulate(*arguments):
        raise error

    return simulate


async def test_too_much_or_too_long_or_on_nothing() -> None:
    client = Client()
    client.shard.simulate = raising(InvalidQuery(QueryReason.OVER_LIMIT, "too large"))
    assert await client.error("eth_simulateV1", {"blockStateCalls": [{}]}) == (-38026, "too large")
    client.shard.simulate = raising(Interrupted("call_deadline_ms"))
    assert (await client.error("eth_simulateV1", {"blockStateCalls": [{}]}))[0] == -32002
    assert await client.error("eth_simulateV1", {"blockStateCalls": [{}]}, "0x63") == (-32000, "header not found")


async def test_the_answer() -> None:
    client = Client()
    log = LogView(CONTRACT, (b"\x07" * 32,), b"\x01", 11, BASE.hash(), b"\x05" * 32, 0, 0, 9)
    transaction = SimulatedTransaction(b"\x05" * 32, 2, ALICE, CONTRACT, 3, 50_000, b"\x09", b"\x01", b"\x08", b"\x02", b"\x03", (), ())
    calls = (
        SimulatedCall(CallOutcome(True, b"\x2a", 21_000, ""), 26_000, (log,)),
        SimulatedCall(CallOutcome(False, b"\x01", 30_000, "execution reverted"), 30_000, ()),
        SimulatedCall(CallOutcome(False, b"", 40_000, "out of gas"), 40_000, ()),
    )
    client.shard.simulated = (SimulatedBlock(BASE.hash(), BASE.encode(), 600, (transaction,), calls),)
    (block,) = await client.result("eth_simulateV1", {"blockStateCalls": [{}], "traceTransfers": True}, "0x5")
    assert client.shard.asked[-1][2:] == (False, True)
    assert block["transactions"] == ["0x" + "05" * 32]
    assert (block["number"], block["size"], block["withdrawals"]) == ("0xa", "0x258", [])
    assert [call["status"] for call in block["calls"]] == ["0x1", "0x0", "0x0"]
    assert block["calls"][0]["maxUsedGas"] == hex(26_000)
    assert block["calls"][0]["logs"][0]["address"] == AT
    assert block["calls"][1]["returnData"] == "0x"
    assert block["calls"][1]["error"] == {"code": 3, "message": "execution reverted", "data": "0x01"}
    assert block["calls"][2]["error"] == {"code": -32015, "message": "vm execution error: out of gas"}
    (block,) = await client.result("eth_simulateV1", {"blockStateCalls": [{}], "returnFullTransactions": True})
    (full,) = block["transactions"]
    assert (full["from"], full["gasPrice"], full["v"], full["nonce"]) == (WHO, "0x8", "0x0", "0x3")
    assert big(2) == transaction.value
