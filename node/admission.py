"""How a user transaction reaches the pool: decoded, checked, its sender recovered and looked up, then handed to the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from node.core.core import AccountAt, Core
from node.core.effects import Admit, Effect, Now
from node.core.shard_chain import ShardChain
from node.executors.executor import Executor
from node.head_reads import read_at_head
from node.impersonated import Impersonated
from node.rpc.backend import PooledTransaction
from primitives.errors import Busy, Fault, InvalidTransaction, Reason, TransactionReason, Unavailable
from primitives.hashing import keccak256
from primitives.types import Address
from shard.transactions import Transaction, check_against_account, check_stateless, decode_transaction, recover_sender
from shard.views import AccountView, small

GOSSIPED_WAITING_MAX = 8192
"""Gossiped transactions of one shard that wait to be checked; more are dropped and counted."""
ACCOUNTS_CACHED_MAX = 16_384
"""Senders of one shard whose account at `latest` is remembered until the head moves."""
_EMPTY_CODE = keccak256(b"")
_DELEGATION = b"\xef\x01\x00"


class Admission:
    """Checks transactions outside the core's loop, one shard's gossip in order."""

    def __init__(
        self,
        core: Core,
        links: Mapping[int, Executor],
        now: Callable[[], Now],
        perform: Callable[[list[Effect]], None],
        observe: Callable[[str, Mapping[str, str], float], None],
        penalize: Callable[[str, Reason], None],
        pooled: Callable[[int, bytes, PooledTransaction], None],
        impersonated: Impersonated | None = None,
    ) -> None:
        """`impersonated` are the accounts whose transactions need no signature, where genesis grants such controls."""
        self._impersonated = impersonated or Impersonated()
        self._core, self._links, self._now, self._perform, self._observe, self._penalize = core, links, now, perform, observe, penalize
        self._pooled = pooled
        self._accounts: dict[int, tuple[bytes, dict[bytes, tuple[AccountView, bool]]]] = {}
        self._queues = {shard: trio.open_memory_channel[tuple[str | None, bytes]](GOSSIPED_WAITING_MAX) for shard in links}

    async def submit(self, shard: int, raw: bytes, *, is_local: bool = True) -> bytes:
        """Takes a transaction into a shard's pool; its hash.

        Raises:
            InvalidTransaction: with the reason.
            Unavailable: the shard's executor cannot be asked now.
            Busy: head_reads_max: the final head moved each time the sender's account was read.
        """
        parameters = self._core.context.parameters
        transaction = decode_transaction(raw, impersonation=parameters.developer_controls)
        if self._core.shards[shard].pool.get(transaction.hash) is not None:
            raise InvalidTransaction(TransactionReason.ALREADY_KNOWN, "already known")
        check_stateless(
            transaction, chain_id=parameters.chain_id(shard), chain_id_base=parameters.chain_id_base,
            shard_count=parameters.shard_count, block_gas_limit=parameters.gas_limit,
        )
        sender = recover_sender(transaction)
        if transaction.is_impersonated and not (is_local and self._impersonated.may_send(sender, transaction.hash)):
            raise InvalidTransaction(TransactionReason.BAD_SIGNATURE, f"invalid sender: nobody impersonates 0x{sender.hex()} here")
        root, (account, has_code) = await read_at_head(lambda: self._core.shards[shard], lambda root: self._account(shard, root, sender))
        # from here to the pool nothing waits: the account is that of the head of now
        self._check(self._core.shards[shard], transaction, account, has_code and not transaction.is_impersonated)
        _, effects = self._core.submit(
            shard, transaction, sender, AccountAt(root, account.nonce, small(account.balance)), self._now(),
            is_local=is_local and not transaction.is_impersonated,
        )
        self._perform(effects)
        self._pooled(shard, transaction.hash, PooledTransaction(transaction.raw, sender))
        return transaction.hash

    def _check(self, chain: ShardChain, transaction: Transaction, account: AccountView, has_code: bool) -> None:
        outcome = chain.tree.head.outcome
        assert outcome is not None
        check_against_account(
            transaction, nonce=account.nonce, balance=small(account.balance), sender_has_code=has_code,
            base_fee=small(outcome.result.next_base_fee), allow_nonce_gap=True, allow_fee_below_base=True,
        )

    async def _account(self, shard: int, root: bytes, sender: Address) -> tuple[AccountView, bool] | None:
        """The account at a block, and whether it has code that keeps it from sending; None where the executor does not know the block."""
        cached_at, cached = self._accounts.get(shard, (b"", {}))
        if cached_at != root or len(cached) >= ACCOUNTS_CACHED_MAX:
            cached = {}
            self._accounts[shard] = (root, cached)
        if sender not in cached:
            link = self._links[shard]
            account = await link.account(root, sender)
            if account is None:
                return None
            has_code = False
            if account.code_hash != _EMPTY_CODE:
                code = await link.code(root, sender)
                has_code = code is not None and code[:3] != _DELEGATION
            cached[sender] = (account, has_code)
        return cached[sender]

    def enqueue(self, admit: Admit) -> None:
        """Gossiped transactions; what finds no room is dropped and counted."""
        send, _ = self._queues[admit.shard]
        for raw in admit.transactions:
            try:
                send.send_nowait((admit.peer, raw))
            except trio.WouldBlock:
                self._observe("limit_hits", {"limit": "gossiped_transactions_max"}, 1)
                return

    async def run(self, shard: int) -> None:
        """Checks one shard's gossiped transactions until cancelled."""
        _, receive = self._queues[shard]
        async for peer, raw in receive:
            try:
                await self.submit(shard, raw, is_local=False)
            except InvalidTransaction as error:
                if error.fault is Fault.PEER and peer is not None:
                    self._penalize(peer, error.reason)
            except Unavailable as error:
                self._observe("limit_hits", {"limit": error.limit if isinstance(error, Busy) else "executor_unavailable"}, 1)
            # a long run of answers from the cache must not keep others waiting
            await trio.lowlevel.checkpoint()
