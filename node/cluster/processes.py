"""Node processes: starting, finding, stopping, and what they said last."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from node.cluster.command import node_command, own_command
from node.cluster.layout import Layout, Options
from node.logs import aside
from primitives.errors import StartupRefused

STOP_SECONDS_MAX = 9.0
"""From SIGTERM to SIGKILL; with the rest it stays below the ten seconds that a stop may take."""
_TAIL_BYTES = 16 * 1024
_PASSED_ON = (
    "SHARDNET_LOG_LEVEL", "SHARDNET_LOG_FORMAT", "SHARDNET_LOG_FILE_BYTES_MAX", "SHARDNET_LOG_FILES_MAX", "SHARDNET_EXECUTOR",
)  # fmt: skip
"""Settings that mean the same for every node; all others, ports above all, are each node's own."""
_MODULE = "node.cli.main"


def start_node(layout: Layout, index: int) -> subprocess.Popen[bytes]:
    """Starts a node in a process group of its own, so that Ctrl-C reaches it through its supervisor alone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHARDNET_") or name in _PASSED_ON}
    environment["SHARDNET_LOG_FILE"] = str(layout.log(index).absolute())
    path = layout.output(index)
    if path.exists() and path.stat().st_size:
        path.replace(aside(path, 1))
    with path.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, "node", "--config", str(layout.config(index).absolute())],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment,
        )  # fmt: skip


def stop_nodes(processes: Iterable[subprocess.Popen[bytes]]) -> list[int]:
    """Stops processes in order where they can, by force where they cannot; the ids of those that were forced."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX
    forced = []
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            forced.append(process.pid)
            _kill_group(process.pid)
            process.wait()
    return forced


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


def find_nodes(layout: Layout, options: Options) -> dict[int, int]:
    """Process ids of the nodes that run on a folder, whoever started them."""
    wanted = {str(layout.config(index).resolve()): index for index in range(options.nodes)}
    found: dict[int, int] = {}
    for process in sorted(psutil.process_iter(), key=lambda process: process.pid):
        try:
            path = _config_of(process.cmdline(), process)
        except psutil.Error:
            continue
        if path in wanted:
            found.setdefault(wanted[path], process.pid)
    return found


def why_silent(layout: Layout, running: Mapping[int, int], node: int) -> str:
    """Why a node of a folder does not answer, and what to do about it; `running` is what `find_nodes` found."""
    if not running:
        return f"start the network with {own_command('up', layout.folder)}"
    if node not in running:
        return f"node {node} does not run, start it again with {node_command(layout.config(node))}"
    process = running[node]
    if stands_still(process):
        return f"node {node} (process {process}) stands still until its pause ends, or until kill -CONT {process}"
    logs = own_command(f"logs --node {node}", layout.folder)
    return f"node {node} (process {process}) does not answer, it is starting or very busy, {logs} tells more"


def stands_still(process: int) -> bool:
    """Whether a process was told to stand still, and not yet to go on."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _config_of(words: list[str], process: psutil.Process) -> str | None:
    """The configuration that a command line runs a node with."""
    is_ours = any(word == _MODULE or Path(word).name == "shardnet" for word in words[:4])
    if not is_ours or "node" not in words:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        given = following if word == "--config" else word.removeprefix("--config=") if word.startswith("--config=") else ""
        if given:
            return str((Path(process.cwd()) / given).resolve())
    return None


def terminate(pids: Iterable[int]) -> list[int]:
    """Stops processes that need not be children of this one; the ids of those that had to be forced."""
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.terminate()
        except psutil.NoSuchProcess:
            continue
        processes.append(process)
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS_MAX)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=1.0)
    return [process.pid for process in alive]


def require_free_ports(options: Options) -> None:
    """Refuses a start whose ports somebody holds, before anything is started.

    Raises:
        StartupRefused: names the port and the option that moves it.
    """
    for node in range(options.nodes):
        for port, option in options.ports_of(node):
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(options.listen_host, port, type=socket.SOCK_STREAM)[0]
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
                    probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise StartupRefused(
                        f"port {port} of node {node} is in use: {_holder(port)}, or choose another with {option}"
                    ) from error
                raise StartupRefused(
                    f"port {port} of node {node} cannot be opened on {options.listen_host}: {error.strerror}; try --host or {option}"
                ) from error


def _holder(port: int) -> str:
    """How to free a port."""
    try:
        listening = [held for held in psutil.net_connections("tcp") if held.status == psutil.CONN_LISTEN and held.laddr[1:2] == (port,)]
        process = next((psutil.Process(held.pid) for held in listening if held.pid is not None), None)
        if process is None:
            return "stop what holds it"
        config = _config_of(process.cmdline(), process)
        if config is None:
            return f"stop process {process.pid} ({process.name()}), which holds it"
    except psutil.Error:
        return "stop what holds it"
    folder = Path(config).parent.parent
    if not Layout(folder).network.exists():
        return f"stop process {process.pid}, a node of {folder}, which holds it"
    return f"stop the network in {folder} with {own_command('down', folder)}"
