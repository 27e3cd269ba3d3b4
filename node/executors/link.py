"""A shard executor in a process of its own, started anew whenever it is lost (ARCHITECTURE, Processes)."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from node.executors import wire
from node.executors.connection import Connection
from node.executors.executor import Executor
from node.executors.gate import CALL_DEADLINE_MS
from primitives.errors import ExecutorLost, StartupRefused
from primitives.genesis import Genesis
from shard.engine.engines import DEFAULT_ENGINE
from shard.results import HeadInfo

START_SECONDS_MAX = 120.0
"""From starting the process to its being ready; making a large genesis state takes long."""
STOP_SECONDS_MAX = 4.0
"""The process may end by itself for so long, then it is killed."""
RESTART_WAIT_SECONDS_MAX = 30.0
"""A question asked while the process is being restarted waits for so long."""
BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 10.0
"""Pause before a restart: doubled from the least to the most, and the least again after a run of more than the most."""

_LOG = logging.getLogger(__name__)


class ExecutorLink(Executor):
    """The node's end of an executor process."""

    def __init__(
        self, genesis: Genesis, shard: int, path: Path, *, call_deadline_ms: int = CALL_DEADLINE_MS, engine: str = DEFAULT_ENGINE
    ) -> None:
        """`path` is the folder of the shard's database."""
        self._name = f"the executor of shard {shard}"
        self._opening = wire.Opening(genesis.model_dump_json().encode(), shard, str(path), call_deadline_ms, engine, os.getpid())
        self._connection: Connection | None = None
        self._up = trio.Event()
        self._may_open = trio.Event()
        self._may_open.set()
        """Not set while the database is held: then no new process opens it."""
        self._stopping = False
        self._scope: trio.CancelScope | None = None
        self._ended = trio.Event()
        self.restarts = 0
        """Times the process was lost and came back."""

    @property
    def process_id(self) -> int | None:
        """Of the child; None while there is none."""
        return None if self._connection is None else self._connection.process.pid

    async def start(self, nursery: trio.Nursery) -> HeadInfo:
        """See `Executor.start`; the child ends when `nursery` does."""
        connection, head = await self._open()
        self._connection = connection
        self._up.set()
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run, connection, self._scope)
        return head

    async def stop(self) -> None:
        """See `Executor.stop`; a process that does not end within `STOP_SECONDS_MAX` is killed."""
        self._stopping = True
        if self._scope is None:
            return
        if self._connection is not None:
            self._connection.end_input()
            with trio.move_on_after(STOP_SECONDS_MAX):
                await self._ended.wait()
        self._scope.cancel()
        await self._ended.wait()

    async def hold(self) -> None:
        """See `Executor.hold`; a process that is lost holds nothing any more."""
        self._may_open = trio.Event()
        with suppress(ExecutorLost):
            await super().hold()

    async def resume(self) -> HeadInfo:
        """See `Executor.resume`."""
        self._may_open.set()
        return await super().resume()

    async def _ask(self, operation: str, *arguments: Any) -> Any:
        return await (await self._connected()).ask(operation, arguments)

    async def _connected(self) -> Connection:
        if self._connection is None and not self._stopping:
            with trio.move_on_after(RESTART_WAIT_SECONDS_MAX):
                await self._up.wait()
        if self._connection is None or self._stopping:
            raise ExecutorLost(f"{self._name} is not running")
        return self._connection

    async def _open(self) -> tuple[Connection, HeadInfo]:
        connection = Connection(self._name)
        head = None
        try:
            with trio.move_on_after(START_SECONDS_MAX):
                head = await connection.open(self._opening)
        finally:
            if head is None:
                await connection.close()
        if head is None:
            raise ExecutorLost(f"{self._name} was not ready within {START_SECONDS_MAX:g} s")
        return connection, head

    async def _run(self, connection: Connection, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._keep_running(connection)
        finally:
            self._ended.set()

    async def _keep_running(self, connection: Connection) -> None:
        """Serves one process after another until `stop`."""
        backoff = BACKOFF_SECONDS_MIN
        while True:
            started = trio.current_time()
            try:
                await connection.run()
            finally:
                self._connection = None
                self._up = trio.Event()
                code = await connection.close()
            if self._stopping:
                return
            if trio.current_time() - started > BACKOFF_SECONDS_MAX:
                backoff = BACKOFF_SECONDS_MIN
            _LOG.error("%s ended (exit code %d): starting it anew in %g s", self._name, code, backoff)
            connection, backoff = await self._reopen(backoff)
            self._connection = connection
            self.restarts += 1
            self._up.set()

    async def _reopen(self, backoff: float) -> tuple[Connection, float]:
        while True:
            await trio.sleep(backoff)
            await self._may_open.wait()
            backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)
            try:
                connection, _ = await self._open()
            except (ExecutorLost, StartupRefused) as error:
                _LOG.error("%s does not start (%s): trying again in %g s", self._name, error, backoff)
            else:
                return connection, backoff
