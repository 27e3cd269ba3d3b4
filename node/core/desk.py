"""What a shard's executor is asked to build and execute: one thing at a time, and nothing that nobody waits for any more.

An executor works through what it is given. Where a block takes longer than a view, whatever was asked for in the views before would have
to be done first, so that no view were ever long enough. And a block may take minutes to execute: what is given out is withdrawn once its
view is over without a certificate (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from node.core.effects import Build, Execute


class Desk:
    """The work of one shard that is not given out yet; at most one build, and one execution a held block."""

    def __init__(self) -> None:
        self._out: Build | Execute | None = None
        self._is_withdrawn = False
        self._build: Build | None = None
        self._executions: dict[bytes, Execute] = {}

    def add(self, work: Build | Execute) -> None:
        """Takes up work; a build takes the place of one of an earlier view."""
        if isinstance(work, Build):
            self._build = work
        else:
            self._executions[work.root] = work

    def answered(self) -> None:
        """What was given out last is done, was withdrawn, or was lost."""
        self._out, self._is_withdrawn = None, False

    def withdraw(self, needed: Callable[[], Iterable[bytes]]) -> bytes | None:
        """The root of the execution that is out and that nobody waits for any more, once; a block that is final is never withdrawn.

        Args:
            needed: as for `next`.
        """
        out = self._out
        if not isinstance(out, Execute) or out.certified or self._is_withdrawn or out.root in needed():
            return None
        self._is_withdrawn = True
        return out.root

    def next(
        self, epoch: int, view: int, needed: Callable[[], Iterable[bytes]], is_held: Callable[[bytes], bool]
    ) -> Build | Execute | None:
        """Gives out work: the running view's block first, then executions by `needed`; None if there is nothing to do.

        Args:
            epoch: of the running instance.
            view: that runs in it.
            needed: roots of blocks that somebody waits for.
            is_held: whether a block is still held.
        """
        if self._out is not None or (self._build is None and not self._executions):
            return None
        work: Build | Execute | None = None
        if self._build is not None:
            is_current = self._build.epoch == epoch and self._build.view >= view
            work, self._build = self._build if is_current else None, None
        if work is None:
            self._executions = {root: execution for root, execution in self._executions.items() if is_held(root)}
            root = next((root for root in needed() if root in self._executions), None)
            work = None if root is None else self._executions.pop(root)
        self._out = work
        return work
