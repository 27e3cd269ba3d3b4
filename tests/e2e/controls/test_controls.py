"""A network that one node has alone, and what its developer may do to it; on one of four nodes nobody has such controls."""

import pytest

from node.cluster.client import CallRefused
from shard.transactions import encode_impersonated
from tests.e2e.accounts import KEEPER_INIT, known_account, sign
from tests.e2e.harness import balance, make_options, running, wait_for

COIN = 10**18
SOMEBODY = "0x" + "5b" * 20
CONTRACT = "0x" + "5c" * 20
ANSWER = "0x602a5f5260205ff3"
"""Returns 42."""


@pytest.fixture(scope="module")
def solo(tmp_path_factory):
    with running(tmp_path_factory.mktemp("controls") / "network", make_options(nodes=1)) as cluster:
        yield cluster


def newest(client):
    block = client.call("eth_getBlockByNumber", "latest", False)
    return int(block["number"], 16), int(block["timestamp"], 16)


def receipt_of(client, transaction):
    return wait_for(f"receipt of {transaction}", lambda: client.call("eth_getTransactionReceipt", transaction))


def require_sound(cluster):
    audited = cluster.command("audit")
    assert audited.returncode == 0, audited.stderr
    assert "everything adds up" in audited.stdout


def test_blocks_are_made_at_once_and_time_is_what_it_is_told_to_be(solo):
    client = solo.client()
    height, _ = newest(client)
    assert int(client.call("dev_mine", 5), 16) >= height + 5
    _, before = newest(client)
    client.call("evm_increaseTime", 86_400)
    client.call("evm_mine")
    _, after = newest(client)
    assert 86_400 <= after - before < 86_500
    client.call("evm_setNextBlockTimestamp", after + 1_000)
    client.call("evm_mine")
    assert newest(client)[1] == after + 1_000
    client.call("hardhat_mine", "0x3", "0x3c")
    height, last = newest(client)
    times = [int(client.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16) for number in range(height - 2, height + 1)]
    assert [times[1] - times[0], times[2] - times[1]] == [60, 60]
    with pytest.raises(CallRefused, match="is not after that of the newest block"):
        client.call("evm_setNextBlockTimestamp", last)
    # the other shard goes by the same clock
    other = solo.client(shard=1)
    other.call("evm_mine")
    assert newest(other)[1] >= last
    require_sound(solo)


def test_whoever_has_work_waits_for_nobody_while_blocks_come_by_themselves(solo):
    client, there = solo.client(), solo.client(shard=1)
    client.call("evm_setAutomine", True)
    client.call("anvil_impersonateAccount", known_account(3).address)
    bob = "0x" + "b0" * 20
    call = client.call("shard_buildTransfer", "0x0", "0x1", bob, hex(COIN))
    fields = {"from": known_account(3).address, "to": call["to"], "data": call["data"], "value": call["value"]}
    height, _ = newest(client)
    for count in range(1, 6):
        receipt_of(client, client.call("eth_sendTransaction", fields))
        wait_for(f"coin {count} on the other shard", lambda count=count: balance(there, bob) == count * COIN)
    assert newest(client)[0] >= height + 5
    # what has no work does not go on for ever
    height, _ = newest(client)
    wait_for("two idle blocks", lambda: newest(client)[0] >= height + 2)
    assert newest(client)[0] <= height + 4
    client.call("evm_setAutomine", False)
    require_sound(solo)


def test_the_next_epoch_begins_when_it_is_asked_for(solo):
    client = solo.client()
    epoch = int(client.call("dev_jumpEpoch"), 16)
    head = client.batch([("beacon_getHead", ())], "/beacon")[0]
    assert int(head["epoch"], 16) >= epoch
    assert int(client.call("dev_jumpEpoch"), 16) == int(head["epoch"], 16) + 1


