"""Outbox and Inbox as the EVM runs them: what they take, what they refuse and with which words, what they record."""

import shutil
from pathlib import Path

import pytest
from eth_abi import decode

from primitives.blocks import CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, ChannelTerms
from primitives.hashing import keccak256
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import INBOX, INBOX_CONTRACT, OUTBOX, OUTBOX_CONTRACT, SYSTEM_ADDRESS, build
from shard.views import CallRequest, big
from tests.shard.engine.support import GWEI, Shard, address

BOB = b"\xb0" * 20
CONTRACT = b"\xa1" * 20
DELEGATED = b"\xd7" * 20
FORCER = b"\xf0" * 20  # CREATE(value, init code 615a01ff: selfdestruct to Outbox)
CODES = {CONTRACT: b"\0", DELEGATED: b"\xef\1\0" + CONTRACT, FORCER: bytes.fromhex("63615a01ff5f526004601c34f000")}
GAS = 100_000
FEE = 2 * GAS * GWEI


@pytest.fixture
def shard():
    return Shard(CODES)


def receipt_of(shard, outcome):
    receipt = system.receipt_of_log(outcome.logs[0], shard.shard)
    assert outcome.logs[0].topics[1] == receipt.identity(shard.parameters.chain_id_base)
    assert outcome.logs == (system.sent_log(receipt, shard.parameters.chain_id_base),)
    return receipt


def ask(shard, contract, method, *arguments, sender=None, value=0):
    data = contract.encode_call(method, *arguments)
    request = CallRequest(sender=sender or address(0), to=contract.address, gas=None, gas_price=b"", value=big(value), data=data)
    return shard.engine.call(shard.root, shard.context(), request)


def number(data):
    return int.from_bytes(data, "big")


def test_transfer_records_logs_and_leaves_with_the_block(shard):
    block = shard.begin()
    outcomes = [shard.outbox(block, "transfer", 1, BOB, value=value) for value in (5, 0, 7)]
    result = shard.finish(block)
    receipts = [receipt_of(shard, outcome) for outcome in outcomes]
    assert receipts[0] == CrossShardReceipt(0, 1, 0, ReceiptKind.CREDIT, address(0), BOB, 5, 0, 0, b"\0" * 20, b"")
    assert [r.nonce for r in receipts] == [0, 1, 2]
    assert result.summary.outgoing[1] == EMPTY_CHANNEL.add(receipts, shard.parameters.chain_id_base)
    assert result.summary.outgoing[0] == result.summary.outgoing[2] == EMPTY_CHANNEL
    assert result.sent == 12
    assert shard.balance(OUTBOX) == 0
    shard.audit()


@pytest.mark.parametrize(
    ("refund_to", "kind"),
    [(BOB, ReceiptKind.CALL_REFUND_THERE), (CONTRACT, ReceiptKind.CALL), (DELEGATED, ReceiptKind.CALL_REFUND_THERE)],
)
@pytest.mark.parametrize("data", [b"", b"\1" * 100])
def test_send(shard, refund_to, kind, data):
    block = shard.begin()
    outcome = shard.outbox(block, "send", 2, BOB, 100, GAS, refund_to, data, value=100 + FEE + 3)
    result = shard.finish(block)
    receipt = receipt_of(shard, outcome)
    assert receipt == CrossShardReceipt(0, 2, 0, kind, address(0), BOB, 100, GAS, FEE + 3, refund_to, data)
    assert result.summary.outgoing[2] == EMPTY_CHANNEL.add([receipt], shard.parameters.chain_id_base)
    shard.audit()


