"""What every method is given, and how methods are declared."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from node.rpc.allowances import Held
from node.rpc.backend import NetworkBackend, RpcObserver, ShardBackend
from node.rpc.door import Door
from node.rpc.errors import BUSY, SERVER, RpcError
from node.rpc.faucet import Faucet
from node.rpc.limits import CLIENT_EXECUTIONS_MAX, EXECUTIONS_QUEUED_MAX
from node.rpc.subscriptions.live import Live
from node.rpc.subscriptions.session import Notifier

ASKER: ContextVar[Held | None] = ContextVar("asker", default=None)
"""What the client of the request that is being answered holds; None for programs of this machine, and for peers."""
Handler = Callable[["Context", list[object]], Coroutine[Any, Any, object]]
"""Takes the arguments, padded with None to the method's most; raises RpcError."""

ManyHandler = Callable[["Context", list[list[object]]], Coroutine[Any, Any, list[object]]]
"""Takes the arguments of many calls; for each, in order, the result or the RpcError it failed with."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method and how many arguments it takes."""

    handler: Handler
    required: int = 0
    optional: int = 0
    many: ManyHandler | None = None
    """Answers calls that follow one another in a batch, where that is quicker than one by one."""
    is_order: bool = False
    """A developer's, which waits for those before it, and not at the door that it may have closed."""


class Elsewhere(Protocol):
    """Nodes that host what this one does not."""

    async def call(self, shard: int, name: str, calls: Sequence[Sequence[object]]) -> list[object]:
        """A method of a shard with the arguments of one call or more, at a peer that hosts the shard.

        Returns:
            For each call, in order, its result as JSON (`msgspec.Raw`) or the RpcError it failed with.

        Raises:
            RpcError: nobody could be asked, or nobody answered.
        """
        ...


@dataclass(slots=True)
class ShardMemory:
    """What the server remembers of one shard between calls."""

    executions: int = 0
    """Simulated calls that run or wait."""
    tip: tuple[bytes, int] | None = None
    """Suggested tip, and the hash of the head it was worked out at."""
    starting_block: int | None = None
    """Height of the head when the server first looked."""


@dataclass(frozen=True, slots=True)
class Context:
    """One address of the server: a shard, or the beacon chain."""

    backend: NetworkBackend
    observe: RpcObserver
    version: str
    """Of the client, as web3_clientVersion tells it."""
    chain: int
    """Chain number that the address stands for."""
    memory: ShardMemory
    faucet: Faucet
    """The node's, the same at every address."""
    live: Live
    """What goes on in the node; the same at every address."""
    door: Door
    """What calls go through; the same at every address."""
    elsewhere: Elsewhere | None = None
    """Peers that host other shards; None where calls are not passed on."""
    notifier: Notifier | None = None
    """Where the call may subscribe; None over HTTP."""

    @property
    def chain_id(self) -> int:
        """Of `chain`."""
        return self.backend.genesis.parameters.chain_id(self.chain)

    def shard(self) -> ShardBackend:
        """The address's shard.

        Raises:
            RpcError: this node does not host it.
        """
        shard = self.backend.shard(self.chain)
        if shard is None:
            raise RpcError(SERVER, f"shard {self.chain} is not hosted by this node: ask a node that hosts it")
        return shard

    def hosted(self) -> Sequence[tuple[int, ShardBackend | None]]:
        """Every shard of the network, with its backend where this node hosts it."""
        return [(s, self.backend.shard(s)) for s in range(self.backend.genesis.parameters.shard_count)]

    @contextmanager
    def execution(self) -> Iterator[None]:
        """A place in the shard's queue of simulated calls.

        Raises:
            RpcError: the queue is full, or the client has its share of it.
        """
        asker = ASKER.get()
        if asker is not None and asker.executions >= CLIENT_EXECUTIONS_MAX:
            self.observe.limit_hit("client_executions_max")
            raise RpcError(BUSY, f"busy: {CLIENT_EXECUTIONS_MAX} calls of one address are being executed, try again")
        if self.memory.executions >= EXECUTIONS_QUEUED_MAX:
            self.observe.limit_hit("executions_queued_max")
            raise RpcError(BUSY, f"busy: {EXECUTIONS_QUEUED_MAX} calls of this shard are waiting, try again")
        counted: tuple[ShardMemory | Held, ...] = (self.memory,) if asker is None else (self.memory, asker)
        for each in counted:
            each.executions += 1
        try:
            yield
        finally:
            for each in counted:
                each.executions -= 1
