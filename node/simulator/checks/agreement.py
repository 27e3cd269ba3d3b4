"""Agreement and validity: a height of a chain has one block, whoever finalized it, and it did the same everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consensus.beacon.state import BeaconState
from node.core.beacon_chain import decode_block
from node.core.records import beacon_block_key
from node.simulator.checks.value import Value
from primitives.hashing import sha256
from primitives.headers import ShardHeader

if TYPE_CHECKING:
    from node.simulator.node import SimulatedNode


BEACON_ROOTS_REMEMBERED_MAX = 1024
"""Beacon blocks whose root is kept: every node of a world is asked for the same ones."""


class Agreement:
    """What is final, over all nodes."""

    def __init__(self, broken: Callable[[str], None], value: Value) -> None:
        self._broken, self._value = broken, value
        self.blocks: dict[tuple[int, int], bytes] = {}
        """Final block by (chain, height); a forced close of an instance takes those above its base out again."""
        self.voided: set[bytes] = set()
        """Shard blocks that were final and that a forced close undid."""
        self.seen: dict[tuple[int, int], int] = {}
        """Height up to which a node's chain was looked at, by (node, chain)."""
        self._heads: dict[int, dict[int, object]] = {}
        """By node and chain: the final block that was looked at last."""
        self._mixes: list[bytes] = []
        """By beacon height."""
        self._did: dict[bytes, object] = {}
        """What executing a final block gave, by root."""

    def after_turn(self, node: SimulatedNode) -> bool:
        """Looks at everything that became final at a node in one turn; True if a beacon block did."""
        core, beacon_moved = node.core, False
        heads = self._heads.setdefault(node.index, {})
        for chain in core.chains:
            if chain.halted:
                self._broken(f"chain {chain.number} halted at node {node.index}: {chain.halted}")
            if heads.get(chain.number) is chain.tree.head:
                continue
            heads[chain.number] = chain.tree.head
            self._look(node, chain.number, chain.tree.head.info.height)
            self._compare(node, chain.number)
            if chain is core.beacon:
                beacon_moved = True
                state = core.beacon.tree.head.outcome
                assert state is not None
                self._value.on_beacon_state(node, state)
                self._mix_of(node, state)
        return beacon_moved

    def _mix_of(self, node: SimulatedNode, state: BeaconState) -> None:
        """The randomness of a final state is folded from the reveals of all final blocks (PROTOCOL 3)."""
        while len(self._mixes) <= state.height:
            data = node.store.read(beacon_block_key(state.beacon, len(self._mixes)))
            assert data is not None, "up to the head every height has a block"
            before = self._mixes[-1] if self._mixes else b""
            reveal = decode_block(data)[0].randao_reveal
            self._mixes.append(sha256(before + reveal) if self._mixes else node.world.beacon_genesis[1].mix)
        if state.mix != self._mixes[state.height]:
            self._broken(f"the randomness of beacon block {state.height} is not folded from the reveals")

    def _look(self, node: SimulatedNode, number: int, head: int) -> None:
        seen = self.seen.get((node.index, number), 0)
        if head < seen:
            self._after_close(node, number, head)
            seen = head
        for height in range(seen + 1, head + 1):
            root = final_root(node, number, height)
            if root in self.voided:
                continue  # this node has yet to hear of the close
            known = self.blocks.get((number, height))
            if known is None:
                self.blocks[number, height] = root
                if number in node.executors:
                    body = node.executors[number].body(root)
                    assert body is not None, "the body of a final block is kept"
                    self._value.on_shard_block(body)
            elif known != root:
                self._broken(f"two blocks are final on chain {number} at height {height}")
        self.seen[node.index, number] = head

    def _compare(self, node: SimulatedNode, number: int) -> None:
        """What the head's execution gave here is what it gave elsewhere."""
        head = node.core.chain(number).tree.head  # type: ignore[union-attr]
        outcome: Any = head.outcome
        if outcome is None:
            return
        result = getattr(outcome, "result", None)
        did: object
        if result is None:
            did = outcome.hash_tree_root()
        else:
            did = (result.header, result.summary, result.gas_used, result.next_base_fee, result.transaction_hashes, result.senders)
            if ShardHeader.decode(result.header).hash() != head.info.root:
                self._broken(f"node {node.index} takes a header for another on chain {number} at height {head.info.height}")
            if not node.executors[number].holds_state(head.info.root):
                self._broken(f"block {head.info.height} of chain {number} names another state than node {node.index} came to")
        if self._did.setdefault(head.info.root, did) != did:
            self._broken(f"node {node.index} executed block {head.info.height} of chain {number} to another result")

    def _after_close(self, node: SimulatedNode, chain: int, head: int) -> None:
        """A node's final blocks became fewer: only a forced close of a shard's instance may do that, down to its base."""
        state = node.core.beacon.tree.head.outcome
        assert state is not None
        if chain >= state.beacon or head != state.shards[chain].base_height:
            self._broken(f"node {node.index} went back to {head} on chain {chain}")
        for (number, height), root in list(self.blocks.items()):
            if number == chain and height > head and root not in self.voided:
                self.voided.add(root)
                del self.blocks[number, height]

    def after_restart(self, node: SimulatedNode) -> None:
        """What a node had told of as final was synced, so a crash takes none of it."""
        for chain in node.core.chains:
            seen, head = self.seen.get((node.index, chain.number), 0), chain.tree.head.info.height
            # the executor may have been taken back by a forced close that the core had yet to note
            closing = any(opening.base_height == head for opening in chain.instances.next)
            if head < seen and not closing:
                self._broken(f"node {node.index} restarted at {head} on chain {chain.number}, where {seen} had been final")


def final_root(node: SimulatedNode, chain: int, height: int) -> bytes:
    """Root of a node's final block."""
    if chain in node.executors:
        root = node.executors[chain].canonical(height)
        assert root is not None, "up to the head every height has a block"
        return root
    data = node.store.read(beacon_block_key(chain, height))
    assert data is not None, "up to the head every height has a block"
    return _beacon_root(data)


@functools.lru_cache(BEACON_ROOTS_REMEMBERED_MAX)
def _beacon_root(data: bytes) -> bytes:
    return decode_block(data)[1]


def digest(nodes: list[SimulatedNode]) -> str:
    """One hash over the final block hashes and state roots of some nodes."""
    parts = []
    for node in nodes:
        for chain in sorted(node.core.chains, key=lambda c: c.number):
            for height in range(1, chain.tree.head.info.height + 1):
                parts.append(final_root(node, chain.number, height))
            outcome: Any = chain.tree.head.outcome
            result = getattr(outcome, "result", None)
            parts.append(outcome.hash_tree_root() if result is None else ShardHeader.decode(result.header).state_root)
    return sha256(b"".join(parts)).hex()
