"""What must hold after every event, over all nodes together (design page AGREEMENT)."""

from __future__ import annotations

from consensus.beacon.supply import imbalance
from node.core.core import Core
from node.core.records import beacon_block_key
from node.simulator.storage import SimulatedStore
from primitives.blocks import BeaconBlock, ShardBlock
from primitives.errors import Fault, Reason
from primitives.hashing import sha256
from primitives.headers import ShardHeader
from shard.executor.executor import ShardExecutor


class Checks:
    """Collects what was broken; a height of a chain has one block, whoever finalized it."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.blocks: dict[tuple[int, int], bytes] = {}
        """Final block by (chain, height); a forced close of an instance takes those above its base out again."""
        self.voided: set[bytes] = set()
        """Shard blocks that were final and that a forced close undid."""
        self._seen: dict[tuple[int, int], int] = {}
        """Height up to which a node's chain was looked at, by (node, chain)."""
        self._delivered: dict[bytes, dict[tuple[int, int], int]] = {}
        """By final shard block: receipts delivered up to it, by (source, destination)."""

    def after_turn(self, node: int, core: Core, store: SimulatedStore, executors: dict[int, ShardExecutor], time_ms: int) -> None:
        """Looks at everything that became final at a node in one turn."""
        for chain in core.chains:
            head = chain.tree.head.info.height
            seen = self._seen.get((node, chain.number), 0)
            if head < seen:
                self._after_close(node, core, chain.number, head, time_ms)
                seen = head
            for height in range(seen + 1, head + 1):
                root = self._final_root(core, store, executors, chain.number, height)
                if root in self.voided:
                    continue  # this node has yet to hear of the close
                known = self.blocks.get((chain.number, height))
                if known is None:
                    self.blocks[chain.number, height] = root
                    if chain.number in executors:
                        body = executors[chain.number].body(root)
                        assert body is not None, "the body of a final block is kept"
                        self.count_receipts(body, time_ms)
                elif known != root:
                    self._break(time_ms, f"two blocks are final on chain {chain.number} at height {height}")
            self._seen[node, chain.number] = head
            if chain.halted:
                self._break(time_ms, f"chain {chain.number} halted at node {node}: {chain.halted}")
        state = core.beacon.tree.head.outcome
        assert state is not None
        if imbalance(state):
            self._break(time_ms, f"supply is off by {imbalance(state)} wei at beacon height {state.height}")

    def _after_close(self, node: int, core: Core, chain: int, head: int, time_ms: int) -> None:
        """A node's final blocks became fewer: only a forced close of a shard's instance may do that, down to its base."""
        state = core.beacon.tree.head.outcome
        assert state is not None
        if chain >= state.beacon or head != state.shards[chain].base_height:
            self._break(time_ms, f"node {node} went back to {head} on chain {chain}")
        for (number, height), root in list(self.blocks.items()):
            if number == chain and height > head and root not in self.voided:
                self.voided.add(root)
                del self.blocks[number, height]

    def after_restart(self, node: int, core: Core, time_ms: int) -> None:
        """What a node had told of as final was synced, so a crash takes none of it."""
        for chain in core.chains:
            seen, head = self._seen.get((node, chain.number), 0), chain.tree.head.info.height
            if head < seen:
                self._break(time_ms, f"node {node} restarted at {head} on chain {chain.number}, where {seen} had been final")

    def on_penalty(self, node: int, peer: str, reason: Reason, time_ms: int) -> None:
        """Every node here keeps the rules, so none may be held guilty."""
        if reason.fault is Fault.PEER:
            self._break(time_ms, f"node {node} finds {peer} guilty of {reason.code}")

    def count_receipts(self, body: bytes, time_ms: int) -> None:
        """A newly final block takes in each receipt once, in the order of its channel."""
        block = ShardBlock.decode(body)
        header = ShardHeader.decode(block.header)
        delivered = dict(self._delivered.get(header.parent_hash, {}))
        for receipt in block.inbound:
            channel = (receipt.source, receipt.destination)
            expected = delivered.get(channel, 0)
            if receipt.nonce != expected:
                self._break(time_ms, f"receipt {receipt.nonce} from {channel[0]} to {channel[1]} delivered where {expected} was next")
            delivered[channel] = expected + 1
        self._delivered[header.hash()] = delivered

    def digest(self, nodes: list[tuple[Core, SimulatedStore, dict[int, ShardExecutor]]]) -> str:
        """One hash over every node's final block hashes and state roots."""
        parts = []
        for core, store, executors in nodes:
            for chain in sorted(core.chains, key=lambda c: c.number):
                for height in range(1, chain.tree.head.info.height + 1):
                    parts.append(self._final_root(core, store, executors, chain.number, height))
                parts.append(_state_root(chain.tree.head.outcome))
        return sha256(b"".join(parts)).hex()

    def _final_root(self, core: Core, store: SimulatedStore, executors: dict[int, ShardExecutor], chain: int, height: int) -> bytes:
        if chain in executors:
            root = executors[chain].store.canonical(height)
            assert root is not None, "up to the head every height has a block"
            return root
        data = store.read(beacon_block_key(chain, height))
        assert data is not None, "up to the head every height has a block"
        return BeaconBlock.decode(data).hash_tree_root()

    def _break(self, time_ms: int, what: str) -> None:
        text = f"{time_ms / 1000:.3f} s: {what}"
        if len(self.violations) < 20 and all(not v.endswith(what) for v in self.violations):
            self.violations.append(text)


def _state_root(outcome: object) -> bytes:
    result = getattr(outcome, "result", None)
    if result is not None:
        return ShardHeader.decode(result.header).state_root
    root: bytes = outcome.hash_tree_root()  # type: ignore[attr-defined]
    return root
