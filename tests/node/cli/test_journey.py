import re
from itertools import chain, repeat
from typing import Any

import pytest
from eth_abi import decode
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from node.cli import journey
from node.cli.journey import Journey, NotDone, Wanted
from node.cluster.accounts import TEST_ACCOUNTS
from node.cluster.client import CallRefused
from node.cluster.command import Place
from primitives.errors import InvalidConfig, UserError
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.node.cli.fake_rpc import FakeClient

HASH, DELIVERED = "0x" + "aa" * 32, "0x" + "bb" * 32
REF = {"number": "0x7", "hash": "0x" + "cc" * 32}
TO = TEST_ACCOUNTS[1].address.lower()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey.time, "sleep", lambda seconds: None)


def wanted(**changes: Any) -> Wanted:
    fields: dict[str, Any] = {
        "key": TEST_ACCOUNTS[0].key, "to": TO, "value": 5, "shard": 0, "to_shard": 0, "data": b"", "wait": "finalized",
    }  # fmt: skip
    return Wanted(**(fields | changes))


def client(**answers: Any) -> FakeClient:
    usual = {
        "shard_getNetwork": lambda: {"shardCount": "0x2"},
        "eth_getBalance": lambda *a: hex(10**18),
        "eth_chainId": lambda: hex(735_700),
        "eth_getTransactionCount": lambda *a: "0x3",
        "eth_estimateGas": lambda call: "0x5208",
        "eth_getBlockByNumber": lambda *a: REF | {"baseFeePerGas": hex(7)},
        "eth_sendRawTransaction": lambda raw: HASH,
        "txpool_contentFrom": lambda sender: {"pending": {}, "queued": {}},
        "eth_getTransactionReceipt": lambda hash: {"blockNumber": "0x5", "blockHash": HASH, "status": "0x1", "gasUsed": "0x5208"},
    }
    return FakeClient(usual | answers)


def sent(fake: FakeClient) -> tuple[dict[str, Any], str]:
    """The transaction that went out, and its sender."""
    raw = next(str(arguments[0]) for method, arguments, _ in fake.asked if method == "eth_sendRawTransaction")
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict(), Account.recover_transaction(raw)


def names(fake: FakeClient, what: Wanted) -> list[str]:
    return [step.name for step in Journey(fake, what, 60.0).steps()]


def test_within_a_shard() -> None:
    fake = client()
    assert names(fake, wanted(data=b"\x01", shard=1, to_shard=1)) == ["sent", "included", "safe", "finalized"]
    fields, sender = sent(fake)
    assert sender == TEST_ACCOUNTS[0].address
    assert (fields["nonce"], fields["value"], fields["chainId"], bytes(fields["data"])) == (3, 5, 735_700, b"\x01")
    assert bytes(fields["to"]).hex() == TO[2:]
    assert {path for method, _, path in fake.asked if method.startswith("eth_")} == {"/shard/1"}


@pytest.mark.parametrize(("wait", "last"), [("included", "included"), ("safe", "safe")])
def test_no_further_than_wanted(wait: str, last: str) -> None:
    assert names(client(), wanted(wait=wait, to_shard=1))[-1] == last


def test_across_shards_every_step_when_it_happens() -> None:
    crosslink = {"block": {"number": "0x9", "hash": HASH}}
    delivery = {"block": {"number": "0x6", "hash": HASH}, "transactionHash": DELIVERED, "status": "0x1", "finalized": False}
    lives = chain(
        [None, {"receipts": []}, {"receipts": [{"kind": "0x0", "crosslink": None, "delivery": None}]}],
        repeat({"receipts": [{"kind": "0x0", "crosslink": crosslink, "delivery": None}]}, 2),
        repeat({"receipts": [{"kind": "0x0", "crosslink": crosslink, "bundle": {"timestampMs": "0x7"}, "delivery": None}]}, 2),
        repeat({"receipts": [{"kind": "0x0", "crosslink": crosslink, "delivery": delivery}]}, 3),
        repeat({"receipts": [{"kind": "0x0", "crosslink": crosslink, "delivery": delivery | {"finalized": True}}]}),
    )
    fake = client(shard_getCrossShardTransaction=lambda hash: next(lives))
    steps = list(Journey(fake, wanted(to_shard=1), 60.0).steps())
    assert [step.name for step in steps] == ["sent", "included", "safe", "crosslinked", "received", "credited", "finalized"]
    assert "beacon block 9" in steps[3].sentence
    assert steps[4].details == {"shard": 1, "time_ms": 7}
    assert DELIVERED in steps[5].sentence
    assert "shard 1 in block 6" in steps[5].sentence
    fields, _ = sent(fake)
    assert bytes(fields["to"]) == OUTBOX
    data = bytes(fields["data"])
    assert data[:4] == OUTBOX_CONTRACT.methods["transfer"][0]
    assert decode(("uint32", "address"), data[4:]) == (1, TO)


def test_a_failed_transaction_is_a_failure() -> None:
    fake = client(eth_getTransactionReceipt=lambda hash: {"blockNumber": "0x5", "blockHash": HASH, "status": "0x0", "gasUsed": "0x1"})
    with pytest.raises(NotDone, match="failed there"):
        names(fake, wanted())


