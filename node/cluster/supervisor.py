"""Runs the node processes of a folder and watches over them; `python -m node.cluster.supervisor FOLDER` does it detached."""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from node.cluster.command import node_command, own_command
from node.cluster.layout import Layout, Options, replace_file, require_options
from node.cluster.processes import find_nodes, last_lines, start_node, stop_nodes, terminate
from node.cluster.status import NodeStatus, Watcher
from primitives.errors import StartupRefused, UserError

STARTING_POLL_SECONDS = 0.25
RUNNING_POLL_SECONDS = 1.0
"""Between two looks at the processes of a network that is ready."""
READY_SECONDS_MAX = 180.0
"""After which a network that is not ready has failed, when somebody waits for it."""
LOG_LINES_SHOWN = 5

Statuses = Sequence[NodeStatus | None]


class NetworkFailed(UserError):
    """The network did not come up, or did not stay up."""


class Observer(Protocol):
    """Who is told what happens."""

    @property
    def poll_seconds(self) -> float | None:
        """How often it wants to hear of a network that is ready; None: not at all, which spares the nodes the questions."""
        ...

    def polled(self, statuses: Statuses) -> None:
        """Where every node stands; None for one that does not answer."""
        ...

    def ready(self, seconds: float) -> None:
        """Every node is ready, so many seconds after the start."""
        ...

    def note(self, sentence: str) -> None:
        """Something that a person may want to know."""
        ...


@dataclass(slots=True)
class _Node:
    index: int
    process: subprocess.Popen[bytes]
    is_down: bool = False


@contextmanager
def hold_folder(layout: Layout) -> Iterator[None]:
    """Keeps other supervisors out of a folder.

    Raises:
        StartupRefused: there is one in it.
    """
    is_new = not layout.folder.exists()
    layout.folder.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a+") as lock, _without_trace(layout, is_new):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartupRefused(
                f"a network runs on {layout.folder} already (process {_read_pid(layout)}): "
                f"stop it with {own_command('down', layout.folder)}, "
                "or name another --data-dir"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _without_trace(layout: Layout, is_new: bool) -> Iterator[None]:
    """A start that was refused leaves no folder that was not there before."""
    try:
        yield
    except BaseException:
        if is_new and list(layout.folder.iterdir()) == [layout.lock]:
            layout.lock.unlink()
            layout.folder.rmdir()
        raise


def _read_pid(layout: Layout) -> int | None:
    text = layout.lock.read_text()
    return int(text) if text.isdecimal() else None


def find_supervisor(layout: Layout) -> int | None:
    """The process that runs a folder; None when nobody does."""
    try:
        with layout.lock.open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read_pid(layout)
    return None


