"""The blocks of one chain above its final head: held, fetched, executed in order, and judged for the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from consensus.simplex import events as simplex
from node.core.context import Context
from node.core.effects import Peer
from node.core.ranges import is_far
from node.core.tree import BlockTree, Held, OpenCheck, Status
from p2p.messages import BlocksByRoot
from primitives.errors import BlockReason, InvalidBlock, InvalidEncoding
from primitives.types import Root

Outcome = TypeVar("Outcome")
CHECKS_WAITING_MAX = 64
"""Proposals of one chain whose verdict is open."""
WANTED_MAX = 64
"""Certified blocks of one chain that wait for a body or for execution."""


class HeldBlocks(ABC, Generic[Outcome]):
    """What a chain does with blocks before they are final; `Outcome` is what executing one gives."""

    def __init__(self, context: Context, number: int, head: Held[Outcome]) -> None:
        self.context = context
        self.number = number
        self.tree: BlockTree[Outcome] = BlockTree(head)
        self._checks: dict[bytes, OpenCheck] = {}
        self._wanted: dict[bytes, int] = {}
        """Roots to execute without a proposal of theirs being open, and the view that certified each."""
        self._dirty = False

    @abstractmethod
    def decode(self, data: bytes) -> simplex.BlockInfo:
        """What agreement needs to know of an encoded block.

        Raises:
            InvalidEncoding: not a block of this chain.
        """

    @abstractmethod
    def examine(self, held: Held[Outcome], parent: Held[Outcome]) -> None:
        """Checks and executes a held block on its executed parent; ends, now or later, in `settle`, or waits for `poke`."""

    @abstractmethod
    def refusal(self, held: Held[Outcome]) -> BlockReason | None:
        """Why a valid block is not voted for, by the vote rules of PROTOCOL 5; None if it is."""

    @abstractmethod
    def ends_instance(self, held: Held[Outcome]) -> bool:
        """Whether an executed block is the boundary of the running instance (PROTOCOL 3)."""

    @property
    @abstractmethod
    def running_view(self) -> int:
        """The view the engine is in."""

    @abstractmethod
    def post(self, event: simplex.Event) -> None:
        """One more event for the engine, handled by the next `drain`."""

    def poke(self) -> None:
        """Something that blocks may wait for has come; the next `drain` goes on with all that is open."""
        self._dirty = True

    def insert(self, root: bytes, data: bytes, peer: Peer | None = None) -> bool:
        """Holds a block's body that `peer` delivered; False if it is not the block `root`, or a bound is reached."""
        if self.tree.get(root) is not None:
            return True
        try:
            info = self.decode(data)
        except InvalidEncoding:
            return False
        if info.root != root:
            return False
        if not self.tree.insert(Held(info, data, since_ms=self.context.now.monotonic_ms, peer=peer)):
            self.context.observe("limit_hits", limit="blocks_held_max")
            return False
        return True

    def _is_body(self, root: bytes, data: bytes) -> bool:
        """Whether data is the block `root`, held or not."""
        try:
            return self.decode(data).root == root
        except InvalidEncoding:
            return False

    def want_block(self, root: bytes, prefer: Peer | None = None) -> None:
        """Ask for a block that is not here."""
        self.context.want(("block", self.number, root), BlocksByRoot(self.number, (root,)), prefer)

    def _start_check(self, check: simplex.Check) -> None:
        if len(self._checks) >= CHECKS_WAITING_MAX:
            oldest = min(self._checks, key=lambda root: self._checks[root].view)
            del self._checks[oldest]
        self._checks[check.root] = OpenCheck(check.view, check.parent, check.is_reproposal)
        if check.block and not self.insert(check.root, check.block, check.peer) and not self._is_body(check.root, check.block):
            # not what the leader's vote names: whoever passed it on is to blame, and the body is pulled
            self.context.penalize(check.peer, BlockReason.BAD_BODY)
        self.advance(check.root)

    def advance(self, root: bytes) -> None:
        """Goes on with the lowest block below `root` that is not executed yet."""
        path, missing = self.tree.path(root)
        if missing is not None:
            if path and path[0].info.height <= self.tree.head.info.height + 1:
                self._condemn(path, InvalidBlock(BlockReason.WRONG_PARENT, "does not lead to the final head"))
            else:
                self._pull(path, missing)
            return
        parent = self.tree.head
        for place, held in enumerate(path):
            if held.status is Status.UNCHECKED:
                if held.info.height == parent.info.height + 1:
                    self.examine(held, parent)
                else:
                    self.settle(held, InvalidBlock(BlockReason.WRONG_HEIGHT, f"{held.info.height} on {parent.info.height}"))
            if held.status is Status.INVALID:
                self._condemn(path[place + 1 :], InvalidBlock(BlockReason.WRONG_PARENT, "built on an invalid block"))
            if held.status is not Status.VALID:
                break
            parent = held
        for held in path:
            self._conclude(held)
        if root == self.tree.head.info.root:
            self._conclude(self.tree.head)

    def _pull(self, path: list[Held[Outcome]], missing: bytes) -> None:
        """Asks for the block below a path, unless it is so far ahead that it comes by range."""
        if not path or not is_far(path[0].info.height - 1, self.tree.head.info.height):
            self.want_block(missing)

    def _condemn(self, path: list[Held[Outcome]], why: InvalidBlock) -> None:
        for held in path:
            if held.status is not Status.INVALID:
                self.settle(held, why)
            self._conclude(held)

    def settle(self, held: Held[Outcome], outcome: Outcome | InvalidBlock) -> None:
        """The end of `examine`."""
        self._dirty = True
        if isinstance(outcome, InvalidBlock):
            held.status = Status.INVALID
            self.context.observe("blocks_rejected", chain=str(self.number), reason=outcome.reason.code, message=outcome.message)
        else:
            held.status, held.outcome = Status.VALID, outcome
            held.info = replace(held.info, is_boundary=self.ends_instance(held))

    def _needed(self) -> Iterator[bytes]:
        """Blocks that somebody waits for: final ones; then certified ones and the running view's proposals, each after what it rests on."""
        yield from (held.info.root for held in self.tree if held.certified)
        asked = [root for root, check in self._checks.items() if check.view >= self.running_view]
        for root in (*self._wanted, *asked):
            yield from (held.info.root for held in self.tree.path(root)[0])

    def _conclude(self, held: Held[Outcome]) -> None:
        """Tells the engine the verdict on a block it waits for, once there is one."""
        root = held.info.root
        if held.status in (Status.VALID, Status.INVALID):
            self._wanted.pop(root, None)
            check = self._checks.get(root)
            if check is None:
                return
            valid = held.status is Status.VALID and check.fits(held.info)
            verdict = simplex.Verdict.VALID if valid else simplex.Verdict.INVALID
            if valid and not check.is_reproposal and (reason := self.refusal(held)) is not None:
                self.context.observe("blocks_refused", chain=str(self.number), reason=reason.code)
                verdict = simplex.Verdict.REFUSED
            self._verdict(root, verdict)

    def _verdict(self, root: bytes, verdict: simplex.Verdict) -> None:
        check = self._checks.pop(root)
        self.post(simplex.BlockChecked(Root(root), check.view, verdict))
