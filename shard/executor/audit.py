"""Walking every account of a block, page by page, so that nothing waits for the whole of it (PROTOCOL 4, Invariant)."""

from __future__ import annotations

from primitives.errors import InvalidQuery, QueryReason
from shard.engine.interface import Meter
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.views import BalancePage, BlockSelector, big

PAGE_ACCOUNTS_MAX = 2000


class Auditor:
    """Sums balances; a page costs only its own accounts, wherever it starts."""

    def __init__(self, executor: ShardExecutor, reader: ShardReader) -> None:
        self._executor = executor
        self._reader = reader

    def page(self, selector: BlockSelector, after: bytes | None, count: int, meter: Meter) -> BalancePage:
        """The next accounts of the state after a block, in order of the keccak of their address.

        Args:
            selector: the same block for all pages of a walk, so not a tag.
            after: `last` of the page before; None starts.
            count: accounts wanted, at most `PAGE_ACCOUNTS_MAX` are given.
            meter: called at every account.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
            Interrupted: raised by `meter`.
        """
        header = self._reader.header(selector)
        if header is None:
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "header not found")
        accounts, total, last = 0, 0, after or b""
        wanted = max(1, min(count, PAGE_ACCOUNTS_MAX))
        for key, account in self._executor.engine.iterate_accounts(header.state_root, after or b""):
            meter()
            accounts, total, last = accounts + 1, total + account.balance, key
            if accounts == wanted:
                return BalancePage(accounts, big(total), last)
        return BalancePage(accounts, big(total), None)
