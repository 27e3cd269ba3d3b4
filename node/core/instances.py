"""The instances of one chain at one node: the running one, those opened since, and what came early for them (PROTOCOL 2 and 3)."""

from __future__ import annotations

from collections import OrderedDict, deque

from consensus.beacon.committees import committee_in
from consensus.committee import Committee
from consensus.simplex import events as simplex
from consensus.simplex.limits import ANSWERED_PEERS_MAX
from node.core.context import Context
from node.core.effects import Peer, Tell
from node.core.records import Opening, certificate_key, engine_key, instance_key, running_key
from p2p.messages import Finality
from primitives.types import ZERO_ROOT, Height, Root, ValidatorIndex, View
from primitives.votes import Certificate, Instance

EARLY_MESSAGES_MAX = 128
"""Messages of instances not open here yet, a chain; one more is dropped."""
EARLY_MESSAGES_PER_PEER_MAX = 16
"""Of those, one author's; one more is dropped."""
EARLY_BYTES_MAX = 2 * 1024 * 1024
"""Blocks in those, in bytes, a chain; a proposal beyond it is dropped, and its block pulled if it comes to that."""

Message = simplex.ProposalReceived | simplex.VoteReceived | simplex.CertificateReceived | simplex.WakeReceived
"""What comes from outside."""


class Instances:
    """Which instance a chain is in, and which come next; what this says is on disk with the turn that said it."""

    def __init__(self, context: Context, chain: int, first: Opening) -> None:
        """`first` is the opening of the chain's first instance, which genesis gives."""
        self._context, self._chain = context, chain
        self.running = first
        self.next: deque[Opening] = deque()
        """Opened by the beacon chain and not entered here yet, in order."""
        self._early: deque[tuple[Instance, Message]] = deque()
        self._answered_ms: OrderedDict[Peer, int] = OrderedDict()
        entered = context.read(running_key(chain))
        if entered is not None:
            record = context.read(instance_key(chain, int.from_bytes(entered, "big")))
            assert record is not None, "an instance is on record before it is entered"
            self.running = Opening.decode(record)
        for record in context.scan(instance_key(chain)).values():
            opening = Opening.decode(record)
            if opening.members.epoch > self.running.members.epoch:
                self.next.append(opening)

    @property
    def instance(self) -> Instance:
        """The running instance."""
        return Instance(self._chain, self.running.members.epoch)

    @property
    def committee(self) -> Committee:
        """Of the running instance."""
        return committee_in(self.running.members, self._chain)

    @property
    def seed(self) -> bytes:
        """From which the leaders of the running instance are drawn."""
        return self.running.members.seed

    @property
    def base(self) -> simplex.BlockInfo:
        """The block the running instance starts from; no rule asks where that one stood itself."""
        return simplex.BlockInfo(
            Root(self.running.base_root), ZERO_ROOT, Height(self.running.base_height), View(0), self.running.members.epoch,
            ValidatorIndex(0), is_boundary=False,
        )  # fmt: skip

    def engine_records(self) -> dict[bytes, bytes]:
        """What the engine of the running instance has on disk; what is left of an earlier one is deleted."""
        every, own = engine_key(self._chain), engine_key(self._chain, self.running.members.epoch)
        found = {}
        for key, value in self._context.scan(every).items():
            if key.startswith(own):
                found[key[len(own) :]] = value
            else:
                self._context.persist(key, None, durable=False)
        return found

    def announce(self, opening: Opening) -> None:
        """The beacon chain has opened an instance; it is entered when its base is the head."""
        self._context.persist(instance_key(self._chain, opening.members.epoch), opening.encode())
        self.next.append(opening)

    def enter(self) -> None:
        """The next instance becomes the running one."""
        self.running = self.next.popleft()
        self._answered_ms.clear()
        self._context.persist(running_key(self._chain), self.running.members.epoch.to_bytes(8, "big"))
        self._context.observe("instances_entered", chain=str(self._chain))

    # -- messages of other instances (PROTOCOL 2, rule 7)

    def hold(self, instance: Instance, event: Message) -> None:
        """Keeps a message of an instance that is not open here yet."""
        limit = self._limit_met(event)
        if limit is None:
            self._early.append((instance, event))
        else:
            self._context.observe("limit_hits", limit=limit)

    def _limit_met(self, event: Message) -> str | None:
        if len(self._early) >= EARLY_MESSAGES_MAX:
            return "early_messages_max"
        if sum(held.peer == event.peer for _, held in self._early) >= EARLY_MESSAGES_PER_PEER_MAX:
            return "early_messages_per_peer_max"
        if sum(_block_bytes(held) for _, held in self._early) + _block_bytes(event) > EARLY_BYTES_MAX:
            return "early_bytes_max"
        return None

    def take_early(self) -> list[Message]:
        """Messages held for the running instance; those of earlier ones are forgotten."""
        ready = [event for instance, event in self._early if instance == self.instance]
        self._early = deque(held for held in self._early if held[0].epoch > self.instance.epoch)
        return ready

    def answer(self, peer: Peer) -> None:
        """Tells a peer that is still in an ended instance how it ended, at most once a delta."""
        now_ms, delta_ms = self._context.now.monotonic_ms, self._context.parameters.delta_ms
        last_ms = self._answered_ms.get(peer)
        if last_ms is not None and now_ms - last_ms < delta_ms:
            return
        stored = self._context.read(certificate_key(self._chain, self.running.base_height))
        if stored is not None:
            self._answered_ms[peer] = now_ms
            self._answered_ms.move_to_end(peer)
            if len(self._answered_ms) > ANSWERED_PEERS_MAX:
                self._answered_ms.popitem(last=False)
            self._context.emit(Tell(peer, Finality(Certificate.decode(stored))))


def _block_bytes(event: Message) -> int:
    return len(event.proposal.block) if isinstance(event, simplex.ProposalReceived) else 0