def test_time_runs_out() -> None:
    with pytest.raises(NotDone, match=r"in no block of shard 0 after 0 s"):
        list(Journey(client(eth_getTransactionReceipt=lambda hash: None), wanted(), 0.0).steps())


@pytest.mark.parametrize(
    ("value", "needed"), [(2 * 10**18, "2"), (10**18, "1.000021000000294")], ids=["the value", "the fee"],
)  # fmt: skip
def test_too_much_is_told_in_coins(value: int, needed: str) -> None:
    fake = client()
    with pytest.raises(UserError) as refused:
        names(fake, wanted(value=value, shard=1, to_shard=1))
    account = TEST_ACCOUNTS[0].address
    assert f"account {account} has 1 coins on shard 1 and needs at least {needed}:" in str(refused.value)
    assert f"faucet {account} --shard 1" in str(refused.value)
    assert "eth_sendRawTransaction" not in {method for method, _, _ in fake.asked}


def test_a_shard_that_is_not_there() -> None:
    fake = client()
    with pytest.raises(InvalidConfig, match="option --to-shard: there is no shard 2"):
        names(fake, wanted(to_shard=2))
    assert not [method for method, _, _ in fake.asked if method == "eth_sendRawTransaction"]


def pooled(nonce: int, fee: int, tip: int = 0) -> dict[str, Any]:
    return {"pending": {str(nonce): {"gasPrice": hex(fee), "maxFeePerGas": hex(fee), "maxPriorityFeePerGas": hex(tip)}}, "queued": {}}


EMPTY: dict[str, Any] = {"pending": {}, "queued": {}}


@pytest.mark.parametrize(
    ("due", "pool", "told"),
    [
        (1, pooled(1, fee=6), r"it waits behind nonce 1, which offers 6 wei a gas, less than the base fee of 7 wei: .* --nonce 1 puts an"),
        (3, pooled(3, fee=6), r"it offers 6 wei a gas, less than the base fee of 7 wei: .*--from 0 --to 0x\w{40} --shard 0 --nonce 3"),
        (1, pooled(2, fee=6), r"it waits for nonce 1, which the node does not have: .*send --from 0 .* --nonce 1 fills"),
    ],
)
def test_what_blocks_it_is_told_at_once_and_at_the_end(due: int, pool: dict[str, Any], told: str) -> None:
    fake = client(
        eth_getTransactionReceipt=lambda hash: None, txpool_contentFrom=lambda sender: pool,
        eth_getTransactionCount=lambda account, tag: hex(3 if tag == "pending" else due),
    )  # fmt: skip
    steps = Journey(fake, wanted(), 0.0).steps()
    assert next(steps).name == "sent"
    blocked = next(steps)
    assert blocked.name == "waits"
    assert re.match(told, blocked.sentence)
    with pytest.raises(NotDone, match="after 0 s: " + told):
        next(steps)


@pytest.mark.parametrize(("due", "pool"), [(1, pooled(1, fee=7)), (3, EMPTY), (4, EMPTY)], ids=["it pays", "gone", "in a block"])
def test_nothing_blocks_it(due: int, pool: dict[str, Any]) -> None:
    fake = client(
        eth_getTransactionReceipt=lambda hash: None, txpool_contentFrom=lambda sender: pool,
        eth_getTransactionCount=lambda account, tag: hex(3 if tag == "pending" else due),
    )  # fmt: skip
    with pytest.raises(NotDone, match="shows whether the chains grow"):
        list(Journey(fake, wanted(), 0.0).steps())


def test_a_nonce_replaces_what_waits_with_it() -> None:
    fee = 10**12
    fake = client(txpool_contentFrom=lambda sender: pooled(9, fee=fee, tip=fee))
    names(fake, wanted(nonce=9))
    fields, _ = sent(fake)
    assert fields["nonce"] == 9
    assert fields["maxFeePerGas"] >= fields["maxPriorityFeePerGas"] > fee * 11 // 10


def refuse(call: Any) -> Any:
    raise CallRefused("eth_estimateGas", 3, "execution reverted")


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, f"{TO} on shard 0 .* it is a contract, say with --data"),
        ({"to": "0x" + OUTBOX.hex()}, "name their receiver with --to and the shard with --to-shard"),
        ({"to_shard": 1}, "the Outbox contract on shard 0 .* try again later"),
    ],
)
def test_a_receiver_that_takes_nothing(changes: dict[str, Any], advice: str) -> None:
    fake = client(eth_estimateGas=refuse)
    with pytest.raises(NotDone, match=advice):
        names(fake, wanted(**changes))
    assert "eth_sendRawTransaction" not in {method for method, _, _ in fake.asked}


def test_what_is_told_next_asks_the_same_node() -> None:
    fake = client()
    fake.place = Place(url="http://10.0.0.1:9545")
    with pytest.raises(UserError, match=r"faucet 0x\w{40} --shard 0 --rpc http://10.0.0.1:9545$"):
        names(fake, wanted(value=2 * 10**18))