def read_state(layout: Layout) -> dict[str, Any]:
    """What the last supervisor said of itself; empty when there was none."""
    try:
        state = json.loads(layout.state.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


class Supervisor:
    """The processes of one network, from their start to their stop."""

    def __init__(self, layout: Layout, options: Options, observer: Observer, ready_seconds_max: float | None = None) -> None:
        self._layout = layout
        self._observer = observer
        self._options = options
        self._ready_seconds_max = ready_seconds_max
        self._nodes: list[_Node] = []
        self._is_stopping = False
        self._wake, self._waker = os.pipe()
        self._began = 0.0
        self._is_ready = False

    def run(self) -> None:
        """Starts every node, and returns once SIGINT or SIGTERM has stopped them all.

        Raises:
            NetworkFailed: a node ended by itself, or none is left; those that ran are stopped.
        """
        self._began = time.monotonic()
        with _signals(self._stop_on_signal):
            self._run()
        # Not before the handlers are gone: one more Ctrl-C during the stop still writes to the pipe.
        os.close(self._wake)
        os.close(self._waker)

    def _run(self) -> None:
        watcher = Watcher(self._options)
        try:
            self._say("starting")
            for index in range(self._options.nodes):
                self._nodes.append(_Node(index, start_node(self._layout, index)))
            self._watch(watcher)
            self._say("stopping")
        except NetworkFailed as error:
            self._say("failed", str(error))
            raise
        finally:
            watcher.close()
            forced = stop_nodes(node.process for node in self._nodes)
            # those that were started again by somebody else
            forced += terminate(find_nodes(self._layout, self._options).values())
            if forced:
                self._observer.note(f"{len(forced)} node(s) did not stop by themselves and were ended by force")
        self._say("stopped")

    def _stop_on_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True
        # A pipe, because a handler must take no lock that the code it interrupts may hold.
        os.write(self._waker, b".")

    def _watch(self, watcher: Watcher) -> None:
        due = 0.0
        while not self._is_stopping:
            self._look_after_processes()
            if not self._is_ready or time.monotonic() >= due:
                statuses = watcher.ask_all()
                self._observer.polled(statuses)
                if not self._is_ready:
                    self._judge_readiness(statuses)
                seconds = self._observer.poll_seconds
                due = math.inf if seconds is None else time.monotonic() + seconds
            select.select([self._wake], [], [], RUNNING_POLL_SECONDS if self._is_ready else STARTING_POLL_SECONDS)

    def _judge_readiness(self, statuses: Statuses) -> None:
        seconds = time.monotonic() - self._began
        if all(status is not None and status.is_ready for status in statuses):
            self._is_ready = True
            self._say("ready")
            self._observer.ready(seconds)
        elif self._ready_seconds_max is not None and seconds > self._ready_seconds_max:
            late = [str(i) for i, status in enumerate(statuses) if status is None or not status.is_ready]
            logs = own_command("logs", self._layout.folder)
            raise NetworkFailed(
                f"the network is not ready after {self._ready_seconds_max:g} s (node {', '.join(late)}): {logs} tells more"
            )

    def _look_after_processes(self) -> None:
        ended = [node for node in self._nodes if not node.is_down and node.process.poll() is not None]
        for node in ended:
            node.is_down = True
            if node.process.returncode >= 0:
                raise NetworkFailed(f"node {node.index} ended with exit code {node.process.returncode}{self._said_last(node.index)}")
        if ended:
            self._report_killed(ended)
        if all(node.is_down for node in self._nodes) and not find_nodes(self._layout, self._options):
            again = own_command("up", self._layout.folder)
            raise NetworkFailed(f"every node was ended from outside: start again with {again}, the chains go on where they were")

    def _said_last(self, node: int) -> str:
        lines = last_lines(self._layout.output(node), LOG_LINES_SHOWN) or last_lines(self._layout.log(node), LOG_LINES_SHOWN)
        return "; it said last:\n  " + "\n  ".join(lines) if lines else " and said nothing"

    def _report_killed(self, ended: Sequence[_Node]) -> None:
        restarted = find_nodes(self._layout, self._options)
        down = sum(node.is_down and node.index not in restarted for node in self._nodes)
        # every node of a local network has the same stake
        is_enough = 3 * down < len(self._nodes)
        outlook = "the others go on" if is_enough else f"with {down} of {len(self._nodes)} nodes down, a third or more, the chains wait"
        for node in ended:
            cause = f"node {node.index} was ended by {_signal_name(-node.process.returncode)}"
            sentence = f"{cause}; {outlook}. Start it again with: {node_command(self._layout.config(node.index))}"
            with self._layout.output(node.index).open("a") as output:
                output.write(sentence + "\n")
            self._observer.note(sentence)

    def _say(self, state: str, reason: str = "") -> None:
        content = {"pid": os.getpid(), "state": state, "reason": reason, "nodes": [node.process.pid for node in self._nodes]}
        replace_file(self._layout.state, json.dumps(content) + "\n")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def start_detached(layout: Layout) -> float:
    """Starts a supervisor that outlives this process, and returns once the network is ready; how many seconds it took.

    Raises:
        NetworkFailed: it did not come up; nothing is left running.
    """
    began = time.monotonic()
    with layout.supervisor_log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "node.cluster.supervisor", str(layout.folder.absolute())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _await_ready(layout, process)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    return time.monotonic() - began


def _await_ready(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    while True:
        code = process.poll()
        state = read_state(layout)
        is_its_own = state.get("pid") == process.pid
        if code is not None:
            reason = state.get("reason") if is_its_own else ""
            raise NetworkFailed(reason or "\n".join(last_lines(layout.supervisor_log, LOG_LINES_SHOWN)) or f"it ended with code {code}")
        if is_its_own and state.get("state") == "ready":
            return
        try:
            process.wait(STARTING_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue


class _LogObserver:
    """What a detached supervisor tells: lines in its log."""

    poll_seconds = None

    def polled(self, statuses: Statuses) -> None:
        """Nothing to tell."""

    def ready(self, seconds: float) -> None:
        """The one good piece of news."""
        print(f"ready after {seconds:.1f} s", flush=True)

    def note(self, sentence: str) -> None:
        """Anything else."""
        print(sentence, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Supervises the network in a folder; the exit code."""
    layout = Layout(Path(arguments[0]))
    try:
        with hold_folder(layout):
            Supervisor(layout, require_options(layout), _LogObserver(), READY_SECONDS_MAX).run()
    except UserError as error:
        print(error, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
