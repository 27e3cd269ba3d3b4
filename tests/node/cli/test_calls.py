"""Calls on another shard from the command line: what is sent, how its life is told, and what is refused before it is sent."""

from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode
from eth_utils import to_checksum_address

from node.cli import journey
from node.cli.journey import Journey, NotDone
from node.cli.outbox import Call
from node.cluster.accounts import TEST_ACCOUNTS
from primitives.errors import UserError
from shard.contracts import CLOSED, OUTBOX, OUTBOX_CONTRACT, RETURN_CLOSED
from tests.node.cli.fake_rpc import FakeClient
from tests.node.cli.test_commands import Captured, run
from tests.node.cli.test_journey import DELIVERED, HASH, TO, client, names, sent, wanted

ME = TEST_ACCOUNTS[0].address.lower()
GAS, QUOTE, COIN = 200_000, 400_000 * 10**9, 10**18
LIMITS = 500 | 200_000 << 64 | 4096 << 128 | 1_000_000 << 192
REFUND_ID, REFUNDED = "0x" + "ee" * 32, "0x" + "ef" * 32
CROSSLINK = {"block": {"number": "0x9", "hash": HASH}}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey.time, "sleep", lambda seconds: None)


def life(kind: str, status: str, name: str, amount: int = 5, **more: Any) -> dict[str, Any]:
    delivery = {"block": {"number": "0x6", "hash": HASH}, "transactionHash": name, "status": status, "finalized": True}
    told = {"kind": kind, "amount": hex(amount), "to": ME, "crosslink": CROSSLINK, "delivery": delivery}
    return {"receipts": [told | more]}


def calling(lives: dict[str, Any], logs: list[Any] | None = None, limits: int = LIMITS, terms: int = 10**9) -> FakeClient:
    def storage(account: str, slot: str, block: str) -> str:
        return hex(limits if int(slot, 16) == OUTBOX_CONTRACT.slots["limits"] else terms)

    def receipt(name: str) -> dict[str, Any]:
        found = {"blockNumber": "0x5", "blockHash": HASH, "status": "0x1", "gasUsed": "0x5208", "effectiveGasPrice": hex(10**9)}
        return found | {"logs": logs or []}

    return client(
        eth_getStorageAt=storage, eth_call=lambda call, block: hex(QUOTE), eth_getTransactionReceipt=receipt,
        shard_getCrossShardTransaction=lives.get,
    )  # fmt: skip


def call(gas: int = GAS, data: bytes = b"\x01\x02", refund_to: str = ME, callback_gas: int | None = None) -> Any:
    return wanted(to_shard=1, value=7, call=Call(gas, refund_to, data, callback_gas))


def test_a_call_is_sent_with_twice_the_quote_and_its_success_told() -> None:
    fake = calling({HASH: life("0x2", "0x1", DELIVERED)})
    steps = list(Journey(fake, call(), 60.0).steps())
    assert [step.name for step in steps] == ["sent", "included", "safe", "crosslinked", "called", "finalized"]
    assert steps[4].sentence == f"the call succeeded on shard 1 in block 6, 21000 gas for 0.000021 coins: {DELIVERED}"
    assert steps[4].details["gas_used"] == 21_000
    fields, sender = sent(fake)
    assert sender.lower() == ME
    assert (bytes(fields["to"]), fields["value"]) == (OUTBOX, 7 + 2 * QUOTE)
    selector, kinds = OUTBOX_CONTRACT.methods["send"]
    data = bytes(fields["data"])
    assert data[:4] == selector
    assert decode(kinds, data[4:]) == (1, TO, 7, GAS, ME, b"\x01\x02")
    quoted = next(arguments[0] for method, arguments, _ in fake.asked if method == "eth_call")
    assert quoted == {"to": "0x" + OUTBOX.hex(), "data": "0x" + OUTBOX_CONTRACT.encode_call("quote", 1, GAS).hex()}


