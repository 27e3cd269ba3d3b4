"""Evidence on its way to the beacon chain: found here or told by peers, kept until it is final there (PROTOCOL 2, Evidence)."""

from __future__ import annotations

from collections import deque

from consensus.beacon.slashing import can_slash
from consensus.beacon.state import BeaconState
from consensus.evidence import check_form, verify_evidence
from node.core.context import Context
from node.core.effects import Peer
from node.core.records import evidence_key
from primitives.blocks import EVIDENCE_PER_BLOCK_MAX, Evidence

EVIDENCE_CHECKED_PER_SECOND_MAX = 16
"""Pieces whose signatures are checked in a second; what comes on top is dropped, and is told again by whoever holds it."""


class EvidenceBook:
    """At most one piece a validator: a second would change nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        held = (Evidence.decode(record) for record in context.scan(evidence_key()).values())
        self._held = {evidence.first.validator: evidence for evidence in held}
        self._checked: deque[int] = deque(maxlen=EVIDENCE_CHECKED_PER_SECOND_MAX)
        """When the last pieces were checked, monotonic ms."""

    def add(self, state: BeaconState, evidence: Evidence, peer: Peer | None) -> bool:
        """Takes evidence in and passes it on, unless it is no news; True if it was. From a peer it is checked first.

        Args:
            state: the beacon chain's final one.
            evidence: from an engine here, or a peer.
            peer: who wrote it; None if it was found here.

        Raises:
            InvalidBlock: BAD_EVIDENCE.
        """
        validator = evidence.first.validator
        if validator in self._held or not can_slash(state, validator):
            return False
        if peer is not None:
            check_form(evidence)
            if not self._may_check():
                return False
            parameters, genesis_root = self._context.parameters, self._context.genesis.root
            key = state.validators[validator].public_key
            verify_evidence(evidence, key, self._context.scheme, parameters.fork_version, genesis_root)
        self._held[validator] = evidence
        self._context.persist(evidence_key(validator), evidence.encode())
        self._context.say(self._context.parameters.beacon, evidence)
        return True

    def _may_check(self) -> bool:
        now_ms = self._context.now.monotonic_ms
        if len(self._checked) == EVIDENCE_CHECKED_PER_SECOND_MAX and now_ms - self._checked[0] < 1000:
            self._context.observe("limit_hits", limit="evidence_checked_per_second_max")
            return False
        self._checked.append(now_ms)
        return True

    def pending(self, state: BeaconState) -> tuple[Evidence, ...]:
        """What a block on top of `state` should carry, by rising validator."""
        news = [evidence for validator, evidence in sorted(self._held.items()) if can_slash(state, validator)]
        return tuple(news[:EVIDENCE_PER_BLOCK_MAX])

    def settle(self, state: BeaconState) -> None:
        """Forgets what the final state has taken in."""
        for validator in [validator for validator in self._held if not can_slash(state, validator)]:
            del self._held[validator]
            self._context.persist(evidence_key(validator), None)
