"""The command line against a live network: a crossing, and the audit during load and after it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from node.cluster.accounts import COIN
from shard.contracts import OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, new_account, next_nonce, sign
from tests.e2e.harness import SHARDS, Cluster, balance, lines_of, wait_for

CROSSING_STEPS = ["sent", "included", "safe", "crosslinked", "received", "credited", "finalized"]
OUTBOX = "0x" + OUTBOX_CONTRACT.address.hex()


def test_a_crossing_is_told_step_by_step_and_credits_exactly_what_was_sent(cluster: Cluster) -> None:
    receiver, sender = new_account().address, known_account(4).address
    source, destination = cluster.client(0, 0), cluster.client(2, 1)
    before = balance(source, sender)
    arguments = ("send", "--from", "4", "--to", receiver, "--value", "1.5", "--shard", "0", "--to-shard", "1", "--wait", "finalized")
    told = cluster.command(*arguments, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    steps = lines_of(told)
    assert [step["step"] for step in steps] == CROSSING_STEPS
    wait_for("credit at another node", lambda: balance(destination, receiver, "finalized") == COIN * 3 // 2)
    assert balance(source, receiver) == 0
    receipt = source.call("eth_getTransactionReceipt", steps[0]["hash"])
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert before - balance(source, sender) == COIN * 3 // 2 + fee
    for client in (source, destination):
        client.close()


def test_a_crossing_is_told_in_sentences(cluster: Cluster) -> None:
    arguments = ("send", "--from", "4", "--to", "5", "--value", "1.5", "--shard", "1", "--to-shard", "0", "--wait", "finalized")
    told = cluster.command(*arguments)
    assert told.returncode == 0, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    words = ("sent to shard 1", "included in block", "final by the shard's committee", "crosslinked by beacon block",
             "received where shard 0 runs", "credited on shard 0 in block", "recorded in a final beacon block")  # fmt: skip
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True)), told.stdout


@contextmanager
def crossing_load(cluster: Cluster) -> Iterator[list[int]]:
    """Transfers to the other shard, from each shard, one after another until the end; how many were taken."""
    stop, counts = threading.Event(), [0] * SHARDS

    def keep_sending(shard: int) -> None:
        account, client = known_account(6 + shard), cluster.client(3, shard)
        data = "0x" + OUTBOX_CONTRACT.encode_call("transfer", 1 - shard, account.address).hex()
        nonce = next_nonce(client, account)
        while not stop.wait(0.1):
            raw = sign(account, 735_700 + shard, nonce + counts[shard], to=OUTBOX, value=10**15 + 1, data=data, gas=300_000)
            client.call("eth_sendRawTransaction", raw)
            counts[shard] += 1
        client.close()

    threads = [threading.Thread(target=keep_sending, args=(shard,)) for shard in range(SHARDS)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_an_audit_adds_up_during_load_and_after_it(cluster: Cluster) -> None:
    with crossing_load(cluster) as counts:
        wait_for("load on both shards", lambda: min(counts) >= 5)
        for _ in range(2):
            taken = list(counts)
            audit = cluster.command("audit", "--json")
            assert audit.returncode == 0, audit.stdout + audit.stderr
            assert lines_of(audit)[-1]["ok"] is True
            wait_for("more load", lambda taken=taken: all(new > old for new, old in zip(counts, taken, strict=True)))
    client = cluster.client()
    wait_for("end of all crossings", lambda: all(flight["value"] == "0x0" for flight in client.call("shard_getSupply")["inFlight"]))
    client.close()
    audit = cluster.command("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr
