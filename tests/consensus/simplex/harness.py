"""A small deterministic network for the engine: one heap of events, a toy chain, signatures that only their owner makes."""

import hashlib
import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

from consensus.committee import Committee, Member
from consensus.simplex import BlockInfo, Simplex, Verdict
from consensus.simplex import events as e
from primitives.errors import InvalidSignature, SignatureReason
from primitives.parameters import Parameters
from primitives.types import Root
from primitives.votes import Certificate, Instance, Proposal, Vote, VoteKind, Wake, vote_signing_root

INSTANCE = Instance(0, 0)
GENESIS_ROOT = Root(b"g" * 32)
PARAMETERS = Parameters(delta_ms=250, block_time_ms=1000, idle_block_time_ms=5000, execution_budget_ms=250)
BASE = BlockInfo(Root(b"b" * 32), Root(b"\0" * 32), 0, 0, 0, 0, False)


def key_of(index):
    return index.to_bytes(4, "big").rjust(48, b"k")


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class CheapScheme:
    """A signature is a hash of key and message; an aggregate is the sum of its parts. Anybody could forge it; tests do so openly."""

    def __init__(self, local=()):
        self.local = frozenset(local)
        self.verified = Counter()

    def sign(self, validator_index, message):
        assert validator_index in self.local
        return self.signature(key_of(validator_index), message)

    @staticmethod
    def signature(key, message):
        return digest(key, message) + b"\0" * 64

    def can_sign(self, validator_index):
        return validator_index in self.local

    def verify(self, public_key, message, signature):
        self.verified["one"] += 1
        return signature == self.signature(public_key, message)

    def aggregate(self, signatures):
        if not signatures or any(len(s) != 96 or s == b"\xff" * 96 for s in signatures):
            raise InvalidSignature(SignatureReason.BAD_SIGNATURE)
        total = sum(int.from_bytes(s[:32], "big") for s in signatures) % 2**256
        return total.to_bytes(32, "big") + b"\0" * 64

    def fast_aggregate_verify(self, public_keys, message, signature):
        self.verified["aggregate"] += 1
        return bool(public_keys) and self.aggregate(tuple(self.signature(k, message) for k in public_keys)) == signature


def committee_of(stakes):
    return Committee(tuple(Member(i, key_of(i), stake) for i, stake in enumerate(stakes)))


def vote_of(validator, kind, view, root=b"\0" * 32, instance=INSTANCE):
    message = vote_signing_root(PARAMETERS.fork_version, GENESIS_ROOT, instance, view, kind, root)
    return Vote(instance, view, kind, root, validator, CheapScheme.signature(key_of(validator), message))


def certificate_of(signers, kind, view, root=b"\0" * 32, size=4, instance=INSTANCE):
    votes = tuple(vote_of(v, kind, view, root, instance) for v in signers)
    bits = tuple(i in signers for i in range(size))
    return Certificate(instance, view, kind, root, bits, CheapScheme().aggregate(tuple(v.signature for v in votes)))


def make_block(parent, view, proposer, boundary_height=None, salt=b"", epoch=0):
    height = parent.height + 1
    body = digest(parent.root, view.to_bytes(8, "big"), proposer.to_bytes(4, "big"), salt)
    return BlockInfo(Root(body), parent.root, height, view, epoch, proposer, height == boundary_height), body


class Chain:
    """Bodies by root; `synced` are the ones a crash leaves."""

    def __init__(self):
        self.blocks, self.synced, self.work, self.wanted = {}, {}, True, False

    def block(self, root):
        return self.blocks.get(root)

    def sees_work(self, parent):
        return self.work

    def wants_now(self, parent):
        return self.wanted


@dataclass
class Disk:
    records: dict = field(default_factory=dict)
    blocks: dict = field(default_factory=dict)
    final: list = field(default_factory=list)


