"""A node's core: chains, agreement, receipts and pools behind one machine, from an event to effects.

It holds no clock, socket, disk or randomness; the daemon (node/daemon.py) and the simulator (node/simulator/) drive it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consensus.beacon.state import BeaconState
from consensus.beacon.transition import process_block
from consensus.signatures import SignatureScheme
from consensus.simplex import events as simplex
from node.core.beacon_chain import BeaconChain
from node.core.chain import Chain
from node.core.context import Context, Transition
from node.core.effects import (
    Admit,
    BlockBuilt,
    BlockExecuted,
    Effect,
    Event,
    ExecutionWithdrawn,
    GossipReceived,
    Mine,
    Now,
    OutgoingRead,
    PeerConnected,
    PeerDisconnected,
    Publish,
    ResponseReceived,
    SetAutomine,
    SetTimestamp,
    ShardFinalized,
    ShardTruncated,
    Tick,
)
from node.core.inbound import Missing
from node.core.ranges import is_far
from node.core.records import INCARNATION_KEY, Opening
from node.core.shard_chain import ShardChain
from node.core.speech import consensus_batches, transaction_batches
from p2p.messages import (
    GOSSIP_BYTES_MAX,
    Blocks,
    BundleByNonce,
    Certificates,
    ChainStatus,
    ConsensusBatch,
    GossipPayload,
    Status,
    TransactionBatch,
)
from p2p.topics import Topic, TopicKind
from primitives.blocks import BeaconBlock, Crosslink, Evidence
from primitives.errors import InvalidBlock, ReceiptsReason
from primitives.genesis import Genesis
from primitives.receipts import Bundle
from primitives.types import Address, ValidatorIndex, View
from primitives.votes import Proposal, Vote, Wake
from shard.pool import Added, Pool
from shard.results import HeadInfo
from shard.transactions import Transaction

TRANSACTIONS_GATHERED_MS = 20
"""How long a user's transaction waits for others to be gossiped with."""


@dataclass(frozen=True, slots=True)
class AccountAt:
    """A sender's account in the state of one block."""

    root: bytes
    """Of the block."""
    nonce: int
    balance: int
    """Wei."""


