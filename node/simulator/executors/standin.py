"""A deterministic stand-in for a shard's executor: the same interface, real headers and bodies, no EVM and no trie.

What a block does is worked out once in a world, whoever executes it; that it is the block its header describes is checked
by every node. Runs on the real executor (`reference`) show that nodes execute alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from node.simulator.executors.ledger import OUTBOX_GAS, Ledger, State, genesis_state
from primitives.blocks import BLOCK_VERSION, ExtraData, ShardBlock, ShardReference
from primitives.errors import BlockReason, InvalidBlock, InvalidEncoding, InvalidTransaction
from primitives.genesis import Genesis
from primitives.headers import EMPTY_TRIE_ROOT, ShardHeader
from primitives.receipts import BUNDLE_RECEIPTS_MAX, Bundle, CrossShardReceipt, empty_summary
from shard.body import check_body
from shard.engine.trie import list_root
from shard.executor.context import BuildContext
from shard.executor.executor import BLOCKS_PAGE_MAX
from shard.executor.rules import EMPTY_BLOOM, check_header, check_results, child_header, decode_header, genesis_header, next_base_fee
from shard.inbound import choose_inbound
from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo, RejectedTransaction
from shard.transactions import Transaction, decode_transaction, recover_sender
from shard.views import big

USER_GAS_PER_BLOCK_MAX = 15_000_000
"""Left to users by the stand-in where the gas limit allows as much; inbound receipts have the rest."""


@dataclass(frozen=True, slots=True)
class Block:
    """An executed block."""

    result: BlockResult
    body: bytes
    header: ShardHeader
    state: State
    received: int
    sent: tuple[CrossShardReceipt, ...]
    users: tuple[tuple[bytes, bytes], ...]
    """(signed bytes, sender) of its user transactions."""

    def ranges(self, before: State) -> dict[int, tuple[int, int]]:
        """Receipts sent by destination: [first nonce, end nonce)."""
        pairs = enumerate(zip(before.summary.outgoing, self.state.summary.outgoing, strict=True))
        return {chain: (old.count, new.count) for chain, (old, new) in pairs if old.count != new.count}


class Work:
    """What a world's blocks do, each worked out once."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.blocks: dict[bytes, Block] = {}
        """By encoded block."""
        self._transactions: dict[bytes, tuple[Transaction, bytes]] = {}
        self.first = {shard: self._first(shard) for shard in range(genesis.parameters.shard_count)}

    def _first(self, shard: int) -> Block:
        genesis, summary = self.genesis, empty_summary(self.genesis.parameters.shard_count)
        accounts = {a.address: (a.nonce, a.balance) for a in genesis.accounts if a.shards is None or shard in a.shards}
        state = genesis_state(accounts, summary)
        header = genesis_header(genesis.parameters, genesis.timestamp, state.root, summary)
        result = BlockResult(
            header.hash(), header.parent_hash, 0, header.timestamp, header.encode(), summary.encode(), 0,
            big(header.base_fee_per_gas), big(next_base_fee(header)), (), {}, 0, big(sum(wei for _, wei in accounts.values())),
        )  # fmt: skip
        return Block(result, ShardBlock(header.encode(), (), ()).encode(), header, state, 0, (), ())

    def transaction(self, raw: bytes) -> tuple[Transaction, bytes]:
        """A transaction and its sender.

        Raises:
            InvalidTransaction: it is none.
        """
        if raw not in self._transactions:
            decoded = decode_transaction(raw)
            self._transactions[raw] = decoded, bytes(recover_sender(decoded))
        return self._transactions[raw]

    def finish(self, ledger: Ledger, receipts: Sequence[CrossShardReceipt], transactions: Sequence[bytes]) -> tuple[State, Any]:
        """The state after a block, and what its header has to say of it."""
        state = ledger.finish()
        base = self.genesis.parameters.chain_id_base
        leaves = [*(receipt.transaction_bytes(base) for receipt in receipts), *transactions]
        root = list_root(leaves) if leaves else EMPTY_TRIE_ROOT
        return state, SimpleNamespace(
            state_root=state.root, transactions_root=root, receipts_root=root, logs_bloom=EMPTY_BLOOM, gas_used=ledger.gas_used,
            requests_hash=ledger.before.summary.requests_hash() if state is ledger.before else state.summary.requests_hash(),
        )

    def keep(
        self, header: ShardHeader, body: bytes, ledger: Ledger, state: State, received: int, transactions: Sequence[bytes]
    ) -> Block:
        """An executed block."""
        users = tuple((raw, self.transaction(raw)[1]) for raw in transactions)
        senders = {sender: state.accounts[sender] for _, sender in users}
        result = BlockResult(
            header.hash(), header.parent_hash, header.number, header.timestamp, header.encode(), state.summary.encode(), header.gas_used,
            big(header.base_fee_per_gas), big(next_base_fee(header)), tuple(self.transaction(raw)[0].hash for raw in transactions),
            {sender: (nonce, big(wei)) for sender, (nonce, wei) in senders.items()}, 0,
            big(sum(wei for _, wei in state.accounts.values())),
        )  # fmt: skip
        block = Block(result, body, header, state, received, tuple(ledger.sent), users)
        return self.blocks.setdefault(body, block)


