"""What frames leave behind, gathered as they end.

The library keeps every frame until the transaction is over, and then asks each about all within it, and each of these again: memory
without a bound worth the name, and the square of their number where they are deep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RIPEMD = b"\3".rjust(20, b"\0")
"""Stays touched where its frame fails (EIP-161 as clients have it, https://github.com/ethereum/EIPs/issues/716)."""
RawLog = tuple[int, bytes, tuple[int, ...], bytes]
"""Place in the transaction, address, topics, data."""


@dataclass(slots=True)
class Effects:
    """Of a frame and all within it."""

    logs: list[RawLog] = field(default_factory=list)
    touched: set[bytes] = field(default_factory=set)
    """Accounts that are removed at the end if they are empty (EIP-161)."""
    destroyed: set[bytes] = field(default_factory=set)
    """Accounts that SELFDESTRUCT ends."""
    refund: int = 0
    """Gas; a part may take back what another one gave."""

    def join(self, other: Effects) -> None:
        """Takes over what a frame within left; the larger part stays where it is."""
        if len(other.logs) > len(self.logs):
            self.logs, other.logs = other.logs, self.logs
        self.logs.extend(other.logs)
        if len(other.touched) > len(self.touched):
            self.touched, other.touched = other.touched, self.touched
        self.touched |= other.touched
        self.destroyed |= other.destroyed
        self.refund += other.refund

    def fail(self) -> None:
        """Undoes everything, as the frame has failed."""
        self.logs, self.destroyed, self.refund = [], set(), 0
        self.touched &= {RIPEMD}
