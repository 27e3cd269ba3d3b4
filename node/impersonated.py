"""Accounts whose transactions need no signature at this node, on a developer's own network (docs/decisions/0015)."""

from __future__ import annotations

from primitives.errors import ControlReason, InvalidControl
from shard.contracts import DEVELOPER
from shard.operations import is_protected

IMPERSONATED_MAX = 4096
"""Accounts impersonated at a time."""


class Impersonated:
    """Lives as long as the node does: neither a snapshot nor a restart knows of it."""

    def __init__(self) -> None:
        self._accounts: set[bytes] = set()
        self.everyone = False
        """Whether every account is."""
        self.operation: bytes | None = None
        """Hash of the transaction by which the node itself carries out an order; no other of that account is taken."""

    def __contains__(self, address: bytes) -> bool:
        """Whether transactions from an account are made here when they are asked for."""
        return address in self._accounts or (self.everyone and not is_protected(address))

    def listed(self) -> list[bytes]:
        """Those that were named, in order."""
        return sorted(self._accounts)

    def may_send(self, address: bytes, transaction: bytes) -> bool:
        """Whether the pool takes a transaction of an account, by its hash, without a signature."""
        return transaction == self.operation if address == DEVELOPER else address in self

    def require(self, address: bytes) -> None:
        """Whether a transaction from an account may be made here.

        Raises:
            InvalidControl: NOT_IMPERSONATED.
        """
        if address not in self:
            raise InvalidControl(
                ControlReason.NOT_IMPERSONATED,
                f"0x{address.hex()} is not impersonated, and this node holds no keys: ask for dev_impersonateAccount first, or sign "
                "the transaction and use eth_sendRawTransaction",
            )

    def add(self, address: bytes) -> None:
        """One more account.

        Raises:
            InvalidControl: IMPOSSIBLE (it stands for the protocol), TOO_MANY_ACCOUNTS.
        """
        if is_protected(address):
            raise InvalidControl(ControlReason.IMPOSSIBLE, f"0x{address.hex()} belongs to the protocol: nobody else acts as it does")
        if address not in self._accounts and len(self._accounts) >= IMPERSONATED_MAX:
            raise InvalidControl(ControlReason.TOO_MANY_ACCOUNTS, f"{IMPERSONATED_MAX} accounts are impersonated already: stop one of them")
        self._accounts.add(address)

    def remove(self, address: bytes) -> None:
        """No more of an account, if it was one."""
        self._accounts.discard(address)
