"""Going back to a moment of a network that one node has alone: all chains, and what is on its way between them."""

import threading

import pytest

from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, new_account, next_nonce, sign
from tests.e2e.controls.test_controls import COIN, newest, receipt_of, require_sound
from tests.e2e.harness import balance, make_options, running, wait_for

TRIES_MAX = 5


@pytest.fixture
def solo(tmp_path):
    with running(tmp_path / "network", make_options(nodes=1, block_time_ms=1000, idle_block_time_ms=3000)) as cluster:
        yield cluster


def cross(client, account, to, value):
    """A transfer to shard 1 in a final block of shard 0; its hash."""
    call = OUTBOX_CONTRACT.encode_call("transfer", 1, bytes.fromhex(to[2:]))
    raw = sign(account, 735_700, next_nonce(client, account), to="0x" + OUTBOX.hex(), value=value, data=call, gas=300_000)
    transaction = client.call("eth_sendRawTransaction", raw)
    receipt_of(client, transaction)
    return transaction


def snapshot_in_flight(client, there, account):
    """A snapshot in which a coin has left shard 0 and not arrived on shard 1: (id, to whom)."""
    for _ in range(TRIES_MAX):
        bob = new_account().address
        cross(client, account, bob, COIN)
        id = client.call("evm_snapshot")
        if balance(there, bob) == 0:
            return id, bob
    raise AssertionError("every coin had arrived before a snapshot was taken")


def require_honest(client):
    assert client.batch([("beacon_getEvidence", ())], "/beacon")[0] == []
    assert all(validator["slashedAt"] is None for validator in client.batch([("beacon_getValidators", ())], "/beacon")[0])


def test_all_chains_and_what_is_on_its_way_are_as_they_were(solo):
    client, there = solo.client(), solo.client(shard=1)
    alice, carol = known_account(1), known_account(2)
    id, bob = snapshot_in_flight(client, there, alice)
    height, _ = newest(client)
    wait_for("the coin", lambda: balance(there, bob) == COIN)
    local = sign(carol, 735_700, next_nonce(client, carol), to=bob, value=5)
    transaction = client.call("eth_sendRawTransaction", local)
    receipt_of(client, transaction)
    lost = cross(client, carol, bob, COIN)
    client.call("dev_mine", 10)
    pooled = sign(carol, 735_700, 9, to=bob, value=5)
    client.call("eth_sendRawTransaction", pooled)
    filter_id = client.call("eth_newBlockFilter")

    assert client.call("evm_revert", id) is True
    assert newest(client)[0] <= height + 1
    assert (balance(client, bob), next_nonce(client, carol)) == (0, 0)
    assert client.call("eth_getTransactionReceipt", transaction) is None
    assert client.call("shard_getCrossShardTransaction", lost) is None
    assert client.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    client.call("eth_getFilterChanges", filter_id)
    before = newest(client)[0]
    client.call("dev_mine", 2)
    assert len(client.call("eth_getFilterChanges", filter_id)) >= newest(client)[0] - before

    # what was on its way arrives, once
    wait_for("the coin again", lambda: balance(there, bob) == COIN)
    there.call("dev_mine", 3)
    assert balance(there, bob) == COIN
    # what was undone may happen again
    assert client.call("eth_sendRawTransaction", local) == transaction
    assert receipt_of(client, transaction)["status"] == "0x1"
    assert balance(client, bob) == 5
    assert client.call("evm_revert", id) is False
    require_honest(client)
    require_sound(solo)


def test_later_snapshots_go_earlier_ones_stay_and_the_clock_is_as_it_was(solo):
    client, somebody = solo.client(), new_account().address
    first = client.call("dev_snapshot")
    _, then = newest(client)
    client.call("dev_setBalance", somebody, "0x1")
    second = client.call("anvil_snapshot")
    client.call("dev_setBalance", somebody, "0x2")
    third = client.call("evm_snapshot")
    assert int(first, 16) < int(second, 16) < int(third, 16)
    client.call("evm_increaseTime", 10**6)
    client.call("evm_mine")
    client.call("dev_jumpEpoch")
    assert client.call("anvil_revert", second) is True
    assert balance(client, somebody) == 1
    assert client.call("evm_revert", third) is False
    client.call("evm_mine")
    assert newest(client)[1] < then + 10**6
    assert client.call("evm_revert", int(first, 16)) is True
    assert balance(client, somebody) == 0
    assert int(client.call("evm_snapshot"), 16) > int(second, 16)
    require_honest(client)
    require_sound(solo)


def test_a_node_that_is_killed_after_going_back_goes_on_from_there(solo):
    client, somebody = solo.client(), new_account().address
    client.call("dev_setBalance", somebody, "0x7")
    earlier, id = client.call("evm_snapshot"), client.call("evm_snapshot")
    client.call("dev_setBalance", somebody, "0x8")
    client.call("dev_mine", 5)
    client.call("evm_increaseTime", 5000)
    assert client.call("evm_revert", id) is True
    solo.kill(0)
    solo.start(0)
    solo.wait_ready()
    client = solo.client()
    assert balance(client, somebody) == 7
    client.call("dev_mine", 3)
    client.batch([("dev_mine", (3,))], "/beacon")
    assert client.call("evm_revert", id) is False
    client.call("dev_setBalance", somebody, "0x9")
    assert client.call("evm_revert", earlier) is True
    assert balance(client, somebody) == 7
    client.call("dev_mine")
    require_honest(client)
    require_sound(solo)


def test_whoever_asks_meanwhile_waits_for_a_moment(solo):
    client, stop, asked, refused = solo.client(), threading.Event(), [], []

    def ask(shard):
        own = solo.client(shard=shard)
        while not stop.is_set():
            try:
                own.batch([("eth_blockNumber", ()), ("eth_getBalance", (known_account(0).address, "latest")), ("shard_getSupply", ())])
                own.call("shard_getBalances", known_account(0).address)
                asked.append(shard)
            except Exception as error:
                refused.append(error)

    threads = [threading.Thread(target=ask, args=(shard,)) for shard in (0, 1, 0)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            id = client.call("evm_snapshot")
            client.call("dev_mine", 2)
            assert client.call("evm_revert", id) is True
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert refused == []
    assert len(asked) > 10
    require_sound(solo)
