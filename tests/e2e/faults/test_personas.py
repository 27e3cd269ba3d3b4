"""A validator that breaks the rules on purpose: the others go on, and what can be proven costs it stake and seat."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node.cluster.configs import settle_configs
from node.cluster.personas import PERSONA_NAMES
from node.personas import PERSONAS
from tests.e2e.explorer.browser import browsing
from tests.e2e.harness import Cluster, make_options, wait_for

BYZANTINE = 2
EPOCH_BLOCKS = 8
PROVABLE = ("double-voter", "equivocating-proposer")


def test_every_persona_has_a_name_for_the_command_line() -> None:
    assert tuple(PERSONAS) == PERSONA_NAMES


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    options = replace(make_options(), epoch_length=EPOCH_BLOCKS, idle_block_time_ms=500)
    cluster = Cluster(tmp_path_factory.mktemp("personas") / "network", options)
    settle_configs(cluster.layout, options, {BYZANTINE: request.param})
    try:
        cluster.start()
        cluster.wait_ready(0, 1, 3)
        yield cluster
    except BaseException:
        print(cluster.logs())
        raise
    finally:
        cluster.stop()


def are_conflicting(first: dict[str, str], second: dict[str, str]) -> bool:
    """Whether no honest validator casts both in one view: two roots of one kind, or to finalize what it nullified."""
    kinds = {first["kind"], second["kind"]}
    return kinds == {"finalize", "nullify"} or (len(kinds) == 1 and first["root"] != second["root"])


def others_go_on(cluster: Cluster, blocks: int) -> None:
    before = [chain.finalized.number for chain in cluster.chains()]
    for node in (0, 1, 3):
        cluster.wait_growth(node, blocks, before)


@pytest.mark.timeout(480)
@pytest.mark.parametrize("started", PROVABLE, indirect=True)
def test_what_can_be_proven_is_slashed_within_an_epoch_and_the_chains_go_on(started: Cluster, tmp_path: Path) -> None:
    client = started.client()
    evidence = wait_for("evidence on the beacon chain", lambda: client.call("beacon_getEvidence") or None)
    assert [one["validator"] for one in evidence] == [hex(BYZANTINE)]
    assert are_conflicting(*evidence[0]["votes"]), evidence[0]
    height = int(evidence[0]["beacon"]["number"], 16)
    assert height <= EPOCH_BLOCKS

    validators = client.call("beacon_getValidators")
    stakes = [int(one["stake"], 16) for one in validators]
    assert [one["slashedAt"] for one in validators] == [None, None, hex(height), None]
    assert stakes[BYZANTINE] == started.genesis.validators[BYZANTINE].stake // 2

    shown = json.loads(started.command("status", "--json").stdout)["nodes"][0]["slashed"]
    assert shown == [{"validator": BYZANTINE, "beacon_height": height, "stake": str(stakes[BYZANTINE])}]
    assert f"slashed: validator {BYZANTINE} by beacon block {height}" in started.command("status").stdout

    with browsing(tmp_path) as page:
        page.open(started.options.explorer_url(0) + "#/validators")
        page.wait_text(f"slashed by block {height}")

    def has_left() -> bool:
        return not client.call("beacon_getValidators")[BYZANTINE]["active"]

    wait_for("end of the validator's seat", has_left)
    others_go_on(started, 3)
    audit = started.command("audit", "--json")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def refused_blocks(cluster: Cluster) -> float:
    """Blocks that node 0 found invalid, of all chains."""
    return sum(value for (name, _), value in cluster.scrape(0).items() if name == "shardnet_blocks_rejected_total")


@pytest.mark.timeout(480)
@pytest.mark.parametrize("started", ["block-withholder", "certificate-forger", "invalid-root-proposer"], indirect=True)
def test_what_cannot_be_proven_stops_nobody(started: Cluster, request: pytest.FixtureRequest) -> None:
    client = started.client()
    if "invalid-root-proposer" in request.node.name:
        wait_for("a false block that is refused", lambda: refused_blocks(started) or None)
    others_go_on(started, 5)
    if "invalid-root-proposer" in request.node.name:
        fees = ["0x" + validator.fee_address.hex() for validator in started.genesis.validators]
        final = int(client.call("eth_getBlockByNumber", "finalized", False)["number"], 16)
        miners = [client.call("eth_getBlockByNumber", hex(number), False)["miner"] for number in range(1, final + 1)]
        assert set(miners) <= {fees[node] for node in (0, 1, 3)}
    assert client.call("beacon_getEvidence") == []
    audit = started.command("audit", "--json")
    assert audit.returncode == 0, audit.stdout + audit.stderr
