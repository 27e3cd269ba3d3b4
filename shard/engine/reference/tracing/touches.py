"""What a transaction touches, as it was before and is after: prestateTracer."""

from __future__ import annotations

from typing import Any

import msgspec
from eth.abc import ComputationAPI, MessageAPI

from shard.engine.interface import NodeReader
from shard.engine.reference.accesses import SimulatedAccounts
from shard.engine.reference.accounts import DELEGATION_PREFIX, EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, is_delegation
from shard.engine.reference.tracing.computation import InboundTracedComputation, TracedComputation
from shard.engine.reference.tracing.tracer import Budget, Traced
from shard.views import TraceConfig

ACCOUNT_BYTES = 160
"""What an account comes to in JSON, but for code and storage."""
SLOT_BYTES = 140
_encode = msgspec.json.Encoder().encode
_Body = dict[str, Any]


class TouchedAccounts(SimulatedAccounts):
    """Remembers which accounts and slots were looked at, as far as EIP-2929 counts; and tells how they were."""

    def __init__(self, reader: NodeReader, state_root: bytes) -> None:
        super().__init__(reader, state_root)
        self.touched: dict[bytes, set[int]] = {}

    def is_address_warm(self, address: bytes) -> bool:
        """See `Accounts`."""
        self.touched.setdefault(address, set())
        return super().is_address_warm(address)

    def mark_address_warm(self, address: bytes) -> None:
        """See `Accounts`."""
        self.touched.setdefault(address, set())
        super().mark_address_warm(address)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        """See `Accounts`."""
        self.touched.setdefault(address, set()).add(slot)
        return super().is_storage_warm(address, slot)

    def before_transaction(self) -> tuple[dict[bytes, Account | None], dict[tuple[bytes, int], int]]:
        """Accounts and storage words that the transaction changed, as they were; a wiped storage's touched words too."""
        accounts: dict[bytes, Account | None] = {}
        words: dict[tuple[bytes, int], int] = {}
        wiped: set[bytes] = set()
        undo: list[tuple[Any, ...]] = self._undo
        for kind, key, value in undo:
            if kind == "account":
                accounts.setdefault(key, value)
            elif kind == "word" and key[0] not in wiped:
                words.setdefault(key, value)
            elif kind == "storage" and key not in wiped:
                wiped.add(key)
                for slot in self.touched.get(key, ()):
                    old = value.words.get(slot)
                    words.setdefault((key, slot), self._stored_word(value, slot) if old is None else old)
        return accounts, words


class TouchesTracer:
    """Accounts, code and words that were read or written; with `diff_mode` those that changed, before and after."""

    user_class = TracedComputation
    inbound_class = InboundTracedComputation

    def __init__(self, config: TraceConfig, budget: Budget, accounts: TouchedAccounts, coinbase: bytes) -> None:
        self._config, self._budget, self._accounts, self._coinbase = config, budget, accounts, coinbase
        self._result: object = {}
        self._begun = False
        accounts.touched.clear()

    def _touch(self, address: bytes) -> None:
        self._accounts.touched.setdefault(address, set())
        code = self._accounts.get_code(address)
        if is_delegation(code):
            self._accounts.touched.setdefault(code[len(DELEGATION_PREFIX) :], set())

    def enter(self, message: MessageAPI, parent: ComputationAPI | None) -> None:
        """See `Tracer`."""
        if not self._begun:
            # an access list alone touches nothing; accounts that authorizations change are told by `ending`
            self._begun = True
            self._accounts.touched.clear()
            for address in (message.sender, self._coinbase):
                self._touch(address)
        self._touch(message.storage_address)

    def leave(self, computation: ComputationAPI) -> None:
        """See `Tracer`."""

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """See `Tracer`."""

    def ending(self) -> None:
        """See `Tracer`."""
        accounts, words = self._accounts.before_transaction()
        # an account whose record changed was touched, whatever it was for
        touched = {address: set(slots) for address, slots in self._accounts.touched.items()}
        for address in accounts:
            touched.setdefault(address, set())
        for address, slot in words:
            touched.setdefault(address, set()).add(slot)
        before: _Body = {}
        after: _Body = {}
        for address in sorted(touched):
            old, new = accounts.get(address, self._accounts.get(address)), self._accounts.get(address)
            slots = sorted(touched[address])
            was = {slot: words.get((address, slot), self._accounts.get_storage(address, slot)) for slot in slots}
            if self._config.diff_mode:
                self._compare(address, old, new, was, before, after)
            elif old is not None and not (old.is_empty and not any(was.values())):
                before["0x" + address.hex()] = self._body(old, was, old)
        self._result = {"post": after, "pre": before} if self._config.diff_mode else before

    def _compare(self, address: bytes, old: Account | None, new: Account | None, was: dict[int, int], before: _Body, after: _Body) -> None:
        name = "0x" + address.hex()
        now = {slot: self._accounts.get_storage(address, slot) for slot in was}
        changed = {slot for slot in was if was[slot] != now[slot]}
        if new is None:
            if old is not None and not old.is_empty:
                before[name] = self._body(old, {slot: word for slot, word in was.items() if word}, old)
            return
        first = old or EMPTY_ACCOUNT
        same = (first.balance, first.nonce, first.code_hash) == (new.balance, new.nonce, new.code_hash)
        if same and not changed:
            return
        if old is not None and not old.is_empty:
            before[name] = self._body(old, {slot: was[slot] for slot in sorted(changed) if was[slot]}, old)
        after[name] = self._body(new, {slot: now[slot] for slot in sorted(changed) if now[slot]}, first, only_changes=True)

    def _body(self, account: Account, words: dict[int, int], first: Account, *, only_changes: bool = False) -> _Body:
        self._budget.take(ACCOUNT_BYTES + SLOT_BYTES * len(words))
        body: _Body = {}
        if not only_changes or account.balance != first.balance:
            body["balance"] = hex(account.balance)
        if account.nonce and (not only_changes or account.nonce != first.nonce):
            body["nonce"] = account.nonce
        has_code = account.code_hash != EMPTY_CODE_HASH
        if has_code and not self._config.disable_code and (not only_changes or account.code_hash != first.code_hash):
            code = self._accounts.code_of(account.code_hash)
            self._budget.take(2 * len(code))
            body["code"] = "0x" + code.hex()
        if words and not self._config.disable_storage:
            body["storage"] = {f"0x{slot:064x}": f"0x{word:064x}" for slot, word in words.items()}
        return body

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        return _encode(self._result)
