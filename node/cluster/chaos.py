"""What breaks a local network on purpose, and what makes it whole again (node/chaos.py is the nodes' end)."""

from __future__ import annotations

import math
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import psutil

from node.cluster.command import node_command, own_command
from node.cluster.layout import Layout, Options
from node.cluster.orders import POLL_SECONDS, NotTaken, give, turn
from node.cluster.processes import find_nodes, start_node, terminate, why_silent
from node.cluster.status import Watcher
from node.cluster.supervisor import find_supervisor, read_state
from primitives.errors import InvalidConfig, UserError

GO_ON_SECONDS_MAX = 120.0
"""From the end of a fault to a new final block of every chain at every node."""
MARGIN_SECONDS = 5.0
"""How long after its time what nodes were ordered ends by itself, should nobody end it."""
WATCH_SECONDS = 0.5
"""Between two looks whether the network is still run."""


class Fault(ABC):
    """Something that is wrong for a while, with a network that runs when this is made."""

    def __init__(self, layout: Layout, options: Options) -> None:
        self.layout, self.options = layout, options
        self._supervisor = find_supervisor(layout)

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What is wrong."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What becomes of it where nobody ends it."""

    @abstractmethod
    def begin(self, seconds: float) -> None:
        """Makes it so; what nodes were ordered ends `MARGIN_SECONDS` after `seconds` by itself, should nobody end it.

        Raises:
            UserError: a node does not run, or does not obey: then it is nowhere.
        """

    @abstractmethod
    def end(self) -> None:
        """Makes it whole again, or as much of it as can be. A node that was ended meanwhile has nothing of it any more.

        Raises:
            UserError: not all of it could be; names what is left and what to do.
        """

    def met(self) -> dict[str, int]:
        """How many messages it has altered so far, by where, if it counts any."""
        return {}

    def wait(self, seconds: float) -> None:
        """Lets it last; until the network is gone at the longest."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.is_gone():
            time.sleep(min(left, WATCH_SECONDS))

    def is_gone(self) -> bool:
        """Whether the network was stopped meanwhile, or is being stopped: then nothing of it is to be started."""
        if self._supervisor is None:
            # nodes that were started by hand: a lone one that was killed leaves none
            return self.options.nodes > 1 and not find_nodes(self.layout, self.options)
        is_stopping = read_state(self.layout).get("state") in ("stopping", "stopped", "failed")
        return is_stopping or find_supervisor(self.layout) != self._supervisor

    def require_network(self) -> None:
        """Refuses to go on with a network that is gone.

        Raises:
            UserError: it is.
        """
        if self.is_gone():
            status = own_command("status", self.layout.folder)
            raise UserError(
                f"the network in {self.layout.folder} was stopped meanwhile: what was broken ended with its nodes, "
                f"and none is started again here; {status} shows what runs"
            )


class Ordered(Fault):
    """Something that nodes do as they are ordered."""

    def __init__(self, layout: Layout, options: Options) -> None:
        super().__init__(layout, options)
        self._ordered: dict[int, int] = {}
        """The process of each node that has taken the order, or may have."""
        self._until = 0.0

    @abstractmethod
    def orders(self, seconds: float) -> Mapping[int, dict[str, object]]:
        """What each node is ordered; for 0 s: that it is over."""

    def check(self, node: int) -> None:
        """Looks whether a node does what it was ordered.

        Raises:
            UserError: it does not.
        """

    @property
    def remedy(self) -> str:
        """See `Fault`."""
        seconds = max(1, math.ceil(self._until - time.monotonic()))
        return f"it ends there by itself within {seconds} s, {own_command('status', self.layout.folder)} shows it"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self._until = time.monotonic() + seconds + MARGIN_SECONDS
        running = find_nodes(self.layout, self.options)
        orders = self.orders(seconds)
        for node in orders:
            if node not in running:
                raise UserError(f"there is nothing to break: {why_silent(self.layout, running, node)}")
        for node, order in orders.items():
            self._ordered[node] = running[node]
            try:
                self._give(node, running[node], order | {"margin_seconds": MARGIN_SECONDS}, is_first=True)
            except UserError as error:
                if isinstance(error, NotTaken):
                    del self._ordered[node]
                raise UserError(f"{error}{self._end_others()}") from None

    def end(self) -> None:
        """See `Fault`."""
        running = find_nodes(self.layout, self.options)
        orders, failed = self.orders(0.0), []
        for node, process in list(self._ordered.items()):
            if running.get(node) == process:
                try:
                    self._give(node, process, orders[node])
                except NotTaken as error:
                    if psutil.pid_exists(process):
                        failed.append(error)
                        continue
            del self._ordered[node]
        if failed:
            raise UserError(f"not whole again: {'; '.join(map(str, failed))}; {self.remedy}")

    def _end_others(self) -> str:
        if not self._ordered:
            return ""
        try:
            self.end()
        except UserError as error:
            return f"; {error}"
        return "; what was ordered at other nodes is ended"

    def _give(self, node: int, process: int, order: dict[str, object], is_first: bool = False) -> None:
        give(self.layout, self.options, node, process, order, (lambda: self.check(node)) if is_first else None)


class Partition(Ordered):
    """Groups of nodes that do not hear each other."""

    def __init__(self, layout: Layout, options: Options, groups: Sequence[Sequence[int]]) -> None:
        super().__init__(layout, options)
        self._groups = groups

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return " and ".join("node " + ", ".join(map(str, group)) for group in self._groups) + " do not hear each other"

    def orders(self, seconds: float) -> Mapping[int, dict[str, object]]:
        """See `Ordered`."""
        return {node: {"refuse": self._peers_of(node), "refuse_seconds": seconds} for node in range(self.options.nodes)}

    def _peers_of(self, node: int) -> list[str]:
        others = [other for group in self._groups if node not in group for other in group]
        return [self.layout.peer_id(other).read_text().strip() for other in others]


class Slow(Ordered):
    """A node whose gossip takes longer."""

    def __init__(self, layout: Layout, options: Options, node: int, delay_ms: int) -> None:
        super().__init__(layout, options)
        self._node, self._delay_ms = node, delay_ms

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return f"what node {self._node} says takes {self._delay_ms} ms longer"

    def orders(self, seconds: float) -> Mapping[int, dict[str, object]]:
        """See `Ordered`."""
        return {self._node: {"delay_ms": self._delay_ms if seconds else 0, "delay_seconds": seconds}}


class _OfProcess(Fault):
    """Something done to the process of a node."""

    def __init__(self, layout: Layout, options: Options, node: int) -> None:
        super().__init__(layout, options)
        self._node = node
        self._process = 0

    def _find(self) -> int:
        running = find_nodes(self.layout, self.options)
        if self._node not in running:
            raise UserError(f"there is nothing to break: {why_silent(self.layout, running, self._node)}")
        return running[self._node]


class Pause(_OfProcess):
    """A process that stands still."""

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        return f"node {self._node} (process {self._process}) stands still"

    @property
    def remedy(self) -> str:
        """See `Fault`."""
        return f"kill -CONT {self._process} has node {self._node} go on"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self._process = self._find()
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

    @property
    def remedy(self) -> str:
        """See `Fault`."""
        return f"{node_command(self.layout.config(self._node))} starts node {self._node} again"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        self._process = self._find()
        os.kill(self._process, signal.SIGKILL)

    def end(self) -> None:
        """See `Fault`: starts the node again, unless somebody has, or the network is gone."""
        if not self._process:
            return
        try:
            with turn(self.layout, self._node):
                self._start()
        except NotTaken as error:
            raise UserError(f"not whole again: {error}; {self.remedy}") from None

    def _start(self) -> None:
        if self.is_gone() or self._node in find_nodes(self.layout, self.options):
            return
        started = start_node(self.layout, self._node)
        # who stops the network from now on finds the node; who began before may not have
        if self.is_gone():
            terminate([started.pid])


def parse_groups(text: str, nodes: int) -> list[list[int]]:
    """Groups written as `0,1/2,3`; one alone is parted from all others.

    Raises:
        InvalidConfig: it is no partition of the nodes.
    """
    try:
        groups = [[int(word) for word in part.split(",")] for part in text.split("/")]
    except ValueError:
        raise InvalidConfig("", f"{text!r} names no groups of nodes: write 0,1/2,3, or 0,1 to part these from all others") from None
    named = [node for group in groups for node in group]
    if len(groups) == 1:
        groups.append([node for node in range(nodes) if node not in named])
        named += groups[1]
    if sorted(named) != list(range(nodes)) or not all(groups):
        raise InvalidConfig(
            "", f"{text!r} does not part nodes 0 to {nodes - 1}: name each once, in two groups or more, such as 0/1,2,3"
        )
    return groups


def await_progress(fault: Fault, since: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Each chain with the seconds until it has a final block after a height, at every node; after a fault.

    Raises:
        UserError: one has none in time, or the network is gone.
    """
    watcher, began, told = Watcher(fault.options), time.monotonic(), set[int]()
    try:
        while len(told) < len(since):
            statuses = watcher.ask_all()
            seconds = time.monotonic() - began
            if not all(statuses):
                fault.require_network()
            if seconds > GO_ON_SECONDS_MAX:
                logs = own_command("logs", fault.layout.folder)
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
