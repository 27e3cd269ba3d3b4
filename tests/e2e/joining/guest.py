"""A node that joins a running network by its genesis file and one address, and users who keep that network busy."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.cluster.client import CallRefused, Client, Unreachable
from node.cluster.processes import last_lines, stop_nodes
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, new_account, sign
from tests.e2e.harness import ROOT, SHARDS, Cluster

SENDERS = range(2, 5)
PAUSE_SECONDS = 0.4


class Guest:
    """The observer's process; started again on the same folder after `kill`."""

    def __init__(self, cluster: Cluster, folder: Path, shards: str | None = None) -> None:
        self.folder = folder
        self._cluster, self._shards = cluster, shards
        base = cluster.options.rpc_port
        self.rpc_port, self.p2p_port, self.metrics_port = base + 500, base + 750, base + 850
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-P", "-m", "node.cli.main", "node", "--genesis", str(self._cluster.layout.genesis),
            "--peer", self._cluster.layout.peer_address(self._cluster.options, 0), "--data-dir", str(self.folder),
            "--rpc-port", str(self.rpc_port), "--p2p-port", str(self.p2p_port), "--metrics-port", str(self.metrics_port),
        ]  # fmt: skip
        if self._shards is not None:
            command += ["--shards", self._shards]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            stop_nodes([self.process])

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.rpc_port}{path}"

    @contextmanager
    def client(self, path: str = "") -> Iterator[Client]:
        assert self.process is not None
        assert self.process.poll() is None, "the observer ended by itself"
        client = Client(self.url(path))
        try:
            yield client
        finally:
            client.close()

    def lines(self) -> str:
        return "\n".join(last_lines(self.log, 20))


@contextmanager
def joining(cluster: Cluster, folder: Path, shards: str | None = None) -> Iterator[Guest]:
    guest = Guest(cluster, folder, shards)
    try:
        guest.start()
        yield guest
    except BaseException:
        print(f"--- observer\n{guest.lines()}")
        raise
    finally:
        guest.stop()


class Load:
    """Transfers on every shard and across them, until `stop`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(shard,), daemon=True) for shard in range(SHARDS)]
        self.sent = 0

    def _send(self, shard: int) -> None:
        client = Client(self._cluster.options.url(shard, shard))
        receiver = new_account().address
        nonce = 0
        call = OUTBOX_CONTRACT.encode_call("transfer", (shard + 1) % SHARDS, bytes.fromhex(receiver[2:]))
        while not self._stopping.wait(PAUSE_SECONDS):
            raws = []
            for index in SENDERS:
                fields = {"to": receiver, "value": 1} if (nonce + index) % 3 else {
                    "to": "0x" + OUTBOX.hex(), "value": 2, "gas": 300_000, "data": "0x" + call.hex(),
                }  # fmt: skip
                raws.append(sign(known_account(index), 735_700 + shard, nonce, **fields))
            try:
                client.batch([("eth_sendRawTransaction", (raw,)) for raw in raws])
            except (CallRefused, Unreachable):
                continue
            nonce += 1
            self.sent += len(raws)
        client.close()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    @classmethod
    @contextmanager
    def on(cls, cluster: Cluster) -> Iterator[Load]:
        load = cls(cluster)
        for thread in load._threads:
            thread.start()
        try:
            yield load
        finally:
            load.stop()
