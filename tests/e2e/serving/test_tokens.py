"""A token on a live network by the command line: deployed everywhere, moved, and added up."""

import json
import subprocess

from eth_utils.address import to_checksum_address

from node.cluster.accounts import COIN
from shard.contracts import OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, new_account
from tests.e2e.harness import ROOT, SHARDS, Cluster, command_line, lines_of

SUPPLY = 1000 * COIN
OUTBOX = OUTBOX_CONTRACT.address
STEPS = ["sent", "included", "safe", "crosslinked", "received", "called", "finalized", "crosslinked", "received", "callback", "finalized"]


def sender_of(number: int) -> str:
    return known_account(number).address.lower()


def test_a_token_is_deployed_moved_and_adds_up(cluster: Cluster) -> None:
    done = cluster.command("token", "deploy", "--from", "5", "--supply", "1000", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    deployed = [line for line in lines_of(done) if line["step"] == "deployed"]
    assert [line["shard"] for line in deployed] == list(range(SHARDS))
    (token,) = {to_checksum_address(line["address"]) for line in deployed}
    sender, receiver = known_account(5).address, new_account().address
    arguments = ("token", "send", token, "--from", "5", "--to", receiver, "--shard", "0", "--to-shard", "1")
    sent = cluster.command(*arguments, "--amount", "2.5", "--json")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    steps = [line["step"] for line in lines_of(sent)]
    assert [step for step in steps if step != "received"] == [step for step in STEPS if step != "received"]
    for account, amounts in ((sender, [SUPPLY - COIN * 5 // 2, 0]), (receiver, [0, COIN * 5 // 2])):
        told = cluster.command("token", "balance", token, account, "--json")
        assert told.returncode == 0, told.stdout + told.stderr
        (answer,) = lines_of(told)
        assert [int(shard["balance"]) for shard in answer["shards"]] == amounts
        assert (answer["ok"], answer["inFlight"], int(answer["total"]), int(answer["supply"])) == (True, [], SUPPLY, SUPPLY)
    assert "as many as there should be" in cluster.command("token", "balance", token, sender).stdout
    too_much = cluster.command(*arguments, "--amount", "2000")
    assert too_much.returncode == 1
    assert f"{sender} has 997.5 of the token on shard 0: send less" in too_much.stderr
    nothing = cluster.command("token", "balance", receiver, sender)
    assert "there is no token at" in nothing.stderr


def test_a_deployment_that_was_stopped_goes_on_where_it_was(cluster: Cluster) -> None:
    arguments = ("token", "deploy", "--from", "5", "--name", "Halt", "--symbol", "HLT", "--supply", "7", "--json")
    command = command_line(*arguments, "--data-dir", str(cluster.layout.folder))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        paid = json.loads(stopped.stdout.readline())
        stopped.kill()
    assert (paid["step"], paid["shard"]) == ("paid", 0)
    done = cluster.command(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(line["step"], line["shard"]) for line in lines_of(done) if line["step"] == "paid"] == [("paid", 1)]
    (address,) = {line["address"] for line in lines_of(done) if line["step"] == "deployed"}
    again = cluster.command(*arguments)
    (another,) = {line["address"] for line in lines_of(again) if line["step"] == "deployed"}
    assert another != address


def test_a_thing_is_created_and_moved_and_exists_once(cluster: Cluster) -> None:
    done = cluster.command("token", "deploy", "--nft", "--from", "5", "--shard", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (contract,) = {line["address"] for line in lines_of(done) if line["step"] == "deployed"}
    minted = cluster.command("token", "mint", contract, "--from", "5", "--to", "5", "--uri", "ipfs://stone", "--json")
    assert minted.returncode == 0, minted.stdout + minted.stderr
    assert (lines_of(minted)[-1]["id"], lines_of(minted)[-1]["shard"]) == ("1", 1)
    receiver = new_account().address
    arguments = ("token", "send", contract, "--from", "5", "--to", receiver, "--shard", "1", "--to-shard", "0")
    amount = cluster.command(*arguments, "--amount", "1")
    assert "has no amounts: name with --id" in amount.stderr
    sent = cluster.command(*arguments, "--id", "1", "--json")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert lines_of(sent)[-1]["step"] == "finalized"
    told = cluster.command("token", "balance", contract, receiver, "--json")
    (answer,) = lines_of(told)
    assert [(shard["balance"], shard["supply"]) for shard in answer["shards"]] == [("1", "1"), ("0", "0")]
    assert (answer["ok"], answer["inFlight"], answer["total"], answer["supply"]) == (True, [], "1", "1")
    again = cluster.command(*arguments, "--id", "1")
    assert f"there is no number 1 of {contract} on shard 1" in again.stderr
    foreign = cluster.command("token", "send", contract, "--from", "6", "--to", "6", "--to-shard", "1", "--id", "1")
    assert f"number 1 on shard 0 belongs to {receiver.lower()}" in foreign.stderr
    not_minter = cluster.command("token", "mint", contract, "--from", "6", "--to", "6")
    assert f"only {sender_of(5)}, who deployed {contract}, creates things there" in not_minter.stderr
    no_token = cluster.command("token", "balance", "0x" + OUTBOX.hex(), "5")
    assert "is no token: check the address" in no_token.stderr
    assert [each.returncode for each in (again, foreign, not_minter, no_token)] == [1] * 4
