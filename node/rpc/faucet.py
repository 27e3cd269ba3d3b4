"""The faucet of a devnet: real transactions of a well-known account, through the ordinary pool (docs/json-rpc.md, dev_faucet)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import trio
from coincurve import PrivateKey

from node.cluster.accounts import COIN, FAUCET_ACCOUNT
from node.rpc.backend import RpcObserver, ShardBackend
from node.rpc.errors import BUSY, SERVER, RpcError
from node.rpc.limits import (
    FAUCET_GRANTS_MAX,
    FAUCET_GRANTS_PER_ADDRESS_MAX,
    FAUCET_NONCE_TRIES_MAX,
    FAUCET_WINDOW_SECONDS,
    ITEMS_PER_TURN,
)
from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from shard.pool import PoolLimits
from shard.transactions import Transaction, read_transaction
from shard.transactions.rlp import encode_list, encode_number, encode_text
from shard.views import small

GRANT_WEI = 100 * COIN
"""What one call gives."""
TIP_WEI = 10**9
"""Wei a gas offered to the proposer."""
_BASE_FEE_MULTIPLE = 2
_TRANSFER_GAS = 21_000
_CONTRACT_GAS = 100_000
"""For an account with code, which runs when it is paid."""
_ADDRESS = bytes.fromhex(FAUCET_ACCOUNT.address[2:])
_NONCE_TAKEN = (TransactionReason.NONCE_TOO_LOW, TransactionReason.REPLACEMENT_UNDERPRICED, TransactionReason.ALREADY_KNOWN)


@dataclass(frozen=True, slots=True)
class Grant:
    """Coins on their way: in the pool, in no block yet."""

    transaction_hash: bytes
    nonce: int


@dataclass(slots=True)
class Faucet:
    """One for a node, whatever address asks it."""

    observe: RpcObserver
    _given: deque[tuple[float, bytes]] = field(default_factory=deque)
    """Time and address of the grants within the window, oldest first; at most `FAUCET_GRANTS_MAX`."""
    _locks: dict[int, trio.Lock] = field(default_factory=dict)
    """By chain id: one grant at a time reads the next nonce and takes it."""

    async def give(self, shard: ShardBackend, chain_id: int, address: bytes) -> Grant:
        """Sends `GRANT_WEI` to an address of a shard.

        Raises:
            RpcError: a rate limit, or the faucet's account is empty.
            InvalidTransaction: the pool refuses the transfer.
        """
        self._count(address)
        try:
            async with self._locks.setdefault(chain_id, trio.Lock()):
                return await self._send(shard, chain_id, address)
        except Exception:
            # Not of one whose asker has gone: it may have been given all the same.
            self._forget(address)
            raise

    async def _send(self, shard: ShardBackend, chain_id: int, address: bytes) -> Grant:
        account, code = await shard.account(_ADDRESS, "latest"), await shard.code(address, "latest")
        gas = _CONTRACT_GAS if code else _TRANSFER_GAS
        for left in reversed(range(FAUCET_NONCE_TRIES_MAX)):
            pending_nonce = await shard.pending_nonce(_ADDRESS)
            base_fee = shard.heads().next_base_fee
            stuck = await _stuck(shard, base_fee)
            nonce, tip = (pending_nonce, TIP_WEI) if stuck is None else (stuck.nonce, max(TIP_WEI, _raised(stuck.max_priority_fee_per_gas)))
            price = _BASE_FEE_MULTIPLE * base_fee + tip
            if account is None or small(account.balance) < GRANT_WEI + gas * price:
                raise RpcError(SERVER, f"the faucet is empty on this shard: send coins to {FAUCET_ACCOUNT.address}, or use a test account")
            try:
                return Grant(await shard.submit(_signed(chain_id, nonce, tip, price, gas, address)), nonce)
            except InvalidTransaction as error:
                # Somebody else sends from the same account; its key is public.
                if error.reason not in _NONCE_TAKEN or left == 0:
                    raise
        raise AssertionError("the last try returns or raises")

    def _count(self, address: bytes) -> None:
        now = trio.current_time()
        while self._given and self._given[0][0] <= now - FAUCET_WINDOW_SECONDS:
            self._given.popleft()
        if len(self._given) >= FAUCET_GRANTS_MAX:
            self.observe.limit_hit("faucet_grants_max")
            raise RpcError(BUSY, f"busy: the faucet gives {FAUCET_GRANTS_MAX} times in {FAUCET_WINDOW_SECONDS:g} s, try again later")
        if sum(given == address for _, given in self._given) >= FAUCET_GRANTS_PER_ADDRESS_MAX:
            self.observe.limit_hit("faucet_grants_per_address_max")
            limit = f"{FAUCET_GRANTS_PER_ADDRESS_MAX} times in {FAUCET_WINDOW_SECONDS:g} s"
            raise RpcError(BUSY, f"busy: the faucet gives an address {limit}, try again later")
        self._given.append((now, address))

    def _forget(self, address: bytes) -> None:
        """What was not given does not count."""
        for i in reversed(range(len(self._given))):
            if self._given[i][1] == address:
                del self._given[i]
                return


async def _stuck(shard: ShardBackend, base_fee: int) -> Transaction | None:
    """The account's first pooled transaction whose fee is too low for the next block, so that it keeps out all behind it."""
    waiting = shard.pool_content(_ADDRESS).pending.get(_ADDRESS, {})
    for i, nonce in enumerate(sorted(waiting)):
        if i % ITEMS_PER_TURN == ITEMS_PER_TURN - 1:
            await trio.lowlevel.checkpoint()
        transaction = read_transaction(waiting[nonce].raw)
        if transaction.max_fee_per_gas < base_fee:
            return transaction
    return None


def _raised(fee: int) -> int:
    """What the pool asks of a replacement."""
    return fee * (100 + PoolLimits().price_bump_percent) // 100 + 1


def _signed(chain_id: int, nonce: int, tip: int, price: int, gas: int, to: bytes) -> bytes:
    """A transfer of `GRANT_WEI` signed by the faucet's account (EIP-1559)."""
    numbers = (chain_id, nonce, tip, price, gas)
    fields = b"".join(encode_number(number) for number in numbers)
    fields += encode_text(to) + encode_number(GRANT_WEI) + encode_text(b"") + encode_list(b"")
    key = PrivateKey(bytes.fromhex(FAUCET_ACCOUNT.key[2:]))
    signature = key.sign_recoverable(keccak256(b"\x02" + encode_list(fields)), hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return b"\x02" + encode_list(fields + encode_number(signature[64]) + encode_number(r) + encode_number(s))
