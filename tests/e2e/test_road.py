"""Value from shard to shard with the real command, the audit, and what a scrape holds."""

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.network import NetworkUnderTest

ROOT = Path(__file__).parents[2]
RECEIVER = "0x" + "5e" * 20


def balance(network: NetworkUnderTest, shard: int, node: int = 0) -> int:
    return int(network.rpc("eth_getBalance", RECEIVER, "latest", shard=shard, node=node), 16)


def test_send_prints_each_step_and_the_credit(network: NetworkUnderTest) -> None:
    before = balance(network, 1)
    route = ("--from", "0", "--to", RECEIVER, "--shard", "0", "--to-shard", "1")
    sent = network.shardnet("send", *route, "--value", "1.5", "--wait", "finalized")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    steps = (
        "sent to shard 0", "included in block", "is final by the shard's committee", "crosslinked by beacon block", "credited on shard 1",
    )
    places = [sent.stdout.find(step) for step in steps]
    assert all(place >= 0 for place in places), sent.stdout
    assert balance(network, 1) == before + 15 * 10**17
    for node in range(network.options.nodes):
        network.wait_for(lambda node=node: balance(network, 1, node) == before + 15 * 10**17, f"the credit is at node {node}")
    assert balance(network, 0) == 0


def test_the_audit_adds_up_during_load_and_after_it(network: NetworkUnderTest) -> None:
    command = ("send", "--from", "1", "--to", RECEIVER, "--shard", "1", "--to-shard", "0", "--value", "0.25", "--wait", "finalized")
    for _ in range(3):
        full = [sys.executable, "-m", "node.cli.main", *command, "--data-dir", str(network.folder)]
        load = subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        during = network.shardnet("audit")
        output, _ = load.communicate(timeout=120)
        assert load.returncode == 0, output
        assert during.returncode == 0, during.stdout + during.stderr
    after = network.shardnet("audit")
    assert after.returncode == 0, after.stdout + after.stderr
    assert "everything adds up" in after.stdout


def test_the_list_of_metrics_and_a_scrape_agree_both_ways(network: NetworkUnderTest) -> None:
    rows = re.findall(r"^\| `(shardnet_\w+)` \| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    scraped = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in text_string_to_metric_families(network.metrics())
    }
    assert scraped == set(rows)


def test_garbage_does_not_end_a_connection(network: NetworkUnderTest) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", network.options.rpc_port_of(2), timeout=20)
    try:
        for body, code in ((b"{", -32700), (b"[]", -32600), (b'{"id":1}', -32600), (b'{"jsonrpc":"2.0","id":1,"method":"eth_x"}', -32601)):
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            assert answer["error"]["code"] == code
        connection.request("POST", "/", b'{"jsonrpc":"2.0","id":9,"method":"eth_chainId"}', {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["result"] == hex(network.options.chain_id_base)
    finally:
        connection.close()