def test_the_longest_data_passes_and_one_byte_more_has_a_reason(shard):
    block = shard.begin()
    gas = 21_000 + 40 * 4096
    assert receipt_of(shard, shard.outbox(block, "send", 1, BOB, 0, gas, BOB, b"\1" * 4096, value=2 * gas * GWEI)).data == b"\1" * 4096
    shard.finish(block)
    refused = ask(shard, OUTBOX_CONTRACT, "send", 1, BOB, 0, 200_000, BOB, b"\1" * 4097, value=GWEI * 10**6)
    assert refused.output == keccak256(b"DataTooLong(uint256)")[:4] + (4097).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("method", "arguments", "value", "error", "figure"),
    [
        ("transfer", (0, BOB), 1, "UnknownShard(uint32)", 0),
        ("transfer", (4, BOB), 1, "UnknownShard(uint32)", 4),
        ("transfer", (2**32 - 1, BOB), 1, "UnknownShard(uint32)", 2**32 - 1),
        ("transfer", (3, BOB), 1, "ChannelClosed(uint32)", 3),
        ("send", (3, BOB, 0, GAS, BOB, b""), FEE, "ChannelClosed(uint32)", 3),
        ("send", (1, BOB, 100, GAS, BOB, b""), 99 + FEE, "FeeShort(uint256)", FEE),
        ("send", (1, BOB, FEE * 2, GAS, BOB, b""), FEE, "FeeShort(uint256)", FEE),
        ("send", (1, BOB, 0, 20_999, BOB, b""), FEE, "GasLimitOutOfRange(uint64)", 20_999),
        ("send", (1, BOB, 0, 21_039, BOB, b"\0"), FEE, "GasLimitOutOfRange(uint64)", 21_039),
        ("send", (1, BOB, 0, 1_000_001, BOB, b""), 10**18, "GasLimitOutOfRange(uint64)", 1_000_001),
        ("quote", (0, GAS), 0, "UnknownShard(uint32)", 0),
        ("quoteWithCallback", (0, GAS, GAS), 0, "UnknownShard(uint32)", 0),
        ("sendWithCallback", (0, BOB, GAS, GAS, BOB, b""), 2 * FEE, "UnknownShard(uint32)", 0),
        ("sendWithCallback", (3, BOB, GAS, GAS, BOB, b""), 2 * FEE, "ChannelClosed(uint32)", 3),
        ("sendWithCallback", (1, BOB, GAS, GAS, BOB, b""), 2 * FEE - 1, "FeeShort(uint256)", 2 * FEE),
        ("sendWithCallback", (1, BOB, 21_039, GAS, BOB, b"\0"), FEE, "GasLimitOutOfRange(uint64)", 21_039),
        ("sendWithCallback", (1, BOB, 1_000_001, GAS, BOB, b""), 10**18, "GasLimitOutOfRange(uint64)", 1_000_001),
        ("sendWithCallback", (1, BOB, GAS, 20_999, BOB, b""), FEE, "CallbackGasOutOfRange(uint64)", 20_999),
        ("sendWithCallback", (1, BOB, GAS, 1_000_001, BOB, b""), 10**18, "CallbackGasOutOfRange(uint64)", 1_000_001),
        ("sendWithCallback", (1, BOB, 200_000, GAS, BOB, bytes(4089)), 10**18, "DataTooLong(uint256)", 4089),
    ],
)
def test_typed_reverts(shard, method, arguments, value, error, figure):
    refused = ask(shard, OUTBOX_CONTRACT, method, *arguments, value=value)
    assert not refused.success
    assert refused.output == keccak256(error.encode())[:4] + figure.to_bytes(32, "big")
    names = {entry["name"]: entry for entry in OUTBOX_CONTRACT.abi if entry["type"] == "error"}
    assert error == f"{error.split('(')[0]}({names[error.split('(')[0]]['inputs'][0]['type']})"


def test_where_results_cannot_come_back_only_calls_with_a_callback_are_refused(shard):
    block = shard.begin(to_1=ChannelTerms(GWEI, RETURN_CHANNEL_CLOSED))
    asking = shard.outbox(block, "sendWithCallback", 1, BOB, GAS, GAS, BOB, b"", value=2 * FEE)
    others = [shard.outbox(block, "send", 1, BOB, 0, GAS, BOB, b"", value=FEE), shard.outbox(block, "transfer", 1, BOB, value=1)]
    shard.finish(block)
    assert [outcome.status for outcome in (asking, *others)] == [0, 1, 1]
    assert receipt_of(shard, others[0]).fee == FEE, "the bit is no part of the base fee"
    refused = ask(shard, OUTBOX_CONTRACT, "sendWithCallback", 1, BOB, GAS, GAS, BOB, b"", value=2 * FEE)
    assert refused.output == keccak256(b"ChannelClosed(uint32)")[:4] + (1).to_bytes(32, "big")
    assert [number(ask(shard, OUTBOX_CONTRACT, "quoteWithCallback", 1, GAS, GAS).output)] == [2 * FEE]
    kept = system.read_terms(lambda account, slot: shard.engine.storage(shard.root, account, slot), 3)
    assert kept == (ChannelTerms(0, 0), ChannelTerms(GWEI, RETURN_CHANNEL_CLOSED), ChannelTerms(GWEI, 0), ChannelTerms(0, CHANNEL_CLOSED))
    block = shard.begin()
    assert shard.outbox(block, "sendWithCallback", 1, BOB, GAS, GAS, BOB, b"", value=2 * FEE).status == 1
    shard.finish(block)


