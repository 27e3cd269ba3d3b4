"""Walking every account of a block, page by page, so that nothing waits for the whole of it (PROTOCOL 4, Invariant)."""

from __future__ import annotations

from collections.abc import Iterator

from primitives.errors import InvalidQuery, QueryReason
from shard.engine.interface import AccountState, Meter
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.views import BalancePage, BlockSelector, big

PAGE_ACCOUNTS_MAX = 2000


class Auditor:
    """Sums balances; keeps one walk open, so that pages asked in order cost only themselves."""

    def __init__(self, executor: ShardExecutor, reader: ShardReader) -> None:
        self._executor = executor
        self._reader = reader
        self._open: tuple[bytes, bytes, Iterator[tuple[bytes, AccountState]]] | None = None
        """State root, last key given, and the walk that goes on from there."""

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
        walk = self._walk(header.state_root, after, meter)
        self._open = None
        accounts, total, last = 0, 0, after or b""
        wanted = max(1, min(count, PAGE_ACCOUNTS_MAX))
        for key, account in walk:
            meter()
            accounts, total, last = accounts + 1, total + account.balance, key
            if accounts == wanted:
                self._open = (header.state_root, last, walk)
                return BalancePage(accounts, big(total), last)
        return BalancePage(accounts, big(total), None)

    def _walk(self, root: bytes, after: bytes | None, meter: Meter) -> Iterator[tuple[bytes, AccountState]]:
        if after is not None and self._open is not None and self._open[:2] == (root, after):
            return self._open[2]
        walk = self._executor.engine.iterate_accounts(root)
        if after is not None:
            for key, _ in walk:
                meter()
                if key >= after:
                    break
        return walk
