"""What an account has to do with a chain: searches by the index, and by halving, as every block's state is there to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from primitives.headers import ShardHeader
from primitives.receipts import RECEIPT_TRANSACTION_TYPE
from shard.engine.interface import AccountState, Meter
from shard.executor.executor import ShardExecutor
from shard.executor.index import PARTY, occurrences
from shard.executor.reads import receipt_view
from shard.executor.schema import StoredBlock, StoredTransaction
from shard.executor.tracing import Tracing
from shard.transactions import read_transaction
from shard.views import ReceiptView, SearchPage


class History:
    """Answers of one shard, of its canonical chain."""

    def __init__(self, executor: ShardExecutor, tracing: Tracing) -> None:
        self._executor = executor
        self._tracing = tracing

    def search(self, address: bytes, height: int, count: int, meter: Meter, *, before: bool) -> SearchPage:
        """Transactions that an account is party to.

        Args:
            address: of the account.
            height: the search begins with the block before it, or after it.
            count: transactions wanted; those of a block are never parted, so there may be more.
            meter: asked at every block.
            before: whether to look at earlier blocks, the nearest and in it the last first; or else at later ones in chain order.

        Raises:
            Interrupted: raised by `meter`.
        """
        latest = self._executor.latest.result.number
        first, last = (0, min(height - 1, latest)) if before else (height + 1, latest)
        found: list[ReceiptView] = []
        for number, at in occurrences(self._executor.store.database, PARTY, address, first, last, reverse=before):
            meter()
            if len(found) >= count:
                return SearchPage(tuple(found), False)
            found += self._of(number, at[::-1] if before else at, address)
        return SearchPage(tuple(found), True)

    def _of(self, number: int, at: Sequence[int], address: bytes) -> list[ReceiptView]:
        block = self._block(number)
        if block is None:
            return []
        read = ((i, self._executor.store.transaction(block.result.hash, i)) for i in at)
        return [receipt_view(block, i, transaction) for i, transaction in read if transaction and _is_party(transaction, address)]

    def sent_by(self, address: bytes, nonce: int, meter: Meter) -> bytes | None:
        """Hash of the transaction an account sent with a nonce; None when there is none.

        Raises:
            Interrupted: raised by `meter`.
        """
        block = self._first(address, lambda account: account.nonce > nonce, meter)
        if block is None:
            return None
        for transaction in self._executor.store.transactions(block.result.hash):
            meter()
            is_sent = transaction.sender == address and transaction.raw[0] != RECEIPT_TRANSACTION_TYPE
            if is_sent and read_transaction(transaction.raw).nonce == nonce:
                return transaction.hash
        # an EIP-7702 authorization took it
        return None

    def creator(self, address: bytes, meter: Meter) -> tuple[bytes, bytes] | None:
        """(transaction, account) that made a contract; None for one of genesis, or where there is no contract.

        Raises:
            InvalidQuery: OVER_LIMIT: the block it was made in is too much to trace.
            Interrupted: raised by `meter`.
        """
        block = self._first(address, lambda account: account.has_contract_code, meter)
        return None if block is None else self._tracing.creation(block, address, meter)

    def _first(self, address: bytes, holds: Callable[[AccountState], bool], meter: Meter) -> StoredBlock | None:
        """The first block, after genesis, with whose state it holds of an account; None when it does not hold now, or did in genesis.

        What ceases to hold and holds again later is found at one of the times it began to.
        """
        low, high = 0, self._executor.latest.result.number
        if not self._holds(high, address, holds) or self._holds(low, address, holds):
            return None
        while high - low > 1:
            meter()
            middle = (low + high) // 2
            low, high = (low, middle) if self._holds(middle, address, holds) else (middle, high)
        return self._block(high)

    def _holds(self, number: int, address: bytes, holds: Callable[[AccountState], bool]) -> bool:
        block = self._block(number)
        return block is not None and holds(
            self._executor.engine.account(ShardHeader.decode(block.result.header).state_root, address)
        )

    def _block(self, number: int) -> StoredBlock | None:
        block_hash = self._executor.store.canonical(number)
        return None if block_hash is None else self._executor.store.block(block_hash)


def _is_party(transaction: StoredTransaction, address: bytes) -> bool:
    parties = (transaction.sender, transaction.to, transaction.contract_address)
    return address in parties or any(log.address == address for log in transaction.logs)
