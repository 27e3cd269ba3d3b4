"""Accounts as simulated calls see them: of any balance, and, for eth_createAccessList, noting what is accessed."""

from __future__ import annotations

from collections.abc import Set

from shard.engine.interface import NodeReader
from shard.engine.reference.accounts import Accounts
from shard.views import AccessList


class SimulatedAccounts(Accounts):
    """As Accounts; where a caller's overrides make more wei than 256 bits hold, balances wrap, as geth's do, and nonces too."""

    def set_balance(self, address: bytes, balance: int) -> None:
        """See `Accounts`."""
        super().set_balance(address, balance % 2**256)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """See `Accounts`."""
        super().set_nonce(address, nonce % 2**64)


class Accesses(SimulatedAccounts):
    """Remembers what the current transaction accessed, in frames that failed too."""

    def __init__(self, reader: NodeReader, state_root: bytes) -> None:
        super().__init__(reader, state_root)
        self._found: dict[bytes, set[int]] = {}
        self._warm_by_itself: set[bytes] = set()

    def listed(self, warm: Set[bytes]) -> AccessList:
        """What an access list would hold: of the accounts in `warm`, and of those made or delegating just now, only their slots."""
        skipped = warm | self._warm_by_itself
        return tuple(
            (address, tuple(slot.to_bytes(32, "big") for slot in sorted(slots)))
            for address, slots in sorted(self._found.items())
            if slots or address not in skipped
        )

    def end_transaction(self) -> None:
        """See `Accounts`."""
        self._found.clear()
        self._warm_by_itself.clear()
        super().end_transaction()

    def mark_address_warm(self, address: bytes) -> None:
        """See `Accounts`."""
        self._found.setdefault(address, set())
        super().mark_address_warm(address)

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        """See `Accounts`."""
        self._found.setdefault(address, set()).add(slot)
        super().mark_storage_warm(address, slot)

    def set_code(self, address: bytes, code: bytes) -> None:
        """See `Accounts`."""
        self._warm_by_itself.add(address)
        super().set_code(address, code)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """See `Accounts`."""
        if not self.get_nonce(address):
            # a contract in the making, which may end up without code, or a first-time sender, which is warm too
            self._warm_by_itself.add(address)
        super().set_nonce(address, nonce)
