"""A token on a live network by the command line: deployed everywhere, moved, and added up."""

from eth_utils.address import to_checksum_address

from node.cluster.accounts import COIN
from tests.e2e.accounts import known_account, new_account
from tests.e2e.harness import SHARDS, Cluster, lines_of

SUPPLY = 1000 * COIN
STEPS = ["sent", "included", "safe", "crosslinked", "received", "called", "finalized", "crosslinked", "received", "callback", "finalized"]


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