class StandInDisk:
    """What one node has of one shard."""

    def __init__(self, work: Work, shard: int) -> None:
        self.work, self.shard = work, shard
        first = work.first[shard]
        self.blocks = {first.result.hash: first}
        self.chain = [first.result.hash]
        self.channels: dict[tuple[int, int], tuple[CrossShardReceipt, bytes]] = {}
        """Canonical receipts and the accumulator before each, by (destination, nonce)."""
        self.finalized = 0
        self._fresh: list[bytes] = []

    @property
    def unsynced(self) -> int:
        """See `Disk`."""
        return len(self._fresh)

    def crash(self, kept: int) -> None:
        """See `Disk`."""
        for block_hash in self._fresh[kept:]:
            self.blocks.pop(block_hash, None)
        self._fresh.clear()

    def put(self, block: Block) -> None:
        """Keeps an executed block, not synced."""
        if block.result.hash not in self.blocks:
            self.blocks[block.result.hash] = block
            self._fresh.append(block.result.hash)

    def sync(self) -> None:
        """All that was written is on disk."""
        self._fresh.clear()

    def open(self) -> StandIn:
        """See `Disk`."""
        return StandIn(self)


class StandIn:
    """See `Executor`."""

    def __init__(self, disk: StandInDisk) -> None:
        self._disk, self._work, self.shard = disk, disk.work, disk.shard
        self.parameters = disk.work.genesis.parameters

    @property
    def latest(self) -> Block:
        """The newest canonical block."""
        return self._disk.blocks[self._disk.chain[-1]]

    def head(self) -> HeadInfo:
        """See `Executor`."""
        first = self._work.first[self.shard]
        supply = sum(wei for _, wei in first.state.accounts.values())
        return HeadInfo(self.latest.result, self._disk.finalized, first.result.header, big(supply))

    def result(self, block_hash: bytes) -> BlockResult | None:
        """See `Executor`."""
        block = self._disk.blocks.get(block_hash)
        return None if block is None else block.result

    def _parent(self, parent_hash: bytes) -> Block:
        parent = self._disk.blocks.get(parent_hash)
        if parent is None:
            raise InvalidBlock(BlockReason.WRONG_PARENT, f"parent 0x{parent_hash.hex()} was never executed here")
        return parent

    def build(self, parent_hash: bytes, context: BuildContext, candidates: Sequence[tuple[bytes, bytes]], build_budget_ms: float) -> Built:
        """See `Executor`."""
        parent = self._parent(parent_hash)
        reference = context.reference
        receipts, missing = choose_inbound(
            parent.header.number + 1, parent.state.summary.incoming, reference.inbound, context.available, self.parameters
        )
        ledger = Ledger(self.shard, parent.state, self.parameters, reference, context.coinbase, next_base_fee(parent.header))
        for receipt in receipts:
            ledger.deliver(receipt)
        chosen, rejected = [], []
        for raw, sender in candidates:
            if ledger.gas_used > min(USER_GAS_PER_BLOCK_MAX, self.parameters.gas_limit - OUTBOX_GAS):
                break
            transaction, _ = self._work.transaction(raw)
            try:
                ledger.apply(transaction, sender)
            except InvalidTransaction as error:
                rejected.append(RejectedTransaction(transaction.hash, error.reason.code, error.message))
            else:
                chosen.append(raw)
        state, executed = self._work.finish(ledger, receipts, chosen)
        extra = ExtraData(BLOCK_VERSION, context.epoch, context.view, context.proposer, missing)
        timestamp = max(parent.result.timestamp, context.timestamp)
        header = child_header(
            parent.header, coinbase=context.coinbase, timestamp=timestamp, extra=extra, reference=reference, executed=executed
        )
        body = ShardBlock(header.encode(), tuple(receipts), tuple(chosen)).encode()
        block = self._work.keep(header, body, ledger, state, len(receipts), chosen)
        self._disk.put(block)
        return Built(body, block.result, tuple(rejected), ())

    def execute(
        self, block: bytes, reference: ShardReference, coinbase: bytes, available: Mapping[int, tuple[CrossShardReceipt, ...]] | None
    ) -> BlockResult:
        """See `Executor`."""
        known = self._work.blocks.get(block)
        header = known.header if known is not None else _header(block)
        parent = self._parent(header.parent_hash)
        check_header(header, parent.header, reference, coinbase, self.parameters)
        if known is None:
            decoded = ShardBlock.decode(block)
            check_body(header, decoded, self.parameters.chain_id_base)
            ledger = Ledger(self.shard, parent.state, self.parameters, reference, coinbase, next_base_fee(parent.header))
            for receipt in decoded.inbound:
                ledger.deliver(receipt)
            try:
                for raw in decoded.transactions:
                    ledger.apply(*self._work.transaction(raw))
            except InvalidTransaction as error:
                raise InvalidBlock(BlockReason.BAD_TRANSACTION, str(error)) from error
            state, executed = self._work.finish(ledger, decoded.inbound, decoded.transactions)
            check_results(header, executed)
            known = self._work.keep(header, block, ledger, state, len(decoded.inbound), decoded.transactions)
        self._disk.put(known)
        return known.result

    def finalize(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """See `Executor`."""
        disk, path = self._disk, []
        block = disk.blocks[block_hash]
        while block.result.number >= len(disk.chain):
            path.append(block)
            block = disk.blocks[block.result.parent]
        assert disk.chain[block.result.number] == block.result.hash, "what is canonical is never replaced"
        path.reverse()
        for made in path:
            assert made.result.parent == disk.chain[-1], "canonical blocks follow one another"
            disk.chain.append(made.result.hash)
            for receipt in made.sent:
                before = disk.blocks[made.result.parent].state.summary.outgoing[receipt.destination]
                earlier = [sent for sent in made.sent if sent.destination == receipt.destination and sent.nonce < receipt.nonce]
                accumulator = before.add(earlier, self.parameters.chain_id_base).accumulator
                disk.channels[receipt.destination, receipt.nonce] = (receipt, accumulator)
        disk.sync()
        return tuple(self._told(made) for made in path)

    def _told(self, block: Block) -> FinalizedBlock:
        result = block.result
        sent = block.ranges(self._disk.blocks[result.parent].state)
        return FinalizedBlock(
            result.hash, result.number, result.timestamp, result.transaction_hashes, result.senders, result.gas_used,
            result.next_base_fee, block.received, sent,
        )  # fmt: skip

    def truncate(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """See `Executor`."""
        disk, undone = self._disk, []
        assert disk.blocks[block_hash].result.number >= disk.finalized, "nothing undoes a crosslinked block"
        while disk.chain[-1] != block_hash:
            block = disk.blocks[disk.chain.pop()]
            undone.append(block)
            for receipt in block.sent:
                disk.channels.pop((receipt.destination, receipt.nonce), None)
        disk.sync()
        return tuple(self._told(block) for block in undone)

    def set_finalized(self, height: int) -> None:
        """See `Executor`."""
        self._disk.finalized = max(self._disk.finalized, height)

    def body(self, block_hash: bytes) -> bytes | None:
        """See `Executor`."""
        block = self._disk.blocks.get(block_hash)
        return None if block is None else block.body

    def blocks(self, first_height: int, count: int) -> tuple[bytes, ...]:
        """See `Executor`."""
        chain = self._disk.chain[first_height : first_height + min(count, BLOCKS_PAGE_MAX)]
        return tuple(self._disk.blocks[block_hash].body for block_hash in chain)

    def user_transactions(self, block_hash: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """See `Executor`."""
        block = self._disk.blocks.get(block_hash)
        return () if block is None else block.users

    def outgoing(self, destination: int, first_nonce: int, count: int) -> Bundle | None:
        """See `Executor`."""
        found = []
        for nonce in range(first_nonce, first_nonce + min(count, BUNDLE_RECEIPTS_MAX)):
            held = self._disk.channels.get((destination, nonce))
            if held is None:
                break
            found.append(held)
        return Bundle(self.shard, destination, first_nonce, found[0][1], tuple(receipt for receipt, _ in found)) if found else None

    def prune_outgoing(self, destination: int, below_nonce: int) -> None:
        """See `Executor`."""
        for key in [key for key in self._disk.channels if key[0] == destination and key[1] < below_nonce]:
            del self._disk.channels[key]

    def canonical(self, height: int) -> bytes | None:
        """See `Executor`."""
        return self._disk.chain[height] if height < len(self._disk.chain) else None

    def account(self, address: bytes, block_hash: bytes | None = None) -> tuple[int, int]:
        """See `Executor`."""
        block = self.latest if block_hash is None else self._disk.blocks[block_hash]
        return block.state.accounts.get(address, (0, 0))

    def holds_state(self, block_hash: bytes) -> bool:
        """See `Executor`."""
        block = self._disk.blocks[block_hash]
        return block.state.root == block.header.state_root

    def total_wei(self, block_hash: bytes) -> int | None:
        """See `Executor`."""
        block = self._disk.blocks.get(block_hash)
        return None if block is None else sum(wei for _, wei in block.state.accounts.values())


def _header(block: bytes) -> ShardHeader:
    try:
        return decode_header(ShardBlock.decode(block).header)
    except InvalidEncoding as error:
        raise InvalidBlock(BlockReason.MALFORMED, str(error)) from error