def test_a_failed_call_is_followed_until_its_refund_is_back() -> None:
    log = {"address": "0x" + OUTBOX.hex(), "topics": ["0x" + OUTBOX_CONTRACT.topics["Sent"].hex(), REFUND_ID]}
    fake = calling({HASH: life("0x2", "0x0", DELIVERED), REFUND_ID: life("0x0", "0x1", REFUNDED, COIN * 3 // 2)}, [log])
    steps, sentences = Journey(fake, call(), 60.0).steps(), []
    with pytest.raises(NotDone) as failed:
        sentences.extend(step.sentence for step in steps)
    assert str(failed.value) == f"the call failed on shard 1: 1.5 coins returned to {to_checksum_address(ME)} on shard 0"
    assert sentences[3:] == [
        "crosslinked by beacon block 9",
        f"the call failed on shard 1 in block 6, 21000 gas for 0.000021 coins: {DELIVERED}",
        "crosslinked by beacon block 9",
        f"credited on shard 0 in block 6: {REFUNDED}",
        "block 6 of shard 0 is recorded in a final beacon block",
    ]


SENT_HOME = {"address": "0x" + OUTBOX.hex(), "topics": ["0x" + OUTBOX_CONTRACT.topics["Sent"].hex(), REFUND_ID]}


def test_a_call_with_a_callback_is_followed_until_its_sender_was_told() -> None:
    lives = {HASH: life("0x3", "0x1", DELIVERED), REFUND_ID: life("0x4", "0x1", REFUNDED)}
    # A callee that has sent a message of its own; what comes back is the last.
    onward = SENT_HOME | {"topics": [SENT_HOME["topics"][0], "0x" + "0d" * 32]}
    fake = calling(lives, [onward, SENT_HOME])
    steps = list(Journey(fake, call(callback_gas=50_000), 60.0).steps())
    assert [step.name for step in steps] == [
        "sent", "included", "safe", "crosslinked", "called", "finalized", "crosslinked", "callback", "finalized",
    ]  # fmt: skip
    assert steps[7].sentence == f"the callback succeeded on shard 0 in block 6, 21000 gas for 0.000021 coins: {REFUNDED}"
    fields, _ = sent(fake)
    assert (bytes(fields["to"]), fields["value"]) == (OUTBOX, 7 + QUOTE * 5 // 4)
    selector, kinds = OUTBOX_CONTRACT.methods["sendWithCallback"]
    data = bytes(fields["data"])
    assert data[:4] == selector
    assert decode(kinds, data[4:]) == (1, TO, GAS, 50_000, ME, b"\x01\x02")
    quoted = next(arguments[0] for method, arguments, _ in fake.asked if method == "eth_call")
    assert quoted["data"] == "0x" + OUTBOX_CONTRACT.encode_call("quoteWithCallback", 1, GAS, 50_000).hex()


def test_a_callback_that_failed_ends_in_words() -> None:
    lives = {HASH: life("0x3", "0x1", DELIVERED), REFUND_ID: life("0x4", "0x0", REFUNDED)}
    steps, told = Journey(calling(lives, [SENT_HOME]), call(callback_gas=50_000), 60.0).steps(), []
    with pytest.raises(NotDone, match=r"^the call succeeded on shard 1, but its callback failed on shard 0$"):
        told.extend(step.name for step in steps)
    assert told[-2:] == ["callback failed", "finalized"]


def test_a_failed_call_with_a_callback_tells_where_the_rest_went() -> None:
    lives = {HASH: life("0x3", "0x0", DELIVERED), REFUND_ID: life("0x4", "0x1", REFUNDED, COIN, refundTo="0x" + "77" * 20)}
    steps, told = Journey(calling(lives, [SENT_HOME]), call(callback_gas=50_000), 60.0).steps(), []
    with pytest.raises(NotDone) as failed:
        told.extend(step.name for step in steps)
    assert str(failed.value) == f"the call failed on shard 1: 1 coins returned to 0x{'77' * 20} on shard 0"
    assert told[4:] == ["failed", "crosslinked", "callback", "finalized"]


def test_a_failed_call_that_leaves_nothing() -> None:
    with pytest.raises(NotDone, match="it had no value, and its whole fee was used up"):
        names(calling({HASH: life("0x1", "0x0", DELIVERED)}), call())


@pytest.mark.parametrize(
    ("asked", "changes", "words"),
    [
        (call(gas=21_079), {}, "option --gas: 21079 is out of range: this call may have 21080 to 1000000"),
        (call(gas=1_000_001), {}, "option --gas: 1000001 is out of range: this call may have 21080 to 1000000"),
        (call(data=bytes(4097)), {}, "option --data: 4097 bytes are too many for a call on another shard, at most 4096"),
        (call(data=bytes(4089), callback_gas=50_000), {}, "option --data: 4089 bytes are too many for a call on another shard, at most"),
        (call(callback_gas=20_999), {}, "option --callback-gas: 20999 is out of range: a callback may have 21000 to 1000000"),
        (call(callback_gas=1_000_001), {}, "option --callback-gas: 1000001 is out of range: a callback may have 21000 to 1000000"),
        (call(), {"terms": CLOSED | 7}, "shard 1 has more messages waiting than it may"),
        (call(callback_gas=50_000), {"terms": RETURN_CLOSED | 7}, "shard 1 has more messages waiting on the way back than it may"),
    ],
)
def test_what_outbox_would_refuse_is_not_sent(asked: Any, changes: dict[str, int], words: str) -> None:
    fake = calling({}, **changes)
    with pytest.raises(UserError) as refused:
        names(fake, asked)
    assert str(refused.value).startswith(words)
    assert refused.value.exit_code == (2 if words.startswith("option ") else 1)
    assert not [method for method, _, _ in fake.asked if method == "eth_sendRawTransaction"]


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        (("--to-shard", 1, "--data", "0x01"), "--data", "a call on another shard needs a gas limit: add --gas"),
        (("--to-shard", 1, "--data", "hello", "--gas", 1), "--data", "'hello' is not hexadecimal: write it as 0x"),
        (("--to-shard", 1, "--gas", -1), "--gas", "is not in the range"),
        (("--to-shard", 1, "--gas", "many"), "--gas", "is not a valid integer"),
        (("--gas", 100_000), "--gas", "belongs to a call on another shard"),
        (("--to-shard", 0, "--refund-to", 1), "--refund-to", "belongs to a call on another shard"),
        (("--to-shard", 1, "--value", 1, "--refund-to", 1), "--refund-to", "nothing of a transfer can be left"),
        (("--to-shard", 1, "--gas", 100_000, "--refund-to", "bob"), "--refund-to", "is not an address"),
        (("--callback-gas", 50_000), "--callback-gas", "belongs to a call on another shard"),
        (("--to-shard", 1, "--value", 1, "--callback-gas", 50_000), "--callback-gas", "a transfer has no outcome to tell"),
        (("--to-shard", 1), "--value", "nothing would arrive on the other shard"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[Any, ...], option: str, words: str, tmp_path: Path, capsys: Captured) -> None:
    assert run("send", "--from", 0, "--to", 1, *options, "--data-dir", tmp_path) == 2
    told = capsys.readouterr().err
    assert option in told
    assert words in told


def test_the_sender_gets_the_rest_unless_somebody_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("node.cli.send.open_client", lambda *arguments: None)
    monkeypatch.setattr("node.cli.send.follow", lambda client, what, *rest: asked.append(what))
    for more in ((), ("--refund-to", 2)):
        assert run("send", "--from", 0, "--to", 1, "--to-shard", 1, "--gas", GAS, "--data", "0x0102", *more) == 0
    assert run("send", "--from", 0, "--to", 1, "--to-shard", 1, "--gas", GAS, "--callback-gas", 50_000) == 0
    assert asked.pop().call == Call(GAS, ME, b"", 50_000)
    assert [what.call for what in asked] == [
        Call(GAS, ME, b"\x01\x02"), Call(GAS, TEST_ACCOUNTS[2].address.lower(), b"\x01\x02"),
    ]  # fmt: skip