class Node:
    def __init__(self, net, name, local):
        self.net, self.name, self.local = net, name, tuple(local)
        self.disk, self.alive, self.boot = Disk(), False, 0
        self.observed, self.penalties = Counter(), []

    def start(self):
        if self.alive:
            return
        self.alive, self.boot = True, self.boot + 1
        self.chain = Chain()
        self.chain.blocks = dict(self.disk.blocks)
        self.chain.work = self.net.work
        self.pending = None
        self.wanted = set()
        self.engine = Simplex(
            INSTANCE, self.net.committee, b"seed", self.net.base, self.local, self.net.scheme(self.local), GENESIS_ROOT,
            self.net.parameters, self.chain, dict(self.disk.records),
        )
        self.tick_at = None
        self.apply(self.engine.start(self.net.now))

    def crash(self):
        self.alive = False

    def handle(self, event):
        self.apply(self.engine.handle(event, self.net.now))

    def later(self, delay, function, *arguments):
        boot = self.boot
        self.net.at(self.net.now + delay, lambda: function(*arguments) if self.alive and self.boot == boot else None)

    def apply(self, effects):
        """Persists at once and sends a few ms later, so a crash in between tells whether the order is kept."""
        kinds = [isinstance(effect, e.Persist | e.PersistBlock) for effect in effects]
        assert kinds == sorted(kinds, reverse=True), "durable effects come first"
        sent = []
        for effect in effects:
            self.net.trace(self.name, effect)
            match effect:
                case e.Persist(key, None):
                    self.disk.records.pop(key, None)
                case e.Persist(key, value):
                    self.disk.records[key] = value
                case e.PersistBlock(root):
                    self.disk.blocks[root] = self.chain.blocks[root]
                case e.Broadcast(message):
                    if isinstance(message, Vote | Proposal):
                        self.check_durable(message if isinstance(message, Vote) else message.vote)
                    sent.append((None, message))
                case e.SendTo(peer, message):
                    sent.append((peer, message))
                case e.Penalize(peer, reason):
                    self.penalties.append((peer, reason))
                case e.Observe(name, value, labels):
                    self.observed[name, *labels.values()] += value
                case _:
                    self.later(1, self.serve, effect)
        if sent:
            self.later(2, lambda: [self.net.send(self, *item) for item in sent])
        self.arm()

    def check_durable(self, vote):
        """A vote that is about to leave would survive a crash now, and so would the block it notarizes."""
        assert vote.encode() in self.disk.records.values()
        assert vote.kind != VoteKind.NOTARIZE or vote.root in self.disk.blocks

    def arm(self):
        deadline = self.engine.deadline_ms
        assert deadline is None or deadline > self.net.now
        if deadline is not None and deadline != self.tick_at:
            self.tick_at = deadline
            self.later(deadline - self.net.now, self.tick, deadline)

    def tick(self, moment):
        if self.engine.deadline_ms == moment:
            self.tick_at = None
            self.net.ticks += 1
            self.handle(e.Tick())

    def serve(self, effect):
        net = self.net
        match effect:
            case e.Build(parent, parent_root, view, leader):
                below = net.base if parent_root == net.base.root else self.chain.blocks[parent_root]
                info, body = make_block(below, view, leader, net.boundary_height)
                self.chain.blocks[info.root] = net.infos[info.root] = info
                self.handle(e.BlockBuilt(view, parent_root, body, info))
            case e.Check(root, _, view, parent):
                if root in net.infos:
                    self.chain.blocks[root] = net.infos[root]
                    good = net.infos[root].parent == parent.root or root == parent.root
                    self.handle(e.BlockChecked(root, view, Verdict.VALID if good else Verdict.INVALID))
            case e.CertificateHeld(certificate) if certificate.kind == VoteKind.FINALIZE:
                if self.pending is None or certificate.view > self.pending.view:
                    self.pending = certificate
                self.finalize()
            case e.WantBlock(root):
                self.wanted.add(root)
                self.pull()
            case e.WantCertificates(first, last):
                peers = [node for node in net.nodes if node.alive and node is not self and net.connected(self, node)]
                for node in peers[:2]:
                    for certificate in node.engine.certificates(first, last):
                        self.later(50, self.handle, e.CertificateReceived(node.name, certificate))

    def pull(self):
        peers = [node for node in self.net.nodes if node.alive and node is not self and self.net.connected(self, node)]
        for root in sorted(self.wanted):
            if any(root in node.chain.blocks for node in peers):
                self.wanted.discard(root)
                self.later(50, self.take, root)
        if self.wanted:
            self.later(500, self.pull)

    def take(self, root):
        self.chain.blocks[root] = self.net.infos[root]
        self.finalize()
        self.handle(e.ChainChanged())

    def finalize(self):
        """Final with all ancestors, once they are here."""
        certificate, path = self.pending, []
        if certificate is None:
            return
        root = certificate.root
        while root != self.net.base.root and root not in self.disk.final:
            if root not in self.chain.blocks:
                self.wanted.add(root)
                return self.pull()
            path.append(root)
            root = self.chain.blocks[root].parent
        self.pending = None
        for final in reversed(path):
            info = self.disk.blocks[final] = self.chain.blocks[final]
            self.disk.final.append(final)
            self.net.saw_final(self, info)
        self.handle(e.BlockFinalized(certificate))


