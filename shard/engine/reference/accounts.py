"""Accounts and storage of one block in the making: flat caches over the state trie, and a log that undoes.

It takes the place of the library's account database (same method names), whose snapshots get dearer with every contract
a block touches; here a snapshot is a number, and going back costs what was done since.
"""

from __future__ import annotations

from typing import NamedTuple

import rlp

from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from shard.engine.interface import AccountState, NodeReader
from shard.engine.trie import MissingNodeError, Trie
from shard.transactions.rlp import encode_list, encode_number, encode_text

EMPTY_CODE_HASH = keccak256(b"")
DELEGATION_PREFIX = b"\xef\x01\x00"
DELEGATION_BYTES = 23
"""Code of this length behind the prefix is an EIP-7702 delegation."""


class Account(NamedTuple):
    """An account's record; the storage root is as of the last commit."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = EMPTY_TRIE_ROOT
    code_hash: bytes = EMPTY_CODE_HASH

    @property
    def is_empty(self) -> bool:
        """Empty as EIP-161 has it."""
        return not self.nonce and not self.balance and self.code_hash == EMPTY_CODE_HASH


EMPTY_ACCOUNT = Account()


def is_delegation(code: bytes) -> bool:
    """Whether code is an EIP-7702 delegation."""
    return len(code) == DELEGATION_BYTES and code.startswith(DELEGATION_PREFIX)


def encode_account(account: Account) -> bytes:
    """The record as the state trie holds it."""
    return encode_list(
        encode_number(account.nonce) + encode_number(account.balance) + encode_text(account.storage_root) + encode_text(account.code_hash)
    )


def decode_account(encoded: bytes) -> Account:
    """The account of a record of the state trie."""
    nonce, balance, storage_root, code_hash = rlp.decode(encoded)
    return Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)


class _Storage:
    """Words of one account: `words` lies over the trie at `root`."""

    __slots__ = ("changed", "root", "trie", "words")

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.trie: Trie | None = None
        self.words: dict[int, int] = {}
        self.changed: set[int] = set()
        """Slots that may differ from the trie; a slot put back to its old value does no harm here."""


class Accounts:
    """The library asks for accounts, storage, code, warmth and transient storage here."""

    def __init__(self, reader: NodeReader, state_root: bytes) -> None:
        self._reader = reader
        self._trie = Trie(reader.get, state_root)
        self._accounts: dict[bytes, Account | None] = {}
        self._storages: dict[bytes, _Storage] = {}
        self._codes: dict[bytes, bytes] = {}
        self._new_codes: set[bytes] = set()
        self._undo: list[tuple[object, ...]] = []
        self.before: dict[bytes, Account | None] = {}
        """Accounts written since the last commit, as they were there."""
        self._originals: dict[tuple[bytes, int], int] = {}
        self._warm: set[object] = set()
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self.destroyed = 0
        """Wei that SELFDESTRUCT took out of existence in this block."""

    # -- snapshots

    def snapshot(self) -> int:
        """A point to go back to."""
        return len(self._undo)

    def revert(self, snapshot: int) -> None:
        """Undoes everything since `snapshot`."""
        undo = self._undo
        while len(undo) > snapshot:
            kind, key, value = undo.pop()
            if kind == "account":
                self._accounts[key] = value  # type: ignore[index, assignment]
            elif kind == "word":
                address, slot = key  # type: ignore[misc]
                self._storages[address].words[slot] = value  # type: ignore[has-type, assignment]
            elif kind == "warm":
                self._warm.discard(key)
            elif kind == "transient":
                self._transient[key] = value  # type: ignore[index, assignment]
            elif kind == "storage":
                self._storages[key] = value  # type: ignore[index, assignment]
            else:
                self.destroyed = value  # type: ignore[assignment]

    def end_transaction(self) -> None:
        """What a transaction did is final within the block: warmth, transient storage and original values start anew."""
        self._undo.clear()
        self._warm.clear()
        self._originals.clear()
        self._transient.clear()

    # -- accounts

    def get(self, address: bytes) -> Account | None:
        """The account; None when it does not exist."""
        try:
            return self._accounts[address]
        except KeyError:
            encoded = self._trie.get(keccak256(address))
            account = decode_account(encoded) if encoded else None
            self._accounts[address] = account
            return account

    def _set(self, address: bytes, account: Account | None) -> None:
        old = self.get(address)
        if address not in self.before:
            self.before[address] = old
        self._undo.append(("account", address, old))
        self._accounts[address] = account

    def account_exists(self, address: bytes) -> bool:
        """Whether it is in the state, empty or not."""
        return self.get(address) is not None

    def account_is_empty(self, address: bytes) -> bool:
        """Empty as EIP-161 has it, or not there at all."""
        account = self.get(address)
        return account is None or account.is_empty

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        """Whether a contract cannot be created here: code, nonce, or (EIP-7610) storage."""
        account = self.get(address)
        return account is not None and (
            account.nonce != 0 or account.code_hash != EMPTY_CODE_HASH or account.storage_root != EMPTY_TRIE_ROOT
        )

    def touch_account(self, address: bytes) -> None:
        """Makes an account that does not exist an empty one; the end of its transaction removes it again (EIP-161)."""
        if self.get(address) is None:
            self._set(address, EMPTY_ACCOUNT)

    def delete_account(self, address: bytes) -> None:
        """Removes an account and its storage."""
        self.delete_storage(address)
        self._set(address, None)

    def get_balance(self, address: bytes) -> int:
        """Wei."""
        return (self.get(address) or EMPTY_ACCOUNT).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        """Sets wei."""
        assert 0 <= balance < 2**256, "balance out of range"
        self._set(address, (self.get(address) or EMPTY_ACCOUNT)._replace(balance=balance))

    def get_nonce(self, address: bytes) -> int:
        """Transactions sent, contracts created."""
        return (self.get(address) or EMPTY_ACCOUNT).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Sets the nonce."""
        self._set(address, (self.get(address) or EMPTY_ACCOUNT)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        """One more."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    # -- code

    def get_code_hash(self, address: bytes) -> bytes:
        """Keccak of the code."""
        return (self.get(address) or EMPTY_ACCOUNT).code_hash

    def get_code(self, address: bytes) -> bytes:
        """The code; empty for an account without any."""
        return self.code_of(self.get_code_hash(address))

    def code_of(self, code_hash: bytes) -> bytes:
        """Code by its keccak, which some account has or had."""
        if code_hash == EMPTY_CODE_HASH:
            return b""
        code = self._codes.get(code_hash)
        if code is None:
            code = self._reader.get(code_hash)
            if code is None:
                raise MissingNodeError(f"code {code_hash.hex()} is not stored")
            self._codes[code_hash] = code
        return code

    def set_code(self, address: bytes, code: bytes) -> None:
        """Sets the code."""
        code_hash = keccak256(code)
        self._codes[code_hash] = code
        self._new_codes.add(code_hash)
        self._set(address, (self.get(address) or EMPTY_ACCOUNT)._replace(code_hash=code_hash))

    def delete_code(self, address: bytes) -> None:
        """Leaves the account without code (an EIP-7702 delegation taken back)."""
        self._set(address, (self.get(address) or EMPTY_ACCOUNT)._replace(code_hash=EMPTY_CODE_HASH))

    # -- storage

    def _storage(self, address: bytes) -> _Storage:
        storage = self._storages.get(address)
        if storage is None:
            storage = self._storages[address] = _Storage((self.get(address) or EMPTY_ACCOUNT).storage_root)
        return storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """A word; with `from_journal` False as it was when the transaction began (EIP-2200)."""
        if not from_journal:
            original = self._originals.get((address, slot))
            if original is not None:
                return original
        storage = self._storage(address)
        try:
            return storage.words[slot]
        except KeyError:
            word = storage.words[slot] = self._stored_word(storage, slot)
            return word

    def _stored_word(self, storage: _Storage, slot: int) -> int:
        if storage.root == EMPTY_TRIE_ROOT:
            return 0
        if storage.trie is None:
            storage.trie = Trie(self._reader.get, storage.root)
        encoded = storage.trie.get(keccak256(slot.to_bytes(32, "big")))
        return int.from_bytes(rlp.decode(encoded), "big") if encoded else 0

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Sets a word."""
        old = self.get_storage(address, slot)
        if old == value:
            return
        self._originals.setdefault((address, slot), old)
        self._undo.append(("word", (address, slot), old))
        storage = self._storages[address]
        storage.words[slot] = value
        storage.changed.add(slot)
        # The account's record is written at the end of the block for its new storage root.
        if address not in self.before:
            self.before[address] = self.get(address)

    def delete_storage(self, address: bytes) -> None:
        """Wipes an account's storage."""
        account = self.get(address)
        if account is None:
            return
        if address in self._storages or account.storage_root != EMPTY_TRIE_ROOT:
            self._undo.append(("storage", address, self._storage(address)))
            self._storages[address] = _Storage(EMPTY_TRIE_ROOT)
        if account.storage_root != EMPTY_TRIE_ROOT:
            self._set(address, account._replace(storage_root=EMPTY_TRIE_ROOT))

    # -- within a transaction

    def is_address_warm(self, address: bytes) -> bool:
        """EIP-2929."""
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        """EIP-2929."""
        self._mark_warm(address)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        """EIP-2929."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        """EIP-2929."""
        self._mark_warm((address, slot))

    def _mark_warm(self, key: object) -> None:
        if key not in self._warm:
            self._warm.add(key)
            self._undo.append(("warm", key, None))

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        """EIP-1153."""
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        """EIP-1153."""
        self._undo.append(("transient", (address, slot), self._transient.get((address, slot), b"")))
        self._transient[address, slot] = value

    def destroy(self, amount: int) -> None:
        """Counts wei that SELFDESTRUCT takes out of existence, until the frame it happens in fails."""
        if amount:
            self._undo.append(("destroyed", None, self.destroyed))
            self.destroyed += amount

    # -- the block's end

    def balance_change(self) -> int:
        """Wei by which all accounts together grew since the last commit."""
        return sum(self.get_balance(a) - (old.balance if old else 0) for a, old in self.before.items())

    def state_of(self, address: bytes) -> AccountState:
        """The account as readers see it."""
        account = self.get(address) or EMPTY_ACCOUNT
        has_code = account.code_hash != EMPTY_CODE_HASH and not is_delegation(self.get_code(address))
        return AccountState(account.nonce, account.balance, account.code_hash, account.storage_root, has_code)

    def commit(self, writes: dict[bytes, bytes]) -> bytes:
        """The state root with everything that happened; new nodes and code go to `writes`."""
        for address in self.before:
            account = self.get(address)
            storage = self._storages.get(address)
            if account is not None and storage is not None and storage.changed:
                root = self._commit_storage(storage, writes)
                if root != account.storage_root:
                    account = account._replace(storage_root=root)
                    self._accounts[address] = account
            self._trie.set(keccak256(address), encode_account(account) if account is not None else b"")
            if account is not None and account.code_hash in self._new_codes:
                writes[account.code_hash] = self._codes[account.code_hash]
        self.before.clear()
        self._new_codes.clear()
        self.end_transaction()
        return self._trie.commit(writes)

    def _commit_storage(self, storage: _Storage, writes: dict[bytes, bytes]) -> bytes:
        trie = storage.trie or Trie(self._reader.get, storage.root)
        storage.trie = trie
        for slot in sorted(storage.changed):
            word = storage.words[slot]
            trie.set(keccak256(slot.to_bytes(32, "big")), encode_number(word) if word else b"")
        storage.changed.clear()
        storage.root = trie.commit(writes)
        return storage.root
