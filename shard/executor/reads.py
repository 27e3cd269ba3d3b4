"""What a shard tells its readers of its canonical chain, as `shard.views` (PROTOCOL 3, Tags)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from primitives.errors import InvalidQuery, QueryReason
from primitives.headers import ShardHeader
from shard.engine.interface import Meter
from shard.executor.executor import ShardExecutor
from shard.executor.index import places
from shard.executor.logs import Matcher
from shard.executor.rules import EMPTY_BLOOM
from shard.executor.schema import Place, StoredBlock, StoredOutgoing, StoredTransaction
from shard.views import (
    AccountProof,
    AccountView,
    BlockSelector,
    BlockView,
    LogFilter,
    LogView,
    OutgoingPath,
    OutgoingReceipt,
    ReceiptView,
    TransactionView,
    big,
)

LOG_BLOCKS_MAX = 10_000
"""Blocks of one range of a log query for any log at all."""
INDEXED_BLOCKS_MAX = 100_000
"""The same where addresses or topics are asked for."""
UNINDEXED_BLOCKS_MAX = 16
"""Of so few blocks the blooms are quicker than the index."""
LOG_RESULTS_MAX = 10_000
"""Logs one query gives."""
LOG_BYTES_MAX = 8 * 1024 * 1024
"""Data and topics of the logs one query gives; those of a block of 60 million gas are less, at 8 gas a byte."""


class ShardReader:
    """Reads of one shard, from any thread; a block that is not canonical is unknown."""

    def __init__(self, executor: ShardExecutor) -> None:
        self._executor = executor
        self._store = executor.store
        self._engine = executor.engine

    def resolve(self, selector: BlockSelector) -> StoredBlock | None:
        """The canonical block a selector names; None when there is none."""
        latest = self._executor.latest
        if isinstance(selector, bytes):
            block = self._store.block(selector)
            return block if block is not None and self._store.canonical(block.result.number) == selector else None
        if isinstance(selector, str):
            match selector:
                case "latest" | "safe" | "pending":
                    return latest
                case "finalized":
                    selector = min(self._executor.finalized_number, latest.result.number)
                case "earliest":
                    selector = 0
                case _:
                    raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, f"no block is called {selector!r}")
        if not 0 <= selector <= latest.result.number:
            return None
        block_hash = self._store.canonical(selector)
        return None if block_hash is None else self._store.block(block_hash)

    def header(self, selector: BlockSelector) -> ShardHeader | None:
        """Header of a canonical block."""
        block = self.resolve(selector)
        return None if block is None else ShardHeader.decode(block.result.header)

    def block(self, selector: BlockSelector) -> BlockView | None:
        """A block with its transactions."""
        block = self.resolve(selector)
        if block is None:
            return None
        transactions = tuple(_transaction_view(block, i, t) for i, t in enumerate(self._store.transactions(block.result.hash)))
        return BlockView(block.result.hash, block.result.header, block.size, transactions)

    def transaction(self, transaction_hash: bytes) -> TransactionView | None:
        """A transaction by its hash; a delivered cross-shard receipt by its id, which is its transaction's hash."""
        found = self._locate(transaction_hash)
        return None if found is None else _transaction_view(*found)

    def transaction_at(self, selector: BlockSelector, index: int) -> TransactionView | None:
        """A transaction by its place in a block."""
        block = self.resolve(selector)
        transaction = None if block is None else self._store.transaction(block.result.hash, index)
        return None if block is None or transaction is None else _transaction_view(block, index, transaction)

    def receipt(self, transaction_hash: bytes) -> ReceiptView | None:
        """What a transaction, or a delivered cross-shard receipt by its id, left."""
        found = self._locate(transaction_hash)
        return None if found is None else receipt_view(*found)

    def block_receipts(self, selector: BlockSelector) -> tuple[ReceiptView, ...] | None:
        """What every transaction of a block left, in order."""
        block = self.resolve(selector)
        if block is None:
            return None
        return tuple(receipt_view(block, i, t) for i, t in enumerate(self._store.transactions(block.result.hash)))

    def logs(self, wanted: LogFilter, meter: Meter) -> tuple[LogView, ...]:
        """Logs that match, in chain order.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK, BAD_RANGE, BEYOND_HEAD, or OVER_LIMIT (`LOG_BLOCKS_MAX`, `INDEXED_BLOCKS_MAX`,
                `LOG_RESULTS_MAX`, `LOG_BYTES_MAX`).
            Interrupted: raised by `meter`, which is called as the range is looked through and at every transaction that is read.
        """
        matcher = Matcher(wanted)
        found: list[LogView] = []
        size = 0
        for at, index, transaction in self._log_transactions(wanted, matcher, meter):
            meter()
            matching = [log for log in _log_views(at, index, transaction) if matcher.matches(log)]
            found += matching
            size += sum(len(log.data) + sum(map(len, log.topics)) for log in matching)
            if len(found) > LOG_RESULTS_MAX:
                raise InvalidQuery(QueryReason.OVER_LIMIT, f"query returned more than {LOG_RESULTS_MAX} results: narrow it")
            if size > LOG_BYTES_MAX:
                raise InvalidQuery(QueryReason.OVER_LIMIT, f"query returned more than {LOG_BYTES_MAX} bytes of logs: narrow it")
        return tuple(found)

    def block_logs(self, block_hash: bytes) -> tuple[LogView, ...]:
        """All logs of an executed block, canonical or not: what subscribers are told of a block that was undone."""
        block = self._store.block(block_hash)
        if block is None:
            return ()
        at = _place(block)
        return tuple(log for i, t in enumerate(self._store.transactions(block_hash)) for log in _log_views(at, i, t))

    def account(self, selector: BlockSelector, address: bytes) -> AccountView | None:
        """An account at a block; None when the block is unknown. An account that does not exist is empty."""
        header = self.header(selector)
        return None if header is None else self._account(header.state_root, address)

    def accounts(self, wanted: Iterable[tuple[BlockSelector, bytes]]) -> tuple[AccountView | None, ...]:
        """Many accounts, each at a block of its own; a block is looked up once."""
        roots: dict[BlockSelector, bytes | None] = {}
        found: list[AccountView | None] = []
        for selector, address in wanted:
            if selector not in roots:
                header = self.header(selector)
                roots[selector] = None if header is None else header.state_root
            root = roots[selector]
            found.append(None if root is None else self._account(root, address))
        return tuple(found)

    def _account(self, state_root: bytes, address: bytes) -> AccountView:
        account = self._engine.account(state_root, address)
        return AccountView(account.nonce, big(account.balance), account.code_hash, account.has_contract_code)

    def code(self, selector: BlockSelector, address: bytes) -> bytes | None:
        """An account's code at a block; None when the block is unknown."""
        header = self.header(selector)
        return None if header is None else self._engine.code(header.state_root, address)

    def storage(self, selector: BlockSelector, address: bytes, slot: int) -> bytes | None:
        """A storage word, 32 bytes, at a block; None when the block is unknown."""
        header = self.header(selector)
        return None if header is None else self._engine.storage(header.state_root, address, slot).to_bytes(32, "big")

    def proof(self, selector: BlockSelector, address: bytes, slots: Sequence[int], meter: Meter) -> AccountProof | None:
        """An account and words of its storage with their Merkle proofs; None when the block is unknown.

        Raises:
            Interrupted: raised by `meter`.
        """
        header = self.header(selector)
        return None if header is None else self._engine.proof(header.state_root, address, slots, meter)

    def outgoing_receipt(self, receipt_id: bytes) -> OutgoingReceipt | None:
        """Where a cross-shard receipt left this shard, by its id."""
        sent = self._store.locate_outgoing(receipt_id)
        return None if sent is None else _outgoing_view(sent)

    def outgoing_of(self, transaction_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """Cross-shard receipts that a canonical transaction sent, in order."""
        place = self._store.locate(transaction_hash)
        if place is None:
            return ()
        return tuple(_outgoing_view(sent) for sent in self._store.block_outgoing(place[0]) if sent.transaction_hash == transaction_hash)

    def outgoing_in(self, block_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """Cross-shard receipts that a canonical block sent, in order; none for a block not known here."""
        block = self.resolve(block_hash)
        return () if block is None else tuple(_outgoing_view(sent) for sent in self._store.block_outgoing(block.result.hash))

    def outgoing_path(self, receipt_id: bytes, count: int, meter: Meter) -> OutgoingPath | None:
        """A cross-shard receipt that left this shard, and the ids after it in its channel, up to the channel's first `count` receipts.

        None for a receipt that is not known, or while there are fewer canonical receipts than that.

        Raises:
            Interrupted: raised by `meter`, which is called at every block looked at.
        """
        sent = self._store.locate_outgoing(receipt_id)
        if sent is None:
            return None
        receipt = sent.decoded()
        following: list[bytes] = []
        height, missing = sent.block_number, count - receipt.nonce - 1
        while len(following) < missing:
            meter()
            block = self.resolve(height)
            if block is None:
                return None
            if receipt.destination in block.sent:
                for one in self._store.block_outgoing(block.result.hash):
                    other = one.decoded()
                    if other.destination == receipt.destination and other.nonce > receipt.nonce:
                        following.append(one.id)
            height += 1
        return OutgoingPath(sent.receipt, sent.accumulator_before, tuple(following[:max(missing, 0)]))

    def _locate(self, transaction_hash: bytes) -> tuple[StoredBlock, int, StoredTransaction] | None:
        place = self._store.locate(transaction_hash)
        if place is None:
            return None
        block, transaction = self._store.block(place[0]), self._store.transaction(*place)
        return None if block is None or transaction is None else (block, place[1], transaction)

    def _log_transactions(
        self, wanted: LogFilter, matcher: Matcher, meter: Meter
    ) -> Iterator[tuple[Place, int, StoredTransaction]]:
        """(block, index, transaction) of those that may hold a log that matches, in chain order."""
        if wanted.block_hash is not None:
            block = self.resolve(wanted.block_hash)
            if block is None:
                raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "unknown block")
            yield from self._all_of(_place(block))
            return
        first, last = self._height(wanted.first), self._height(wanted.last)
        if first > last:
            raise InvalidQuery(QueryReason.BAD_RANGE, "invalid block range params")
        if last > self._executor.latest.result.number:
            raise InvalidQuery(QueryReason.BEYOND_HEAD, "block range extends beyond current head block")
        constraints = matcher.constraints()
        most = INDEXED_BLOCKS_MAX if constraints else LOG_BLOCKS_MAX
        if last - first >= most:
            raise InvalidQuery(QueryReason.OVER_LIMIT, f"block range is over the limit of {most} blocks: narrow it")
        if not constraints or last - first < UNINDEXED_BLOCKS_MAX:
            for at, bloom in self._store.canonical_blooms(first, last):
                meter()
                if bloom and matcher.may_match(bloom):
                    yield from self._all_of(at)
            return
        for number, indexes in places(self._store.database, constraints, first, last, meter):
            indexed = self._store.place(number)
            if indexed is None:
                continue
            for index in indexes:
                transaction = self._store.transaction(indexed.hash, index)
                if transaction is not None:
                    yield indexed, index, transaction

    def _all_of(self, at: Place) -> Iterator[tuple[Place, int, StoredTransaction]]:
        return ((at, index, transaction) for index, transaction in enumerate(self._store.transactions(at.hash)))

    def _height(self, selector: BlockSelector) -> int:
        if isinstance(selector, int):
            return selector
        block = self.resolve(selector)
        if block is None:
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "unknown block")
        return block.result.number


