import os
import signal
import subprocess
from pathlib import Path

import pytest

from node.cluster import supervisor
from node.cluster.layout import Layout, Options
from node.cluster.logfiles import read_lines
from node.cluster.status import Slashed, Watcher
from node.cluster.supervisor import NetworkFailed, Statuses, Supervisor, find_supervisor, hold_folder, read_state
from primitives.errors import StartupRefused
from tests.node.cluster.support import free_port_base, make_start

pytestmark = pytest.mark.network


class Recorder:
    """Asks for the stop once it has seen enough."""

    poll_seconds = 0.1

    def __init__(self, stop_when_ready: bool = True) -> None:
        self.statuses: Statuses = ()
        self.notes: list[str] = []
        self.is_ready = False
        self._stop_when_ready = stop_when_ready

    def polled(self, statuses: Statuses) -> None:
        self.statuses = statuses

    def ready(self, seconds: float) -> None:
        self.is_ready = True
        if self._stop_when_ready:
            os.kill(os.getpid(), signal.SIGTERM)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture
def options() -> Options:
    return Options(nodes=2, shards=2, rpc_port=free_port_base(2, 2))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def start(monkeypatch: pytest.MonkeyPatch, options: Options, behaviours: dict[int, str]) -> list[int]:
    """Makes the supervisor start fake nodes; their process ids."""
    pids: list[int] = []
    make = make_start(options, behaviours)

    def remember(layout: Layout, index: int) -> subprocess.Popen[bytes]:
        process = make(layout, index)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(supervisor, "start_node", remember)
    return pids


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ready_then_stopped(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    pids, seen = start(monkeypatch, options, {}), Recorder()
    Supervisor(layout, options, seen).run()
    assert seen.is_ready
    assert [status.peers for status in seen.statuses if status] == [3, 3]
    assert [chain.name for chain in seen.statuses[0].chains] == ["shard 0", "shard 1", "beacon"]
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)
    assert read_state(layout)["state"] == "stopped"


def test_a_node_that_ends_takes_the_network_down_and_says_why(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    pids = start(monkeypatch, options, {1: "breaks"})
    with pytest.raises(NetworkFailed, match=r"(?s)node 1 ended with exit code 2.*genesis field 'seed'") as caught:
        Supervisor(layout, options, Recorder(stop_when_ready=False)).run()
    assert caught.value.exit_code == 1
    assert not any(is_alive(pid) for pid in pids)
    assert read_state(layout)["state"] == "failed"


def test_a_node_killed_from_outside_is_reported_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options
) -> None:
    start(monkeypatch, options, {1: "killed"})
    seen = Recorder()
    seen.polled = lambda statuses: os.kill(os.getpid(), signal.SIGTERM) if seen.notes and statuses[0] else None  # type: ignore[method-assign]
    Supervisor(layout, options, seen).run()
    assert [note for note in seen.notes if "node 1 was ended by SIGKILL" in note and str(layout.config(1)) in note]
    assert "with 1 of 2 nodes down, a third or more, the chains wait" in seen.notes[0]
    assert [line.text for line in read_lines(layout, [1], 9)][-1] == seen.notes[0]


def test_the_others_go_on_while_more_than_two_thirds_are_there(monkeypatch: pytest.MonkeyPatch, layout: Layout) -> None:
    options = Options(nodes=4, shards=1, rpc_port=free_port_base(4, 1))
    start(monkeypatch, options, {2: "killed"})
    seen = Recorder()
    seen.polled = lambda statuses: os.kill(os.getpid(), signal.SIGTERM) if seen.notes else None  # type: ignore[method-assign]
    Supervisor(layout, options, seen).run()
    assert "node 2 was ended by SIGKILL; the others go on." in seen.notes[0]


def test_no_node_left(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    start(monkeypatch, options, {0: "killed", 1: "killed"})
    with pytest.raises(NetworkFailed, match="every node"):
        Supervisor(layout, options, Recorder()).run()


def test_not_ready_in_time(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    start(monkeypatch, options, {0: "never-final"})
    with pytest.raises(NetworkFailed, match="not ready after 0 s"):
        Supervisor(layout, options, Recorder(), ready_seconds_max=0.0).run()


def test_finalized_at_genesis_is_not_ready(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    start(monkeypatch, options, {0: "never-final"})
    seen = Recorder()

    def polled(statuses: Statuses) -> None:
        seen.statuses = statuses
        if all(statuses):
            os.kill(os.getpid(), signal.SIGTERM)

    seen.polled = polled  # type: ignore[method-assign]
    Supervisor(layout, options, seen).run()
    assert not seen.is_ready
    assert [status.is_ready for status in seen.statuses if status] == [False, True]


def test_views_are_read_from_the_heads(monkeypatch: pytest.MonkeyPatch, layout: Layout, options: Options) -> None:
    start(monkeypatch, options, {})
    seen, views, slashed = Recorder(stop_when_ready=False), [], []

    def ready(seconds: float) -> None:
        watcher = Watcher(options)
        status = watcher.ask(0, with_views=True)
        views.extend((chain.epoch, chain.view) for chain in status.chains)
        slashed.extend(status.slashed)
        watcher.close()
        os.kill(os.getpid(), signal.SIGTERM)

    seen.ready = ready  # type: ignore[method-assign]
    Supervisor(layout, options, seen).run()
    assert views == [(4, 9), (4, 9), (4, 5)]
    assert slashed == [Slashed(validator=1, beacon_height=7, stake=1)]


def test_one_supervisor_a_folder(layout: Layout) -> None:
    assert find_supervisor(layout) is None
    with hold_folder(layout):
        assert find_supervisor(layout) == os.getpid()
        with pytest.raises(StartupRefused, match=f"process {os.getpid()}"), hold_folder(layout):
            pass
    assert find_supervisor(layout) is None