@pytest.mark.parametrize("data", [b"", b"\1" * 100])
def test_a_message_costs_the_same_gas_in_the_block_of_another_and_in_the_next(shard, data):
    def send(block):
        return shard.outbox(block, "send", 1, BOB, 0, GAS, CONTRACT, data, value=FEE).gas_used

    first = shard.begin()
    send(first)
    behind = send(first)
    shard.finish(first)
    second = shard.begin()
    assert send(second) == behind


@pytest.mark.parametrize("limit", [{"receipts_per_block_max": 2}, {"outbox_bytes_per_block_max": 1024}])
def test_a_full_outbox_refuses_until_the_next_block(limit):
    shard = Shard(CODES, **limit)
    for _ in range(2):
        block = shard.begin()
        outcomes = [shard.outbox(block, "transfer", 1, BOB, value=1) for _ in range(3)]
        assert [o.status for o in outcomes] == [1, 1, 0]
        shard.finish(block)
    block = shard.begin()
    context = shard.context()
    for i in range(2):
        shard.outbox(block, "transfer", 1 + i, BOB, value=1)
    shard.finish(block)
    request = CallRequest(
        sender=address(0), to=OUTBOX, gas=None, gas_price=b"", value=b"", data=OUTBOX_CONTRACT.encode_call("transfer", 1, BOB),
    )  # fmt: skip
    assert shard.engine.call(shard.root, context, request).output == keccak256(b"OutboxFull()")[:4]


def test_data_counts_towards_the_bytes_of_a_block():
    shard = Shard(CODES, outbox_bytes_per_block_max=1024)
    gas = 21_000 + 40 * 641
    full = ask(shard, OUTBOX_CONTRACT, "send", 1, BOB, 0, gas, BOB, bytes(641), value=10**18)
    assert (full.success, full.output) == (False, keccak256(b"OutboxFull()")[:4])
    assert ask(shard, OUTBOX_CONTRACT, "send", 1, BOB, 0, gas, BOB, bytes(640), value=10**18).success


def test_what_is_attached_beyond_the_quote_is_fee_and_a_wei_less_is_refused(shard):
    quote = number(ask(shard, OUTBOX_CONTRACT, "quote", 2, GAS).output)
    assert quote == FEE
    refused = ask(shard, OUTBOX_CONTRACT, "send", 2, BOB, 7, GAS, BOB, b"", value=7 + quote - 1)
    assert refused.output == keccak256(b"FeeShort(uint256)")[:4] + quote.to_bytes(32, "big")
    block = shard.begin()
    assert receipt_of(shard, shard.outbox(block, "send", 2, BOB, 7, GAS, BOB, b"", value=7 + quote)).fee == quote


def test_terms_of_the_referenced_beacon_block_close_open_and_price_a_channel(shard):
    block = shard.begin(to_1=ChannelTerms(5, 1), to_3=ChannelTerms(0, 0))
    assert shard.outbox(block, "transfer", 1, BOB, value=1).status == 0
    assert shard.outbox(block, "transfer", 3, BOB, value=1).status == 1
    shard.finish(block)
    assert number(ask(shard, OUTBOX_CONTRACT, "quote", 1, GAS).output) == 2 * GAS * 5
    block = shard.begin(to_1=ChannelTerms(6, 0))
    assert shard.outbox(block, "transfer", 1, BOB, value=1).status == 1
    assert shard.outbox(block, "transfer", 3, BOB, value=1).status == 0
    shard.finish(block)
    assert number(ask(shard, OUTBOX_CONTRACT, "quote", 1, GAS).output) == 2 * GAS * 6


