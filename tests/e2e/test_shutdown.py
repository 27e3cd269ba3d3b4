"""A network that is stopped under load ends by itself within ten seconds, and goes on with all that was final."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from node.cluster.client import CallRefused, Client, Unreachable
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.cluster.status import Watcher
from node.logs import rotated
from shard.contracts import OUTBOX_CONTRACT
from tests.e2e.accounts import LOOP_INIT, known_account, new_account, next_nonce, sign
from tests.e2e.harness import ROOT, make_options, wait_for

STOP_SECONDS_MAX = 10.0
READY_SECONDS_MAX = 90.0
CALLS = 8
OUTBOX = "0x" + OUTBOX_CONTRACT.address.hex()
Final = dict[int, tuple[int, str]]
"""Height and hash by shard."""


def up_arguments(folder: Path, options: Options) -> list[str]:
    words = {
        "nodes": options.nodes, "shards": options.shards, "rpc-port": options.rpc_port, "p2p-port": options.p2p_port,
        "metrics-port": options.metrics_port, "block-time": options.block_time_ms / 1000, "idle-block-time": 1, "data-dir": folder,
    }  # fmt: skip
    options_given = [f"--{name}={value}" for name, value in words.items()]
    return [sys.executable, "-P", "-m", "node.cli.main", "up", "--json", "--log-format=json", *options_given]


class Load:
    """Transfers, crossings, endless calls and a subscription, until the node no longer answers."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stop = threading.Event()
        self.sent, self.called, self.heard = [0, 0], 0, 0
        works: list[Callable[[], None]] = [
            lambda: self._send(0, self._transfer), lambda: self._send(1, self._crossing), self._deploy, self._subscribe,
        ]  # fmt: skip
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (Unreachable, CallRefused):
            self._stop.wait()

    def _send(self, shard: int, make: Callable[[int, int], str]) -> None:
        client = Client(self._options.url(0, shard))
        first = next_nonce(client, known_account(shard))
        while not self._stop.is_set():
            client.call("eth_sendRawTransaction", make(shard, first + self.sent[shard]))
            self.sent[shard] += 1
        client.close()

    @staticmethod
    def _transfer(shard: int, nonce: int) -> str:
        return sign(known_account(shard), 735_700 + shard, nonce, to=new_account().address, value=1)

    @staticmethod
    def _crossing(shard: int, nonce: int) -> str:
        data = "0x" + OUTBOX_CONTRACT.encode_call("transfer", 1 - shard, known_account(shard).address).hex()
        return sign(known_account(shard), 735_700 + shard, nonce, to=OUTBOX, value=10**9, data=data, gas=300_000)

    def _deploy(self) -> None:
        """A contract that loops, and then calls of it that last as long as a call may."""
        client, account = Client(self._options.url(0, 0)), known_account(2)
        sent = client.call("eth_sendRawTransaction", sign(account, 735_700, next_nonce(client, account), data=LOOP_INIT, gas=200_000))
        receipt = wait_for("contract", lambda: client.call("eth_getTransactionReceipt", sent))
        client.close()
        threads = [threading.Thread(target=self._guarded, args=(lambda: self._call(receipt["contractAddress"]),)) for _ in range(CALLS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _subscribe(self) -> None:
        url = self._options.url(0, 0).replace("http", "ws")
        try:
            with connect(url) as socket:
                socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
                for _ in socket:
                    self.heard += 1
        except (ConnectionClosed, OSError):
            self._stop.wait()

    def is_full(self) -> bool:
        """Whether all of it runs."""
        return min(self.sent) >= 20 and self.called >= CALLS and self.heard >= 2

    def _call(self, contract: str) -> None:
        client = Client(self._options.url(0, 0))
        while not self._stop.is_set():
            self.called += 1
            try:
                client.call("eth_call", {"to": contract, "gas": hex(30_000_000)}, "latest")
            except CallRefused:
                continue


@contextmanager
def ended_with(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens, nothing of it stays."""
    try:
        yield
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["event"] == "ready", told


def start_up(folder: Path, options: Options) -> subprocess.Popen[str]:
    return subprocess.Popen(up_arguments(folder, options), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)


def final_blocks(options: Options) -> Final:
    found = {}
    for shard in range(options.shards):
        client = Client(options.url(0, shard))
        block = client.call("eth_getBlockByNumber", "finalized", False)
        found[shard] = (int(block["number"], 16), block["hash"])
        client.close()
    return found


def stop_and_time(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Every process of the tree ends by itself, in time, and says that nothing went wrong."""
    everybody = psutil.Process(process.pid).children(recursive=True)
    assert len(everybody) >= 2
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(STOP_SECONDS_MAX)
    _, alive = psutil.wait_procs(everybody, timeout=max(0.0, STOP_SECONDS_MAX - (time.monotonic() - began)))
    assert (code, alive) == (0, [])


def require_quiet_logs(layout: Layout, nodes: int) -> None:
    for node in range(nodes):
        assert layout.output(node).read_text() == ""
        require_quiet("".join(path.read_text() for path in (*reversed(rotated(layout.log(node))), layout.log(node))))


def require_quiet(log: str) -> None:
    events = [json.loads(line) for line in log.splitlines()]
    assert [event for event in events if event["level"] not in ("info", "warning") or "exception" in event] == []
    assert events[-1]["event"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_up_stops_under_load_and_goes_on_with_what_was_final(tmp_path: Path, number: signal.Signals) -> None:
    options, folder = make_options(nodes=2), tmp_path / "network"
    process = start_up(folder, options)
    with ended_with(process):
        wait_ready(process)
        with Load(options) as load:
            wait_for("load", load.is_full)
            before = final_blocks(options)
            stop_and_time(process, number)
        told = [] if process.stdout is None else [json.loads(line) for line in process.stdout]
    assert not [event for event in told if "force" in event.get("message", "")], told
    require_quiet_logs(Layout(folder), options.nodes)
    again = start_up(folder, options)
    with ended_with(again):
        wait_ready(again)
        for shard, (height, block_hash) in before.items():
            client = Client(options.url(1, shard))
            assert client.call("eth_getBlockByNumber", hex(height), False)["hash"] == block_hash
            wait_for("growth", lambda shard=shard, height=height: final_blocks(options)[shard][0] > height)
            client.close()
        stop_and_time(again, signal.SIGTERM)


def is_ready(watcher: Watcher) -> bool:
    status = watcher.ask(0)
    return status is not None and status.is_ready


def test_one_node_stops_under_load(tmp_path: Path) -> None:
    options, layout = make_options(nodes=1), Layout(tmp_path / "network")
    write_network(layout.folder, options)
    words = [sys.executable, "-P", "-m", "node.cli.main", "node", "--config", str(layout.config(0)), "--log-format", "json"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=ROOT, stderr=log, text=True, start_new_session=True)
    watcher = Watcher(options)
    with ended_with(process):
        wait_for("readiness", lambda: process.poll() is not None or is_ready(watcher), READY_SECONDS_MAX)
        assert process.poll() is None, (tmp_path / "log").read_text()
        watcher.close()
        with Load(options) as load:
            wait_for("load", load.is_full)
            stop_and_time(process, signal.SIGINT)
    require_quiet((tmp_path / "log").read_text())