class Network:
    def __init__(self, stakes=(1, 1, 1, 1), seed=0, placement=None, parameters=PARAMETERS, boundary_height=None, work=True, start=True,
                 loss=0.0, heal=0, delay=(10, 100), base=BASE):
        self.committee = committee_of(stakes)
        self.random = random.Random(seed)
        self.parameters, self.boundary_height, self.work = parameters, boundary_height, work
        self.base = base
        self.loss, self.heal, self.delay = loss, heal, delay
        self.now = self.count = self.ticks = 0
        self.heap, self.infos, self.cuts = [], {}, []
        self.finals, self.words, self.log = {}, {}, hashlib.sha256()
        self.filter = lambda sender, receiver, message: True
        placement = placement or [(i,) for i in range(len(stakes))]
        self.nodes = [Node(self, f"n{i}", local) for i, local in enumerate(placement)]
        if start:
            for node in self.nodes:
                self.at(0, node.start)

    def scheme(self, local):
        return CheapScheme(local)

    def at(self, moment, function):
        self.count += 1
        heapq.heappush(self.heap, (moment, self.count, function))

    def run(self, until):
        while self.heap and self.heap[0][0] <= until:
            self.now, _, function = heapq.heappop(self.heap)
            function()
        self.now = until
        return self

    def connected(self, one, other):
        return all(any(one.name in g and other.name in g for g in groups) for a, b, groups in self.cuts if a <= self.now < b)

    def trace(self, name, effect):
        self.log.update(f"{self.now} {name} {effect!r}\n".encode())

    def send(self, sender, peer, message):
        if isinstance(message, Vote | Proposal):
            self.saw_vote(message if isinstance(message, Vote) else message.vote)
        for node in self.nodes:
            if node is sender or (peer is not None and node.name != peer) or not self.connected(sender, node):
                continue
            if (self.now < self.heal and self.random.random() < self.loss) or not self.filter(sender, node, message):
                continue
            self.at(self.now + self.random.randint(*self.delay), lambda node=node: self.deliver(sender, node, message))

    def deliver(self, sender, node, message):
        if node.alive:
            node.handle(event_of(sender.name, message))

    def saw_vote(self, vote):
        """No honest validator ever makes evidence against itself."""
        have = self.words.setdefault((vote.view, vote.validator), set())
        for kind, root in have:
            assert kind != vote.kind or root == vote.root, f"{vote.validator} voted twice in view {vote.view}"
            assert {kind, vote.kind} != {VoteKind.NULLIFY, VoteKind.FINALIZE}, f"{vote.validator} nullified and finalized {vote.view}"
        have.add((vote.kind, vote.root))

    def saw_final(self, node, info):
        assert self.finals.setdefault(info.height, info.root) == info.root, f"two blocks final at height {info.height}"
        assert len(node.disk.final) == info.height

    def heights(self):
        return [len(node.disk.final) for node in self.nodes]


def event_of(peer, message):
    kinds = {Vote: e.VoteReceived, Proposal: e.ProposalReceived, Certificate: e.CertificateReceived, Wake: e.WakeReceived}
    return kinds[type(message)](peer, message)
