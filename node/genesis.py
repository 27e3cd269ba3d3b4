"""Reads a genesis file, and holds its accounts against the addresses that belong to the protocol."""

from __future__ import annotations

from pathlib import Path

from primitives.errors import InvalidGenesis
from primitives.genesis import Genesis, parse_genesis
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, DEVELOPER, INBOX, OUTBOX, SYSTEM_ADDRESS

PRECOMPILES_MAX = 0x11
"""Highest address of a precompiled contract in Prague (EIP-2537)."""
_RESERVED: dict[bytes, str] = {
    OUTBOX: "Outbox", INBOX: "Inbox", DEVELOPER: "the developer account", BEACON_ROOTS: "the beacon roots contract of EIP-4788",
    BLOCK_HASHES: "the block hash contract of EIP-2935", SYSTEM_ADDRESS: "the system caller of EIP-4788",
}  # fmt: skip


def load_genesis(path: Path) -> Genesis:
    """The genesis in a file, its accounts held against the addresses that belong to the protocol.

    Raises:
        InvalidGenesis: names the field and what is wrong with it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidGenesis("", f"the genesis file {path} cannot be read: {error.strerror}") from error
    try:
        genesis = parse_genesis(content)
    except InvalidGenesis as error:
        if error.field:
            raise
        raise InvalidGenesis("", f"{path} is no genesis file: {error}") from error
    check_accounts(genesis)
    return genesis


def check_accounts(genesis: Genesis) -> None:
    """Refuses accounts at addresses of the protocol (PROTOCOL 6; EIP-4788, EIP-2935, precompiled contracts).

    Raises:
        InvalidGenesis: names the account.
    """
    for i, account in enumerate(genesis.accounts):
        taken = _RESERVED.get(account.address)
        if taken is None and 0 < int.from_bytes(account.address, "big") <= PRECOMPILES_MAX:
            taken = "a precompiled contract"
        if taken is not None:
            raise InvalidGenesis(f"accounts.{i}.address", f"0x{account.address.hex()} is the address of {taken}: use another")
