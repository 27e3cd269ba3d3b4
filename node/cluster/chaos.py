"""What breaks a local network on purpose, and what makes it whole again (node/chaos.py is the nodes' end)."""

from __future__ import annotations

import json
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

import psutil

from node.cluster.command import own_command
from node.cluster.layout import Layout, Options, replace_file
from node.cluster.processes import find_nodes, start_node, why_silent
from node.cluster.status import Watcher
from primitives.errors import UserError

ORDER_FILE = "chaos.json"
OBEY_SECONDS_MAX = 5.0
"""For a node to take an order."""
GO_ON_SECONDS_MAX = 120.0
"""From the end of a fault to a new final block of every chain at every node."""
SLACK_SECONDS = 5.0
POLL_SECONDS = 0.05


class Fault(ABC):
    """Something that is wrong for a while."""

    def __init__(self, layout: Layout, options: Options) -> None:
        self.layout, self.options = layout, options

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What is wrong."""

    @abstractmethod
    def begin(self, seconds: float) -> None:
        """Makes it so; what nodes were ordered ends `SLACK_SECONDS` after `seconds` by itself, should nobody end it.

        Raises:
            UserError: a node does not run, or does not obey.
        """

    @abstractmethod
    def end(self) -> None:
        """Makes it whole again, or as much of it as can be.

        Raises:
            UserError: a node does not run any more, or does not obey.
        """

    def met(self) -> dict[str, int]:
        """How many messages it has altered so far, by where, if it counts any."""
        return {}

    def process_of(self, node: int) -> int:
        """The process of a node.

        Raises:
            UserError: there is none.
        """
        running = find_nodes(self.layout, self.options)
        if node not in running:
            raise UserError(f"there is nothing to break: {why_silent(self.layout, running, node)}")
        return running[node]

    def order(self, node: int, order: dict[str, object]) -> None:
        """Has a node carry an order out; returns when it has taken it.

        Raises:
            UserError: it does not run, or does not obey.
        """
        process, path = self.process_of(node), self.layout.node(node) / ORDER_FILE
        replace_file(path, json.dumps(order), mode=0o600)
        os.kill(process, signal.SIGUSR1)
        deadline = time.monotonic() + OBEY_SECONDS_MAX
        while path.exists():
            if time.monotonic() > deadline:
                path.unlink(missing_ok=True)
                logs = own_command(f"logs --node {node}", self.layout.folder)
                raise UserError(f"node {node} does not take the order: {logs} tells more")
            time.sleep(POLL_SECONDS)

    @staticmethod
    def order_all(nodes: Iterable[int], give: Callable[[int], None]) -> None:
        """Gives each node its order, whether others obey or not.

        Raises:
            UserError: the last one that does not run, or does not obey.
        """
        failed = None
        for node in nodes:
            try:
                give(node)
            except UserError as error:
                failed = error
        if failed is not None:
            raise failed


class Partition(Fault):
    """Groups of nodes that do not hear each other."""

    def __init__(self, layout: Layout, options: Options, groups: Sequence[Sequence[int]]) -> None:
        super().__init__(layout, options)
        self._groups = groups

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return " and ".join("node " + ", ".join(map(str, group)) for group in self._groups) + " do not hear each other"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        for node in range(self.options.nodes):
            self._order(node, seconds + SLACK_SECONDS)

    def end(self) -> None:
        """See `Fault`."""
        self.order_all(range(self.options.nodes), lambda node: self._order(node, 0.0))

    def _order(self, node: int, seconds: float) -> None:
        others = [other for group in self._groups if node not in group for other in group]
        self.order(node, {"refuse": [self.layout.peer_id(other).read_text().strip() for other in others], "refuse_seconds": seconds})


class Slow(Fault):
    """A node whose gossip takes longer."""

    def __init__(self, layout: Layout, options: Options, node: int, delay_ms: int) -> None:
        super().__init__(layout, options)
        self._node, self._delay_ms = node, delay_ms

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return f"what node {self._node} says takes {self._delay_ms} ms longer"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self.order(self._node, {"delay_ms": self._delay_ms, "delay_seconds": seconds + SLACK_SECONDS})

    def end(self) -> None:
        """See `Fault`."""
        self.order(self._node, {"delay_ms": 0, "delay_seconds": 0})


class _OfProcess(Fault):
    """Something done to the process of a node."""

    def __init__(self, layout: Layout, options: Options, node: int) -> None:
        super().__init__(layout, options)
        self._node = node
        self._process = 0


class Pause(_OfProcess):
    """A process that stands still."""

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return f"node {self._node} (process {self._process}) stands still"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self._process = self.process_of(self._node)
        os.kill(self._process, signal.SIGSTOP)

    def end(self) -> None:
        """See `Fault`."""
        if self._process and psutil.pid_exists(self._process):
            os.kill(self._process, signal.SIGCONT)


class Kill(_OfProcess):
    """A process that is gone, and its executors with it."""

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return f"node {self._node} (process {self._process}) was killed"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self._process = self.process_of(self._node)
        os.kill(self._process, signal.SIGKILL)

    def end(self) -> None:
        """See `Fault`: starts the node again, unless somebody has."""
        if self._node not in find_nodes(self.layout, self.options):
            start_node(self.layout, self._node)


def parse_groups(text: str, nodes: int) -> list[list[int]]:
    """Groups written as `0,1/2,3`; one alone is parted from all others.

    Raises:
        UserError: it is no partition of the nodes.
    """
    try:
        groups = [[int(word) for word in part.split(",")] for part in text.split("/")]
    except ValueError:
        raise UserError(f"{text!r} names no groups of nodes: write 0,1/2,3, or 0,1 to part these from all others") from None
    named = [node for group in groups for node in group]
    if len(groups) == 1:
        groups.append([node for node in range(nodes) if node not in named])
        named += groups[1]
    if sorted(named) != list(range(nodes)) or not all(groups):
        raise UserError(f"{text!r} does not part nodes 0 to {nodes - 1}: name each once, in two groups or more, such as 0/1,2,3")
    return groups


def await_progress(options: Options, layout: Layout, since: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Each chain with the seconds until it has a final block after a height, at every node.

    Raises:
        UserError: one has none in time.
    """
    watcher, began, told = Watcher(options), time.monotonic(), set[int]()
    try:
        while len(told) < len(since):
            statuses = watcher.ask_all()
            seconds = time.monotonic() - began
            if seconds > GO_ON_SECONDS_MAX:
                logs = own_command("logs", layout.folder)
                raise UserError(f"not every chain went on at every node within {GO_ON_SECONDS_MAX:g} s: {logs} tells more")
            for chain, height in enumerate(since):
                if chain in told or not all(status and status.chains[chain].finalized.number > height for status in statuses):
                    continue
                told.add(chain)
                known = next(status for status in statuses if status is not None)
                yield known.chains[chain].name, seconds
            time.sleep(POLL_SECONDS)
    finally:
        watcher.close()


def newest_final(options: Options) -> list[int]:
    """The greatest height of a final block on each chain at any node that answers; nothing where none does."""
    watcher = Watcher(options)
    statuses = [status for status in watcher.ask_all() if status is not None]
    watcher.close()
    heights = [[chain.finalized.number for chain in status.chains] for status in statuses]
    return [max(column) for column in zip(*heights, strict=True)]