def test_a_callback_is_quoted_at_this_shards_base_fee_and_what_is_beyond_is_the_amount(shard):
    shard.base_fee = 3 * GWEI // 2
    quote = number(ask(shard, OUTBOX_CONTRACT, "quoteWithCallback", 2, GAS, 50_000).output)
    assert quote == FEE + 2 * 50_000 * shard.base_fee
    block = shard.begin()
    outcome = shard.outbox(block, "sendWithCallback", 2, BOB, GAS, 50_000, CONTRACT, b"\1" * 4088, value=quote + 9)
    assert outcome.status == 0, "that much data needs more gas"
    outcome = shard.outbox(block, "sendWithCallback", 2, BOB, GAS, 50_000, CONTRACT, b"\1", value=quote + 9)
    result = shard.finish(block)
    data = (50_000).to_bytes(8, "big") + b"\1"
    receipt = receipt_of(shard, outcome)
    assert receipt == CrossShardReceipt(0, 2, 0, ReceiptKind.CALL_WITH_CALLBACK, address(0), BOB, 9, GAS, FEE, CONTRACT, data)
    assert (result.sent, shard.balance(OUTBOX)) == (9 + FEE, quote - FEE)
    told = ask(shard, OUTBOX_CONTRACT, "awaitedCallback", outcome.logs[0].topics[1]).output
    assert decode(("address", "uint32", "uint64", "uint256", "address"), told) == (
        "0x" + address(0).hex(), 2, 50_000, quote - FEE, "0x" + CONTRACT.hex(),
    )  # fmt: skip
    assert not any(ask(shard, OUTBOX_CONTRACT, "awaitedCallback", b"\1" * 32).output)
    assert not any(ask(shard, OUTBOX_CONTRACT, "failedCallback", outcome.logs[0].topics[1]).output)
    shard.audit()


def test_the_longest_data_beside_a_callback(shard):
    block = shard.begin()
    gas = 21_000 + 40 * 4088
    value = 2 * (gas + 21_000) * GWEI
    outcome = shard.outbox(block, "sendWithCallback", 1, BOB, gas, 21_000, BOB, b"\1" * 4088, value=value)
    assert len(receipt_of(shard, outcome).data) == 4096


def test_ether_forced_in_stays(shard):
    block = shard.begin()
    assert shard.send(block, 0, FORCER, 9).status == 1
    shard.outbox(block, "transfer", 1, BOB, value=4)
    assert shard.finish(block).sent == 4
    assert shard.balance(OUTBOX) == 9
    shard.audit()


@pytest.mark.parametrize(
    ("contract", "method", "arguments"),
    [
        (OUTBOX_CONTRACT, "refund", (1, BOB)),
        (OUTBOX_CONTRACT, "result", (1, BOB, GAS, BOB, b"\1")),
        (OUTBOX_CONTRACT, "close", (b"\1" * 32,)),
        (OUTBOX_CONTRACT, "fail", (b"\1" * 32, b"\2" * 32)),
        (OUTBOX_CONTRACT, "begin", ([1], [2])),
        (OUTBOX_CONTRACT, "end", (1, 1)),
        (INBOX_CONTRACT, "advance", ([1], [1], [b"\1" * 32])),
    ],
)
def test_only_the_system_address_may(shard, contract, method, arguments):
    assert not ask(shard, contract, method, *arguments).success
    assert ask(shard, contract, method, *arguments, sender=SYSTEM_ADDRESS).success


def test_outbox_takes_no_ether_without_a_purpose(shard):
    block = shard.begin()
    assert shard.send(block, 0, OUTBOX, 5).status == 0
    assert shard.send(block, 0, INBOX, 5).status == 0


@pytest.mark.parametrize("source", [0, 1, 3, 31])
def test_alias_equals_ours(shard, source):
    assert ask(shard, INBOX_CONTRACT, "aliasOf", source, BOB).output[12:] == alias_of(source, BOB)


def test_inbox_answers_what_was_taken(shard):
    receipts = [CrossShardReceipt(2, 0, i, 0, BOB, BOB, 7, 0, 0, BOB, b"") for i in range(3)]
    block = shard.begin()
    for receipt in receipts:
        block.deliver(receipt)
    shard.finish(block)
    totals = EMPTY_CHANNEL.add(receipts, shard.parameters.chain_id_base)
    assert number(ask(shard, INBOX_CONTRACT, "nextNonce", 2).output) == 3
    taken = ask(shard, INBOX_CONTRACT, "taken", 2).output
    assert (number(taken[:32]), number(taken[32:64]), taken[64:]) == (3, 21, totals.accumulator)


def test_artefacts_are_what_the_sources_compile_to(capsys):
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no Vyper compiler: make setup-checks installs it")
    assert build.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_artefact_is_named(tmp_path, monkeypatch, capsys):
    if build.find_compiler() is None:
        pytest.skip("no Vyper compiler: make setup-checks installs it")
    for source in (*Path(build.HERE).glob("*.vy"), *Path(build.HERE).glob("*.json")):
        shutil.copy(source, tmp_path)
    (tmp_path / "inbox.json").write_text("{}")
    compiler = build.find_compiler()
    monkeypatch.setattr(build, "find_compiler", lambda: compiler)
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert build.main(["--check"]) == 1
    assert "inbox.json: not what the sources compile to" in capsys.readouterr().err