def test_accounts_are_what_they_are_made(solo):
    client, rich = solo.client(), known_account(0).address
    assert client.call("hardhat_setBalance", SOMEBODY, hex(3 * COIN)) is True
    client.call("anvil_setBalance", rich, hex(COIN))
    assert (balance(client, SOMEBODY), balance(client, rich)) == (3 * COIN, COIN)
    client.call("anvil_setCode", CONTRACT, ANSWER)
    assert int(client.call("eth_call", {"to": CONTRACT}, "latest"), 16) == 42
    client.call("anvil_setStorageAt", CONTRACT, "0x7", "0x" + "00" * 31 + "09")
    assert int(client.call("eth_getStorageAt", CONTRACT, "0x7", "latest"), 16) == 9
    client.call("hardhat_setNonce", CONTRACT, 5)
    assert client.call("eth_getTransactionCount", CONTRACT, "latest") == "0x5"
    with pytest.raises(CallRefused, match="is 5 already"):
        client.call("hardhat_setNonce", CONTRACT, 4)
    with pytest.raises(CallRefused, match="belongs to the protocol"):
        client.call("anvil_setBalance", "0x0000000000000000000000000000000000005a01", "0x0")
    # what waits in the pool is judged by the account as it is now
    waiting = sign(known_account(2), 735_700, 1, to=SOMEBODY, value=1)
    client.call("eth_sendRawTransaction", waiting)
    client.call("dev_setNonce", known_account(2).address, 1)
    wait_for("the transaction whose nonce was made the next", lambda: client.call("txpool_status")["queued"] == "0x0")
    require_sound(solo)


def test_an_impersonated_contract_sends_here_and_to_another_shard(solo):
    client = solo.client()
    client.call("anvil_setCode", CONTRACT, ANSWER)
    client.call("anvil_setBalance", CONTRACT, hex(2 * COIN))
    with pytest.raises(CallRefused, match="is not impersonated"):
        client.call("eth_sendTransaction", {"from": CONTRACT, "to": SOMEBODY, "value": "0x1"})
    client.call("hardhat_impersonateAccount", CONTRACT)
    before = balance(client, SOMEBODY)
    sent = receipt_of(client, client.call("eth_sendTransaction", {"from": CONTRACT, "to": SOMEBODY, "value": hex(7)}))
    assert (sent["status"], sent["from"]) == ("0x1", CONTRACT)
    assert balance(client, SOMEBODY) == before + 7
    call = client.call("shard_buildTransfer", "0x0", "0x1", SOMEBODY, hex(COIN))
    fields = {"from": CONTRACT, "to": call["to"], "data": call["data"], "value": call["value"]}
    receipt_of(client, client.call("eth_sendTransaction", fields))
    wait_for("the coin on the other shard", lambda: balance(solo.client(shard=1), SOMEBODY) == COIN)
    deployed = receipt_of(client, client.call("eth_sendTransaction", {"from": CONTRACT, "data": KEEPER_INIT}))
    assert client.call("eth_getCode", deployed["contractAddress"], "latest") != "0x"
    client.call("hardhat_stopImpersonatingAccount", CONTRACT)
    with pytest.raises(CallRefused, match="is not impersonated"):
        client.call("eth_sendTransaction", {"from": CONTRACT, "to": SOMEBODY})
    trace = client.call("debug_traceTransaction", sent["transactionHash"], {"tracer": "callTracer"})
    assert (trace["from"], trace["value"]) == (CONTRACT, "0x7")
    require_sound(solo)


def test_nobody_but_an_impersonated_account_does_without_a_signature(solo):
    client, sender = solo.client(), bytes.fromhex(known_account(5).address[2:])
    forged = encode_impersonated(
        chain_id=735_700, sender=sender, nonce=0, fee=10**10, tip=1, gas=21_000, to=b"\1" * 20, value=1, data=b""
    )
    with pytest.raises(CallRefused, match="nobody impersonates"):
        client.call("eth_sendRawTransaction", "0x" + forged.hex())


def test_where_four_nodes_must_agree_there_are_no_controls(tmp_path):
    with running(tmp_path / "network", make_options()) as cluster:
        client = cluster.client()
        orders = [
            ("evm_snapshot",), ("evm_revert", "0x1"), ("dev_mine",), ("evm_mine",), ("dev_jumpEpoch",),
            ("evm_increaseTime", 1), ("evm_setNextBlockTimestamp", 2**32),
            ("anvil_setBalance", SOMEBODY, "0x1"), ("hardhat_impersonateAccount", SOMEBODY), ("eth_sendTransaction", {"from": SOMEBODY}),
        ]  # fmt: skip
        for order in orders:
            with pytest.raises(CallRefused, match="several validators have to agree on every block: start one that is yours alone"):
                client.call(*order)