class Core:
    """Everything a node decides."""

    def __init__(
        self,
        *,
        genesis: Genesis,
        genesis_block: BeaconBlock,
        genesis_state: BeaconState,
        heads: Mapping[int, HeadInfo],
        pools: Mapping[int, Pool],
        scheme: SignatureScheme,
        local: tuple[ValidatorIndex, ...],
        read: Callable[[bytes], bytes | None],
        scan: Callable[[bytes], Mapping[bytes, bytes]],
        now: Now,
        transition: Transition = process_block,
    ) -> None:
        self._make_context = functools.partial(
            Context, genesis=genesis, scheme=scheme, local=local, read=read, scan=scan, transition=transition
        )
        self._beacon_genesis, self._automine = (genesis_block, genesis_state), False
        self.begin(heads, pools, now)

    def begin(self, heads: Mapping[int, HeadInfo], pools: Mapping[int, Pool], now: Now) -> None:
        """Makes everything anew from what the store and the executors hold: `start` follows."""
        self.context = self._make_context(now=now)
        self.context.automine = self._automine
        stored = self.context.read(INCARNATION_KEY)
        self.context.incarnation = 0 if stored is None else int.from_bytes(stored, "big")
        self.beacon = BeaconChain(self.context, *self._beacon_genesis)
        hosted = frozenset(heads)
        self.shards = {
            shard: ShardChain(self.context, shard, self.beacon, heads[shard], pools[shard], hosted) for shard in sorted(hosted)
        }
        self.chains: tuple[Chain[Any], ...] = (*self.shards.values(), self.beacon)
        """Followed chains, shards first."""
        self._by_number = {chain.number: chain for chain in self.chains}
        self.beacon.crosslinks = self._crosslinks
        self.beacon.listener = self._beacon_final
        self.context.on_unsound = self._abstain
        if self.context.unsound:
            self._abstain()
        self._next_status_ms = now.monotonic_ms
        self._has_heard = False
        """A peer has told how far it is."""
        self._ask_again_ms: int | None = None
        self._transactions: dict[int, list[bytes]] = {}
        self._transactions_due_ms: int | None = None
        """When what our users sent is gossiped, all of it in as few messages as can be."""

    def chain(self, number: int) -> Chain[Any] | None:
        """A followed chain by number."""
        return self._by_number.get(number)

    @property
    def has_caught_up(self) -> bool:
        """Whether no chain here is far behind what a peer tells of, or a final beacon block records; alone, nobody need tell."""
        state, committee = self.beacon.tree.head.outcome, self.beacon.committee
        assert state is not None
        own = [position for index in self.context.local if (position := committee.position(index)) is not None]
        if not self._has_heard and not committee.has_quorum(own):
            return False
        return not any(chain.is_behind for chain in self.chains) and not any(
            is_far(state.shards[shard].height, chain.tree.head.info.height) for shard, chain in self.shards.items()
        )

    def start(self) -> list[Effect]:
        """Starts every chain from what the store holds."""
        state = self.beacon.tree.head.outcome
        assert state is not None
        for chain in self.chains:
            chain.start()
        for shard in self.shards.values():
            shard.follow_beacon(state)
        return self._finish_turn()

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """What to do about `event`; effects are performed as node/core/effects.py says."""
        return self.handle_all((event,), now)

    def handle_all(self, events: Iterable[Event], now: Now) -> list[Effect]:
        """What to do about events that came together, in their order: one turn."""
        self.context.now = now
        self.beacon.begin_turn()
        for event in events:
            self._handle(event)
        return self._finish_turn()

    def _handle(self, event: Event) -> None:
        match event:
            case Tick():
                self._tick()
            case GossipReceived(peer, topic, message):
                self._gossip(peer, topic, message)
            case PeerConnected(peer):
                self.context.fetcher.connect(peer)
                self._next_status_ms = min(self._next_status_ms, self.context.now.monotonic_ms)
            case PeerDisconnected(peer):
                self.context.fetcher.disconnect(peer)
            case ResponseReceived():
                self._response(event)
            case BlockExecuted(shard, root, result):
                self.shards[shard].executed(root, result)
            case ExecutionWithdrawn(shard, root):
                self.shards[shard].execution_withdrawn(root)
            case BlockBuilt(shard, parent, view, built):
                self.shards[shard].block_built(parent, View(view), built)
            case ShardFinalized(shard, root, blocks):
                self.shards[shard].finalized(root, blocks)
                self.beacon.post(simplex.ChainChanged())
            case ShardTruncated():
                self.shards[event.shard].truncated(event)
            case OutgoingRead():
                self._outgoing(event)
            case Mine(number, until, interval_s):
                if (shard_chain := self.shards.get(number)) is not None:
                    shard_chain.times.space(max(shard_chain.tree.head.info.height, shard_chain.begun), interval_s)
                if (chain := self.chain(number)) is not None:
                    chain.mine(until)
            case SetAutomine(enabled):
                self._automine = self.context.automine = enabled
                for chain in self.chains:
                    chain.post(simplex.ChainChanged())
            case SetTimestamp(shard, timestamp):
                self.shards[shard].times.next = timestamp

    def submit(
        self, shard: int, transaction: Transaction, sender: Address, account: AccountAt, now: Now, *, is_local: bool
    ) -> tuple[Added, list[Effect]]:
        """Takes a checked user transaction into the pool; one of our own users' is gossiped.

        Args:
            shard: whose pool.
            transaction: past `check_stateless` and `check_against_account`.
            sender: recovered from its signature.
            account: the sender's at the final head of now. The pool takes it as what the chain says last: an older one would take the
                sender back to nonces that are used.
            now: the clocks.
            is_local: whether it is gossiped.

        Raises:
            InvalidTransaction: the pool refuses it.
        """
        self.context.now = now
        chain = self.shards[shard]
        assert account.root == chain.tree.head.info.root, "an account is taken at the head it was read at"
        added = chain.pool.add(transaction, sender, account.nonce, account.balance, now.monotonic_ms)
        if is_local:
            self._transactions.setdefault(shard, []).append(transaction.raw)
            if self._transactions_due_ms is None:
                self._transactions_due_ms = now.monotonic_ms + TRANSACTIONS_GATHERED_MS
        if added.is_pending:
            chain.post(simplex.ChainChanged())
        return added, self._finish_turn()

    @property
    def deadline_ms(self) -> int:
        """When the next `Tick` is due, monotonic."""
        if self.beacon.has_more and not self.beacon.halted:
            return self.context.now.monotonic_ms
        own = (self._next_status_ms, self._ask_again_ms, self._transactions_due_ms)
        chains = [chain.engine.deadline_ms for chain in self.chains if not chain.halted]
        return min([due for due in (*own, *chains) if due is not None])

    def status(self) -> Status:
        """How far this node is on each chain it follows."""
        rows = tuple(
            ChainStatus(c.number, c.instance.epoch, c.engine.view, c.tree.head.info.height, c.tree.head.info.root)
            for c in sorted(self.chains, key=lambda chain: chain.number)
        )
        return Status(self.context.genesis.root, rows)

    def missing_bundles(self, now_ms: int) -> list[Missing]:
        """What receipts the shards here lack, by channel; `now_ms` is monotonic."""
        return [missing for shard in self.shards.values() for missing in shard.inbound.missing(now_ms)]

    def hear_status(self, peer: str, genesis_root: bytes, rows: tuple[ChainStatus, ...]) -> None:
        """A peer tells which network it is of and which chains it follows, asking or answering."""
        if genesis_root == self.context.genesis.root:
            self.context.fetcher.tell(peer, {row.chain: row.height for row in rows})
        elif self.context.fetcher.estrange(peer):
            self.context.observe("peers_of_other_networks", peer=peer, genesis_root=genesis_root.hex())

    # -- events

    def _tick(self) -> None:
        now_ms = self.context.now.monotonic_ms
        for chain in self.chains:
            if (due := chain.engine.deadline_ms) is not None and due <= now_ms:
                chain.post(simplex.Tick())
        if self._ask_again_ms is not None and self._ask_again_ms <= now_ms:
            self._ask_again_ms = None
            for chain in self.chains:
                if chain.waits:
                    chain.poke()
            for shard in self.shards.values():
                shard.inbound.fetch()
        if now_ms >= self._next_status_ms:
            interval = 2 * self.context.parameters.block_time_ms
            self._next_status_ms = now_ms + interval
            self.context.want(("status",), self.status(), interval_ms=interval // 2)

    def _gossip(self, peer: str, topic: Topic, message: GossipPayload) -> None:
        if isinstance(message, ConsensusBatch):
            self._consensus(peer, topic.chain, message)
        elif isinstance(message, TransactionBatch):
            if topic.chain in self.shards:
                self.context.emit(Admit(topic.chain, peer, message.transactions))
        elif message.destination != topic.chain:
            self.context.penalize(peer, ReceiptsReason.WRONG_CHANNEL)
        elif message.destination in self.shards:
            self.shards[message.destination].take_bundle(peer, message)

    def _consensus(self, peer: str, number: int, batch: ConsensusBatch) -> None:
        chain = self.chain(number)
        if chain is None:
            return
        for certificate in batch.certificates:
            chain.receive(certificate.instance, simplex.CertificateReceived(peer, certificate))
        for proposal in batch.proposals:
            chain.receive(proposal.vote.instance, simplex.ProposalReceived(peer, proposal))
        for vote in batch.votes:
            chain.receive(vote.instance, simplex.VoteReceived(peer, vote))
        for wake in batch.wakes:
            chain.receive(wake.instance, simplex.WakeReceived(peer, wake))
        if chain is self.beacon:
            self._evidence(peer, batch.evidence)

    def _evidence(self, peer: str, pieces: tuple[Evidence, ...]) -> None:
        """Looks at what one author tells up to the first lie."""
        for evidence in pieces:
            try:
                self.beacon.take_evidence(evidence, peer)
            except InvalidBlock as error:
                self.context.penalize(peer, error.reason)
                return

    def _response(self, event: ResponseReceived) -> None:
        asked = self.context.fetcher.finish(event.request_id)
        if asked is None:
            return
        kind, *rest = asked.need
        if event.response is None:
            if kind == "range" and (chain := self.chain(int(rest[0]))) is not None:  # type: ignore[call-overload]
                chain.range_failed()
            return
        match event.response:
            case Status(genesis_root, rows):
                self.hear_status(asked.peer, genesis_root, rows)
                if genesis_root == self.context.genesis.root:
                    self._has_heard = True
                    for row in () if self.context.decides_alone else rows:
                        if (chain := self.chain(row.chain)) is not None:
                            chain.catch_up(asked.peer, row.height)
            case Blocks() as blocks:
                chain = self.chain(int(rest[0]))  # type: ignore[call-overload]
                assert chain is not None
                if kind == "range":
                    chain.take_range(asked.peer, int(rest[1]), blocks)  # type: ignore[call-overload]
                else:
                    chain.take_block(asked.peer, bytes(rest[1]), blocks)  # type: ignore[call-overload]
            case Certificates(certificates):
                chain = self.chain(int(rest[0]))  # type: ignore[call-overload]
                assert chain is not None
                for certificate in certificates:
                    chain.post(simplex.CertificateReceived(asked.peer, certificate))
            case Bundle() as bundle:
                asked_for = asked.request
                assert isinstance(asked_for, BundleByNonce)
                if (bundle.source, bundle.destination) != (asked_for.source, asked_for.destination):
                    self.context.penalize(asked.peer, ReceiptsReason.WRONG_CHANNEL)
                elif self.shards[bundle.destination].take_bundle(asked.peer, bundle):
                    self.context.fetcher.helped(asked.need)

    def _outgoing(self, event: OutgoingRead) -> None:
        if event.destination in self.shards:
            destination = self.shards[event.destination]
            if destination.inbound.read(event.source, event.bundle):
                destination.post(simplex.ChainChanged())
        if event.bundle is not None and self._is_ours(event.source):
            if len(event.bundle.encode()) <= GOSSIP_BYTES_MAX:
                self.context.emit(Publish(Topic(TopicKind.RECEIPTS, event.destination), event.bundle))

    def _is_ours(self, source: int) -> bool:
        """Whether this node proposed the source's newest final block: then it is the one that pushes its bundles."""
        return source in self.shards and self.shards[source].tree.head.info.proposer in self.context.local

    # -- between the chains

    def _crosslinks(self, state: BeaconState) -> list[Crosslink]:
        links = (shard.crosslink(state) for shard in self.shards.values())
        return [link for link in links if link is not None]

    def _beacon_final(self, state: BeaconState, openings: list[tuple[int, Opening]]) -> None:
        for number, opening in openings:
            if number in self.shards:
                self.shards[number].instances.announce(opening)
        for shard in self.shards.values():
            shard.follow_beacon(state)

    def _abstain(self) -> None:
        for chain in self.chains:
            chain.engine.abstain()

    def _waits(self) -> bool:
        """Whether something is open on some chain, or a page of receipts missing, that may need asking for again."""
        for chain in self.chains:
            if chain.waits:
                return True
        for shard in self.shards.values():
            if shard.inbound.waits:
                return True
        return False

    def _finish_turn(self) -> list[Effect]:
        while busy := [chain for chain in self.chains if chain.is_busy]:
            for chain in busy:
                chain.drain()
            found, self.context.found = self.context.found, []
            for evidence in found:
                self.beacon.take_evidence(evidence, None)
        for chain in self.shards.values():
            chain.dispatch()
        if not self._waits():
            self._ask_again_ms = None
        elif self._ask_again_ms is None:
            self._ask_again_ms = self.context.now.monotonic_ms + 2 * self.context.parameters.delta_ms
        said, self.context.said = self.context.said, {}
        for number, messages in said.items():
            if self.context.unsound:
                # what was cast in this very turn is not to be heard either
                messages = [message for message in messages if not isinstance(message, Vote | Proposal | Wake)]
            for batch in consensus_batches(messages):
                self.context.emit(Publish(Topic(TopicKind.CONSENSUS, number), batch))
        if self._transactions_due_ms is not None and self._transactions_due_ms <= self.context.now.monotonic_ms:
            transactions, self._transactions, self._transactions_due_ms = self._transactions, {}, None
            for shard, raws in transactions.items():
                for group in transaction_batches(raws):
                    self.context.emit(Publish(Topic(TopicKind.TRANSACTIONS, shard), group))
        effects, self.context.effects = self.context.effects, []
        return effects
