"""Who else hears a network that one node has alone: votes never contradict each other, and nobody is led into another past."""

import functools
import json
import urllib.error
import urllib.request

import pytest

from node.cluster.client import CallRefused
from tests.e2e.controls.test_controls import SOMEBODY, newest
from tests.e2e.harness import make_options, running, try_call, wait_for
from tests.e2e.joining.guest import joining
from tests.e2e.observer import observing

CHAINS = 3


@pytest.fixture
def solo(tmp_path):
    with running(tmp_path / "network", make_options(nodes=1)) as cluster:
        yield cluster


def heard_past(observer, views):
    return all(new > old for new, old in zip(observer.newest_views(0), views, strict=True))


def test_over_all_pasts_no_votes_contradict_each_other(solo, tmp_path):
    client = solo.client()
    with observing(solo, tmp_path) as observer:
        wait_for("votes on every chain", functools.partial(heard_past, observer, [0] * CHAINS))
        for incarnation in range(1, 4):
            id = client.call("evm_snapshot")
            for path in ("/shard/0", "/shard/1", "/beacon"):
                client.batch([("dev_mine", (4,))], path)
            views = observer.newest_views(0)
            assert client.call("evm_revert", id) is True
            for path in ("/shard/0", "/shard/1", "/beacon"):
                client.batch([("dev_mine", (4,))], path)
            wait_for("votes after going back", functools.partial(heard_past, observer, views))
            assert {view >> 32 for view in observer.newest_views(0)} == {incarnation}
        assert observer.equivocations() == []


def has(own, height, wei):
    """Whether a guest, which may be starting, has come to a height and a balance."""
    number, held = try_call(own, "eth_blockNumber"), try_call(own, "eth_getBalance", SOMEBODY, "latest")
    return number is not None and held is not None and int(number, 16) >= height and int(held, 16) == wei


def health(guest):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{guest.metrics_port}/health", timeout=10) as answer:
            return json.load(answer)["problems"]
    except urllib.error.HTTPError as unwell:
        return json.load(unwell)["problems"]
    except OSError:
        return None


def test_who_follows_has_no_controls_halts_when_the_past_changes_and_may_come_anew(solo, tmp_path):
    client = solo.client()
    id = client.call("evm_snapshot")
    client.call("dev_setBalance", SOMEBODY, "0x7")
    with joining(solo, tmp_path / "guest") as guest:
        with guest.client() as own:
            wait_for("the guest to follow", lambda: has(own, 2, 7))
            with pytest.raises(CallRefused, match="ask the node that holds its validators"):
                own.call("dev_mine")
        assert client.call("evm_revert", id) is True
        client.call("dev_mine", 5)
        wait_for("the guest to halt", lambda: any("conflicts with the final block" in problem for problem in health(guest) or ()))
    with joining(solo, tmp_path / "another") as guest, guest.client() as own:
        height = newest(client)[0]
        wait_for("another guest to follow", lambda: has(own, height, 0))
        client.call("dev_mine", 3)
        wait_for("another guest to go on", lambda: has(own, height + 3, 0))
        assert health(guest) == []
