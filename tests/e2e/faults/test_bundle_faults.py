"""`shardnet fault` on a network that runs: what it does to a channel is seen while it lasts, and all comes once when it is over."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from node.cluster.bundle_faults import KINDS
from node.cluster.client import Client
from node.cluster.health import ask_health
from primitives.hashing import keccak256
from tests.e2e.accounts import known_account, new_account, next_nonce, sign
from tests.e2e.harness import ROOT, Cluster, balance, lines_of, make_options, running, wait_for

SECONDS = "25s"
"""Long enough to look at the network by other commands meanwhile, on a busy machine."""
MESSAGES = 8
OUTBOX = "0x0000000000000000000000000000000000005a01"
TRANSFER = "0x" + keccak256(b"transfer(uint32,address)")[:4].hex()
pytestmark = pytest.mark.timeout(480)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("faults") / "network", make_options()) as cluster:
        yield cluster


Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(cluster: Cluster) -> Iterator[Begin]:
    """Starts `shardnet fault` and returns once it has begun; what still runs at the test's end is ended, and its fault after it."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "node.cli.main", "fault", *words, "--json", "--data-dir", str(cluster.layout.folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "began"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=150)


def transfer(client: Client, to: str, count: int) -> None:
    """One coin's billionth each, from shard 0 to shard 1."""
    sender = known_account(0)
    nonce, chain = next_nonce(client, sender), int(client.call("eth_chainId"), 16)
    data = TRANSFER + (1).to_bytes(32, "big").hex() + to[2:].lower().rjust(64, "0")
    for number in range(count):
        client.call("eth_sendRawTransaction", sign(sender, chain, nonce + number, to=OUTBOX, value=10**9, gas=200_000, data=data))


def met(cluster: Cluster, node: int, kind: str) -> dict[str, int]:
    health = ask_health(cluster.options, node)
    assert health is not None
    return next((one["pages"] for one in health["faults"] if (one["kind"], one["channel"]) == (kind, "0:1")), {})


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_done_to_a_channel_every_message_comes_once_and_the_supply_adds_up(cluster: Cluster, begin: Begin, kind: str) -> None:
    client, receiver = cluster.client(0, 0), new_account().address
    process = begin(kind, "--channel", "0:1", "--for", SECONDS)
    transfer(client, receiver, MESSAGES)
    wait_for(f"page that meets {kind}", lambda: met(cluster, 0, kind).get("own"))
    if kind in ("drop", "hold", "corrupt"):
        wait_for("a node that lacks the page", lambda: bool((ask_health(cluster.options, 0) or {}).get("waiting")))
        assert cluster.scrape(0)["shardnet_bundle_missing_seconds", (("destination", "1"), ("source", "0"))] > 0
        status = cluster.command("status")
        assert f"fault on purpose: {kind} on channel 0:1" in status.stdout
        assert "of channel 0:1, for " in status.stdout
        assert all(balance(cluster.client(node, 1), receiver) == 0 for node in range(cluster.options.nodes))
    transfer(client, receiver, MESSAGES)
    told, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events] == ["met", "ended"] + ["went_on"] * 3
    assert events[0]["pages"]["own"] >= 1
    sent = 2 * MESSAGES * 10**9
    for node in range(cluster.options.nodes):
        there = cluster.client(node, 1)
        wait_for(f"every message at node {node}", lambda there=there: balance(there, receiver, "finalized") == sent)
        assert met(cluster, node, kind) == {}
    assert cluster.scrape(0)["shardnet_bundles_altered_total", (("channel", "0:1"), ("fault", kind), ("way", "own"))] >= 1
    cluster.wait_growth(0, 2)
    assert balance(cluster.client(0, 1), receiver) == sent, "no message comes again"
    audit = cluster.command("audit", "--json")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert json.loads(audit.stdout)["ok"] is True


def test_one_node_without_the_pages_gets_them_of_the_others(cluster: Cluster, begin: Begin) -> None:
    client, receiver = cluster.client(0, 0), new_account().address
    process = begin("drop", "--channel", "0:1", "--node", "2", "--for", "60s")
    transfer(client, receiver, 1)
    wait_for("the message, at the node that drops it too", lambda: balance(cluster.client(2, 1), receiver, "finalized") == 10**9)
    assert met(cluster, 2, "drop").get("own")
    assert not met(cluster, 1, "drop")
    process.kill()
    process.communicate(timeout=30)
    assert met(cluster, 2, "drop"), "a command that is gone ends nothing"
    assert cluster.command("fault", "drop", "--channel", "0:1", "--node", "2", "--for", "100ms").returncode == 0
    assert not met(cluster, 2, "drop")


def test_a_fault_ends_by_itself_and_at_an_interrupt(cluster: Cluster, begin: Begin) -> None:
    process = begin("hold", "--channel", "1:0", "--for", "100ms", "--match", "nonce=5-9")
    told, _ = process.communicate(timeout=150)
    assert process.returncode == 0, told
    process = begin("hold", "--channel", "1:0", "--for", "60s")
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=150)
    assert [json.loads(line)["event"] for line in told.splitlines()][:2] == ["interrupted", "ended"]
    assert all(ask_health(cluster.options, node)["faults"] == [] for node in range(cluster.options.nodes))


def test_what_cannot_be_done_is_refused_with_what_can(cluster: Cluster) -> None:
    for words, sentence in (
        (("drop", "--channel", "0:7"), "write A:B with two different shards of 0 to 1"),
        (("drop", "--channel", "0:0"), "write A:B with two different shards of 0 to 1"),
        (("drop", "--channel", "0:1", "--node", "9"), "has nodes 0 to 3"),
        (("drop", "--channel", "0:1", "--match", "nonce=9-5"), "write nonce=7, nonce=5-9, or id="),
        (("drop", "--channel", "0:1", "--delay", "1s"), "shardnet fault drop takes none"),
        (("delay", "--channel", "0:1", "--delay", "2m"), "is held, with shardnet fault hold"),
        (("burn", "--channel", "0:1"), "'hold', 'drop'"),
        (("drop",), "--channel"),
    ):
        result = cluster.command("fault", *words)
        assert result.returncode != 0
        assert sentence in result.stderr
        assert lines_of(result) == []
