"""One engine of validator 0 on a bench: the test moves its disk, clock and chain by hand."""

from consensus.simplex import Simplex
from consensus.simplex import events as e
from primitives.types import Root
from primitives.votes import Proposal, Vote, VoteKind, base_certificate
from tests.consensus.simplex.harness import (
    BASE,
    GENESIS_ROOT,
    INSTANCE,
    PARAMETERS,
    Chain,
    CheapScheme,
    certificate_of,
    committee_of,
    event_of,
    make_block,
    vote_of,
)

NOTARIZE, NULLIFY, FINALIZE = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
BASE_CERTIFICATE = base_certificate(INSTANCE, BASE.root)
COMMITTEE = committee_of((1, 1, 1, 1))
A, B, C = (Root(letter * 32) for letter in (b"a", b"d", b"c"))
LEADER = COMMITTEE.leader(b"seed", 0, 1).index
OTHERS = [i for i in range(4) if i != LEADER]


class Bench:
    """An engine of validator 0 with a disk, a clock and a chain that the test moves by hand."""

    def __init__(self, local=(0,), committee=COMMITTEE, records=None, now=0):
        self.chain, self.records, self.now = Chain(), dict(records or {}), now
        self.engine = Simplex(INSTANCE, committee, b"seed", BASE, local, CheapScheme(local), GENESIS_ROOT, PARAMETERS, self.chain,
                              dict(self.records))
        self.committee = committee
        self.effects = self.engine.start(now)
        self.write()

    def write(self):
        for effect in self.effects:
            if isinstance(effect, e.Persist) and effect.value is None:
                self.records.pop(effect.key, None)
            elif isinstance(effect, e.Persist):
                self.records[effect.key] = effect.value

    def tell(self, message, peer="p"):
        return self.handle(event_of(peer, message) if not isinstance(message, tuple(e.Event.__args__)) else message)

    def handle(self, event):
        self.effects = self.engine.handle(event, self.now)
        self.write()
        return self.effects

    def wait(self, milliseconds):
        self.now += milliseconds
        return self.handle(e.Tick())

    def restart(self, records=None):
        return Bench(tuple(self.engine._state.local), self.committee, self.records if records is None else records, self.now)

    def cast(self, kind=None):
        votes = [f.message for f in self.effects if isinstance(f, e.Broadcast) and isinstance(f.message, Vote)]
        return [(v.kind, v.view, v.root) for v in votes if kind in (None, v.kind)]

    def of(self, kind):
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def refused(self):
        return [(penalty.peer, penalty.reason) for penalty in self.of(e.Penalize)]

    def limits(self):
        return [f.labels["limit"] for f in self.of(e.Observe) if f.name == "simplex_limit_hits_total"]

    def leader(self, view):
        return COMMITTEE.leader(b"seed", 0, view).index

    def block(self, view=1, parent=BASE, salt=b"", held=True, boundary=None):
        info, body = make_block(parent, view, self.leader(view), boundary, salt)
        if held:
            self.chain.blocks[info.root] = info
        return info, body

    def proposal(self, view=1, parent=BASE, certificate=BASE_CERTIFICATE, **options):
        info, body = self.block(view, parent, **options)
        return info, Proposal(body, certificate, vote_of(self.leader(view), NOTARIZE, view, info.root))


def other(view=1, but=(0,)):
    """A view from `view` on whose leader is none of `but`."""
    while COMMITTEE.leader(b"seed", 0, view).index in but:
        view += 1
    return view


def in_view(view, local=(0,)):
    bench = Bench(local)
    if view > 1:
        bench.tell(certificate_of((1, 2, 3), NULLIFY, view - 1))
        for earlier in range(1, view - 1):
            bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    return bench
