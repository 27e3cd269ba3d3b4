"""One shard's executor: builds, checks and executes blocks, and keeps its chain. Synchronous; block work in one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import msgspec

from primitives.blocks import BLOCK_VERSION, HEADER_BYTES_MAX, ExtraData, ShardBlock, ShardReference
from primitives.errors import BlockReason, InvalidBlock, InvalidEncoding, InvalidTransaction
from primitives.genesis import Genesis
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.receipts import BUNDLE_RECEIPTS_MAX, Bundle, CrossShardReceipt, Summary, empty_summary
from shard.body import check_body
from shard.database import Database
from shard.engine.interface import BlockContext, BlockExecution, Engine, Meter
from shard.executor.building import Limits, Selection, select_transactions
from shard.executor.context import BuildContext, ancestor_hashes
from shard.executor.records import Executed, records_of
from shard.executor.rules import check_header, check_results, child_header, decode_header, genesis_header, next_base_fee
from shard.executor.schema import STORE_VERSION, StoredBlock, StoredGenesis
from shard.executor.store import BlockStore, finalized_of, genesis_body
from shard.inbound import check_inbound, choose_inbound
from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo
from shard.transactions import Transaction, check_stateless, decode_transaction, recover_sender
from shard.views import big, small

RECOVERY_THREADS = 2
RECOVERY_THREADS_FROM_TRANSACTIONS = 16
"""Below this many, threads cost more than they gain."""
BLOCKS_PAGE_MAX = 128
"""Blocks of one answer to `ShardExecutor.blocks`."""
BLOCKS_PAGE_BYTES_MAX = 16 * 1024 * 1024


class ShardExecutor:
    """Executes one shard. Block work (build, execute, finalize, ...) comes from one thread; reads may come from others.

    Args:
        database: the shard's own.
        genesis: of the network.
        shard: its number.
        engine: reads state through `shard.executor.schema.StateReader` of the same database.
        monotonic: seconds, for budgets and measurement.
        worked: seconds of processor time of the thread that executes; None: as `monotonic`, as if the machine were all its own.

    Raises:
        StartupRefused: the database is of another network or shard.
    """

    def __init__(
        self, database: Database, genesis: Genesis, shard: int, engine: Engine, monotonic: Callable[[], float],
        worked: Callable[[], float] | None = None,
    ) -> None:
        self.parameters = genesis.parameters
        self.shard = shard
        self.engine = engine
        self.store = BlockStore(database)
        self._monotonic, self._worked = monotonic, worked or monotonic
        self._genesis = self.store.genesis(genesis, shard) or self._create(genesis)
        self.latest: StoredBlock = self.store.latest()
        """The newest canonical block; replaced as a whole, so that readers see one or the next."""
        self.finalized_number = self.store.finalized_height()
        """Height of the newest crosslinked block."""

    def _create(self, genesis: Genesis) -> StoredGenesis:
        state = self.engine.genesis(genesis.accounts)
        summary = empty_summary(self.parameters.shard_count)
        header = genesis_header(self.parameters, genesis.timestamp, state.state_root, summary)
        body = genesis_body(header)
        result = BlockResult(
            header.hash(), header.parent_hash, 0, header.timestamp, header.encode(), summary.encode(), 0,
            big(header.base_fee_per_gas), big(next_base_fee(header)), (), {}, 0, big(state.supply),
        )  # fmt: skip
        stored = StoredGenesis(STORE_VERSION, genesis.root, self.shard, result.hash, big(state.supply))
        self.store.put_genesis(stored, StoredBlock(result, 0, {}, len(body)), body, state.writes)
        return stored

    def head(self) -> HeadInfo:
        """Where the store is, for the node's start."""
        genesis = self.store.block(self._genesis.hash)
        assert genesis is not None, "block 0 is never pruned"
        return HeadInfo(self.latest.result, self.finalized_number, genesis.result.header, self._genesis.supply)

    def result(self, block_hash: bytes) -> BlockResult | None:
        """Result of a block that was executed here, canonical or not."""
        block = self.store.block(block_hash)
        return None if block is None else block.result

    def build(self, parent_hash: bytes, context: BuildContext, candidates: Sequence[tuple[bytes, bytes]], build_budget_ms: float) -> Built:
        """Builds, executes and keeps a child of `parent_hash`.

        Args:
            parent_hash: executed here.
            context: what the block takes from outside.
            candidates: (signed bytes, sender) of user transactions in the order to try.
            build_budget_ms: wall-clock time for executing user transactions.

        Raises:
            InvalidBlock: WRONG_PARENT: the parent was never executed here.
        """
        started = self._monotonic()
        parent, parent_header, before = self._parent(parent_hash)
        chosen, missing = choose_inbound(
            parent_header.number + 1, before.incoming, context.reference.inbound, context.available, self.parameters
        )
        extra = ExtraData(BLOCK_VERSION, context.epoch, context.view, context.proposer, missing)
        timestamp = max(parent.timestamp, context.timestamp)
        execution = self._begin(parent_hash, parent_header, context.reference, context.coinbase, timestamp)
        for receipt in chosen:
            execution.deliver(receipt)
        room = self.parameters.block_bytes_max - len(ShardBlock(bytes(HEADER_BYTES_MAX), tuple(chosen), ()).encode())
        limits = Limits(self.parameters.gas_limit - execution.gas_used, room, build_budget_ms)
        selection: Selection = select_transactions(execution, candidates, limits, self._decode, self._monotonic, self._worked)
        executed = execution.finish()
        header = child_header(
            parent_header, coinbase=context.coinbase, timestamp=timestamp, extra=extra, reference=context.reference, executed=executed
        )
        body = ShardBlock(header.encode(), tuple(chosen), tuple(selection.transactions)).encode()
        result = self._keep(Executed(header, body, len(chosen), before, small(parent.supply), executed), started)
        return Built(body, result, tuple(selection.rejected), tuple(selection.too_slow))

    def execute(
        self, block: bytes, reference: ShardReference, coinbase: bytes,
        available: Mapping[int, tuple[CrossShardReceipt, ...]] | None = None, meter: Meter | None = None,
    ) -> BlockResult:
        """Checks, executes and keeps a block; one that is known already gives its result again.

        Args:
            block: SSZ of ShardBlock.
            reference: of the beacon block that its header names.
            coinbase: registered address of its proposer.
            available: proven inbound receipts by source, from the parent's cursor on. None: whoever asks has checked the
                inbound receipts, or knows the block to be final, so that they need no check (PROTOCOL 2, rule 1).
            meter: asked all through the work, which it can take back; None: it is done to its end.

        Raises:
            InvalidBlock: see `BlockReason`. BAD_BODY: the body is not the header's, of which nothing is said; BAD_INBOUND
                also when its receipts are not all proven by `available` and itself.
            Interrupted: raised by `meter`; all is as before.
        """
        started = self._monotonic()
        try:
            decoded = ShardBlock.decode(block)
        except InvalidEncoding as error:
            raise InvalidBlock(BlockReason.MALFORMED, str(error)) from error
        known = self.store.block(keccak256(decoded.header))
        if known is not None:
            if self.store.body(known.result.hash) != block:
                raise InvalidBlock(BlockReason.BAD_BODY, "the header is known with another body")
            return known.result
        header = decode_header(decoded.header)
        parent, parent_header, before = self._parent(header.parent_hash)
        extra = check_header(header, parent_header, reference, coinbase, self.parameters)
        self._check_body(header, decoded, len(block))
        if available is not None:
            self._check_inbound(header.number, before, reference, decoded, extra.missing, available)
        transactions = self._recovered(decoded.transactions)
        execution = self._begin(header.parent_hash, parent_header, reference, coinbase, header.timestamp)
        for receipt in decoded.inbound:
            _ask(meter)
            execution.deliver(receipt, meter)
        self._apply(execution, transactions, meter)
        executed = execution.finish()
        check_results(header, executed)
        return self._keep(Executed(header, block, len(decoded.inbound), before, small(parent.supply), executed), started)

    def finalize(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """Makes an executed block and its ancestors canonical, synced; returns those that were not, lowest first.

        Raises:
            AssertionError: it was never executed here, or is no descendant of the newest canonical block nor part of its chain.
        """
        path: list[StoredBlock] = []
        block = self.store.block(block_hash)
        assert block is not None, "a block is executed before it is final"
        while block.result.number > self.latest.result.number:
            path.append(block)
            block = self.store.block(block.result.parent)
            assert block is not None, "the parent of a stored block is stored"
        assert self.store.canonical(block.result.number) == block.result.hash, "what is canonical is never replaced"
        if path:
            assert block.result.hash == self.latest.result.hash, "canonical blocks follow one another"
            path.reverse()
            self.store.make_canonical(path)
            self.latest = path[-1]
        told = [finalized_of(made) for made in path]
        if told and (forgotten := self.engine.take_forgotten()):
            told[-1] = msgspec.structs.replace(told[-1], programs_forgotten=forgotten)
        return tuple(told)

    def truncate(self, block_hash: bytes) -> tuple[FinalizedBlock, ...]:
        """Ends the canonical chain in `block_hash`, synced (a forced close, PROTOCOL 3); returns the blocks undone, highest first.

        They stay stored as blocks that lost, for their transactions to be read by hash.

        Raises:
            AssertionError: it is not canonical, or below a crosslinked block.
        """
        newest = self.store.block(block_hash)
        assert newest is not None, "only a canonical block can become the newest"
        assert self.store.canonical(newest.result.number) == block_hash, "only a canonical block can become the newest"
        assert newest.result.number >= self.finalized_number, "nothing undoes a crosslinked block"
        undone = []
        block = self.latest
        while block.result.number > newest.result.number:
            undone.append(block)
            parent = self.store.block(block.result.parent)
            assert parent is not None, "the parent of a stored block is stored"
            block = parent
        if undone:
            self.latest = newest
            self.store.undo_canonical(undone, block_hash)
        return tuple(finalized_of(gone) for gone in undone)

    def set_finalized(self, height: int) -> None:
        """Moves the `finalized` tag to a crosslinked height; a height not yet canonical here is remembered, lower ones are ignored."""
        if height > self.finalized_number:
            self.store.set_finalized_height(height)
            self.finalized_number = height

    def body(self, block_hash: bytes) -> bytes | None:
        """SSZ of a block that was executed here."""
        return self.store.body(block_hash)

    def blocks(self, first_height: int, count: int) -> tuple[bytes, ...]:
        """SSZ of canonical blocks from a height on, as far as they are here.

        Args:
            first_height: of the first block; block 0 has no body anyone asks for.
            count: blocks wanted, at most `BLOCKS_PAGE_MAX` and `BLOCKS_PAGE_BYTES_MAX` are given, but always the first.
        """
        found: list[bytes] = []
        size = 0
        for height in range(first_height, first_height + min(count, BLOCKS_PAGE_MAX)):
            block_hash = self.store.canonical(height)
            body = None if block_hash is None else self.store.body(block_hash)
            if body is None or (found and size + len(body) > BLOCKS_PAGE_BYTES_MAX):
                break
            found.append(body)
            size += len(body)
        return tuple(found)

    def user_transactions(self, block_hash: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """(signed bytes, sender) of an executed block's user transactions, in order."""
        block = self.store.block(block_hash)
        return () if block is None else tuple((t.raw, t.sender) for t in self.store.transactions(block_hash))[block.received :]

    def outgoing(self, destination: int, first_nonce: int, count: int) -> Bundle | None:
        """A page of canonical receipts to a destination, as far as they are here; None when the first is not.

        Args:
            destination: chain number.
            first_nonce: of the page's first receipt.
            count: receipts wanted, at most `BUNDLE_RECEIPTS_MAX` are given.
        """
        found = self.store.channel(destination, first_nonce, first_nonce + min(count, BUNDLE_RECEIPTS_MAX))
        if not found:
            return None
        return Bundle(self.shard, destination, first_nonce, found[0].accumulator_before, tuple(sent.decoded() for sent in found))

    def prune_outgoing(self, destination: int, below_nonce: int) -> None:
        """Forgets the bodies a destination has taken in; where each receipt was sent stays known."""
        self.store.prune_channel(destination, below_nonce)

    def close(self) -> None:
        """Ends use; the database is closed with it."""
        if "_threads" in self.__dict__:
            self._threads.shutdown()
        self.store.database.close()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(RECOVERY_THREADS, "recover")

    def _parent(self, parent_hash: bytes) -> tuple[BlockResult, ShardHeader, Summary]:
        parent = self.store.block(parent_hash)
        if parent is None:
            raise InvalidBlock(BlockReason.WRONG_PARENT, f"parent 0x{parent_hash.hex()} was never executed here")
        return parent.result, ShardHeader.decode(parent.result.header), Summary.decode(parent.result.summary)

    def _begin(self, parent_hash: bytes, parent: ShardHeader, reference: ShardReference, coinbase: bytes, timestamp: int) -> BlockExecution:
        ancestors = ancestor_hashes(self.store, parent, parent_hash)
        context = BlockContext(
            parent.number + 1, timestamp, coinbase, self.parameters.gas_limit, next_base_fee(parent), parent_hash, reference, ancestors
        )
        return self.engine.begin(parent.state_root, context)

    def _check_body(self, header: ShardHeader, block: ShardBlock, size: int) -> None:
        """Only a body that is not the header's is BAD_BODY, so that all other reasons condemn the header too."""
        check_body(header, block, self.parameters.chain_id_base)
        # What is delivered is no proposer's choice; `inbound_bytes_max` keeps it well below.
        if size > self.parameters.block_bytes_max:
            raise InvalidBlock(BlockReason.BAD_TRANSACTION, f"{size} bytes, at most {self.parameters.block_bytes_max}")

    def _check_inbound(
        self,
        height: int,
        before: Summary,
        reference: ShardReference,
        block: ShardBlock,
        missing: int,
        available: Mapping[int, tuple[CrossShardReceipt, ...]],
    ) -> None:
        undecided = check_inbound(
            height, before.incoming, reference.inbound, block.inbound, missing, self.parameters, shard=self.shard, available=available
        )
        if undecided:
            source, nonce = min(undecided.items())
            raise InvalidBlock(BlockReason.BAD_INBOUND, f"nothing proves receipt {nonce} of source {source}")

    def _decode(self, raw: bytes) -> Transaction:
        transaction = decode_transaction(raw, impersonation=self.parameters.developer_controls)
        check_stateless(
            transaction,
            chain_id=self.parameters.chain_id(self.shard),
            chain_id_base=self.parameters.chain_id_base,
            shard_count=self.parameters.shard_count,
            block_gas_limit=self.parameters.gas_limit,
        )
        return transaction

    def _recovered(self, raws: Sequence[bytes]) -> list[tuple[Transaction, bytes]]:
        try:
            transactions = [self._decode(raw) for raw in raws]
            if len(transactions) < RECOVERY_THREADS_FROM_TRANSACTIONS:
                senders = _recover_all(transactions)
            else:
                size = -(-len(transactions) // RECOVERY_THREADS)
                parts = [transactions[start : start + size] for start in range(0, len(transactions), size)]
                senders = [s for part in self._threads.map(_recover_all, parts) for s in part]
        except InvalidTransaction as error:
            raise InvalidBlock(BlockReason.BAD_TRANSACTION, str(error)) from error
        return list(zip(transactions, senders, strict=True))

    def _apply(self, execution: BlockExecution, transactions: Sequence[tuple[Transaction, bytes]], meter: Meter | None) -> None:
        for index, (transaction, sender) in enumerate(transactions):
            if execution.gas_used + transaction.gas_limit > self.parameters.gas_limit:
                raise InvalidBlock(BlockReason.BAD_TRANSACTION, f"transaction {index}: its gas limit does not fit the block")
            _ask(meter)
            try:
                execution.apply(transaction, sender, meter)
            except InvalidTransaction as error:
                raise InvalidBlock(BlockReason.BAD_TRANSACTION, f"transaction {index}: {error}") from error

    def _keep(self, executed: Executed, started: float) -> BlockResult:
        milliseconds = round((self._monotonic() - started) * 1000)
        block, transactions, outgoing = records_of(executed, self.shard, self.parameters.chain_id_base, milliseconds)
        self.store.put_block(block, executed.body, transactions, outgoing, executed.result.writes)
        return block.result


def _ask(meter: Meter | None) -> None:
    # a credit or a plain transfer has no step that asks
    if meter is not None:
        meter()


def _recover_all(transactions: Sequence[Transaction]) -> list[bytes]:
    return [bytes(recover_sender(transaction)) for transaction in transactions]