def _transaction_view(block: StoredBlock, index: int, transaction: StoredTransaction) -> TransactionView:
    result = block.result
    return TransactionView(
        transaction.hash, transaction.raw, transaction.sender, result.number, result.hash, index, result.base_fee,
        result.timestamp,
    )  # fmt: skip


def _place(block: StoredBlock) -> Place:
    return Place(block.result.number, block.result.hash, block.result.timestamp)


def _log_views(place: Place, index: int, transaction: StoredTransaction) -> tuple[LogView, ...]:
    number, block_hash, timestamp = place
    return tuple(
        LogView(log.address, log.topics, log.data, number, block_hash, transaction.hash, index, transaction.first_log + position, timestamp)
        for position, log in enumerate(transaction.logs)
    )


def receipt_view(block: StoredBlock, index: int, transaction: StoredTransaction) -> ReceiptView:
    """What a transaction of a block left, as it is told."""
    return ReceiptView(
        transaction=_transaction_view(block, index, transaction),
        status=transaction.status,
        gas_used=transaction.gas_used,
        cumulative_gas_used=transaction.cumulative_gas_used,
        effective_gas_price=transaction.effective_gas_price,
        logs_bloom=transaction.logs_bloom or EMPTY_BLOOM,
        logs=_log_views(_place(block), index, transaction),
        to=transaction.to,
        contract_address=transaction.contract_address,
    )


def _outgoing_view(sent: StoredOutgoing) -> OutgoingReceipt:
    receipt = sent.decoded()
    return OutgoingReceipt(
        id=sent.id,
        source=receipt.source,
        destination=receipt.destination,
        nonce=receipt.nonce,
        kind=receipt.kind,
        sender=receipt.sender,
        to=receipt.to,
        amount=big(receipt.amount),
        gas_limit=receipt.gas_limit,
        fee=big(receipt.fee),
        refund_to=receipt.refund_to,
        data=receipt.data,
        block_number=sent.block_number,
        block_hash=sent.block_hash,
        transaction_hash=sent.transaction_hash,
    )
