"""A transaction's way: built, signed, sent, and followed to where its sender wants to see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from eth_utils import to_checksum_address

from node.cli import outbox
from node.cli.options import show_coins
from node.cli.pooled import explain_wait, outbid
from node.cluster.client import CallRefused, Client
from primitives.errors import InvalidConfig, UserError

POLL_SECONDS = 0.1
WITH_CALLBACK, RESULT = "0x3", "0x4"
"""Kinds of messages."""
TIP_WEI = 10**9
"""Wei a gas offered to the proposer."""
BASE_FEE_MULTIPLE = 2
"""Of the newest base fee: what a transaction offers at most, which lasts for five full blocks."""


class NotDone(UserError):
    """The transaction did not get where it should."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to send."""

    key: str | None
    """Of the sender; None: the node's faucet gives."""
    to: str
    value: int
    """Wei."""
    shard: int
    to_shard: int
    data: bytes
    wait: str
    """`included`, `safe` or `finalized`."""
    call: outbox.Call | None = None
    """On another shard, unless only coins are sent there."""
    nonce: int | None = None
    """Of the transaction; None: the next one."""
    through: outbox.Ordinary | None = None
    """The transaction to a contract of the source that sends the message itself; None: it goes to Outbox, or to the receiver."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the transaction."""

    name: str
    sentence: str
    details: dict[str, object] = field(default_factory=dict)


class Journey:
    """One transaction from its signature to its end."""

    def __init__(self, client: Client, wanted: Wanted, seconds_max: float) -> None:
        self._client = client
        self._wanted = wanted
        self._deadline = time.monotonic() + seconds_max
        self._seconds_max = seconds_max
        self._sender: str | None = None

    def steps(self) -> Iterator[Step]:
        """Each step when it has happened.

        Raises:
            NotDone: it failed, or not all of it happened in time.
            CallRefused: the node refuses it.
            Unreachable: the node does not answer.
        """
        wanted = self._wanted
        self._check_shards()
        transaction_hash, nonce = self._send()
        where = f"shard {wanted.shard}"
        yield Step("sent", f"sent to {where}: {transaction_hash}", {"hash": transaction_hash, "shard": wanted.shard, "nonce": nonce})
        obstacle = self._explain_wait(nonce)
        if obstacle is not None:
            yield Step("waits", obstacle, {"reason": obstacle})
        receipt = self._await(
            f"in no block of {where}",
            lambda: self._ask("eth_getTransactionReceipt", transaction_hash),
            lambda: self._explain_wait(nonce),
        )
        number = int(receipt["blockNumber"], 16)
        details = {"block": number, "block_hash": receipt["blockHash"], "gas_used": int(receipt["gasUsed"], 16)}
        if receipt["status"] != "0x1":
            raise NotDone(f"{transaction_hash} is in block {number} of {where}, but failed there: its value was not moved, its gas is paid")
        yield Step("included", f"included in block {number} of {where}", details)
        if wanted.wait == "included":
            return
        self._await_tag("safe", number)
        yield Step("safe", f"block {number} of {where} is final by the shard's committee", {"block": number})
        if wanted.wait == "safe":
            return
        if wanted.shard == wanted.to_shard:
            self._await_tag("finalized", number)
            yield Step("finalized", f"block {number} of {where} is recorded in a final beacon block", {"block": number})
        else:
            yield from self._crossing(transaction_hash)

    def _crossing(self, transaction_hash: str) -> Iterator[Step]:
        life = yield from self._delivery(transaction_hash, self._wanted.to_shard)
        if life["delivery"]["status"] != "0x1":
            yield from self._refund(life)
        delivered = life["delivery"]["transactionHash"]
        yield self._is_final(transaction_hash, delivered, self._wanted.to_shard)
        if life["kind"] == WITH_CALLBACK:
            told = yield from self._way_home(life)
            if told is None or told["delivery"]["status"] != "0x1":
                raise NotDone(f"the call succeeded on shard {self._wanted.to_shard}, but its callback failed on shard {self._wanted.shard}")

    def _delivery(self, name: str, shard: int) -> Generator[Step, None, dict[str, Any]]:
        """From a final block of the source to the delivery of what `name`, a transaction or receipt, sent to `shard`; its life."""
        where = f"shard {shard}"
        link = self._await("not in a final beacon block", lambda: self._life(name, "crosslink"))["crosslink"]
        beacon, final = link["block"], link.get("final")
        number = int(beacon["number"], 16)
        details: dict[str, object] = {"beacon_block": number, "root": beacon["hash"]}
        details |= {"time_ms": int(final["timestampMs"], 16)} if final else {}
        yield Step("crosslinked", f"crosslinked by beacon block {number}", details)
        goes_on = self._client.place.command("status")

        def explain() -> str:
            return f"the message goes on without this command, and {goes_on} shows whether receipts lack on their way to {where}"

        lack = f"not delivered on {where}"
        life: dict[str, Any] = self._await(lack, lambda: self._life(name, "bundle") or self._life(name, "delivery"), explain)
        if life.get("bundle") is not None:
            at: dict[str, object] = {"shard": shard, "time_ms": int(life["bundle"]["timestampMs"], 16)}
            yield Step("received", f"received where {where} runs, and proven", at)
        life = self._await(lack, lambda: self._life(name, "delivery"), explain)
        block, delivered = life["delivery"]["block"], life["delivery"]["transactionHash"]
        number = int(block["number"], 16)
        details = {"shard": shard, "block": number, "block_hash": block["hash"], "hash": delivered}
        if life["kind"] == "0x0":
            yield Step("credited", f"credited on {where} in block {number}: {delivered}", details)
            return life
        receipt = self._client.batch([("eth_getTransactionReceipt", (delivered,))], f"/shard/{shard}")[0]
        gas, price = int(receipt["gasUsed"], 16), int(receipt["effectiveGasPrice"], 16)
        details |= {"gas_used": gas, "gas_price": price}
        called, failed = ("callback", "callback failed") if life["kind"] == RESULT else ("called", "failed")
        has_succeeded = life["delivery"]["status"] == "0x1"
        what = f"the {'callback' if life['kind'] == RESULT else 'call'} {'succeeded' if has_succeeded else 'failed'}"
        told = f"{what} on {where} in block {number}, {gas} gas for {show_coins(gas * price)} coins: {delivered}"
        yield Step(called if has_succeeded else failed, told, details)
        return life

    def _refund(self, life: dict[str, Any]) -> Iterator[Step]:
        """Follows what a failed call brings back, and says at the end that it failed.

        Raises:
            NotDone: always.
        """
        source, there = self._wanted.shard, f"shard {self._wanted.to_shard}"
        refund = yield from self._way_home(life)
        if refund is None:
            raise NotDone(f"the call failed on {there}: it had no value, and its whole fee was used up")
        coins, to = show_coins(int(refund["amount"], 16)), refund["refundTo" if refund["kind"] == RESULT else "to"]
        raise NotDone(f"the call failed on {there}: {coins} coins returned to {to_checksum_address(to)} on shard {source}")

    def _way_home(self, life: dict[str, Any]) -> Generator[Step, None, dict[str, Any] | None]:
        """Follows what a delivered call sent home; its life, or None where it sent nothing."""
        from shard.contracts import OUTBOX, OUTBOX_CONTRACT

        path = f"/shard/{self._wanted.to_shard}"
        receipt = self._client.batch([("eth_getTransactionReceipt", (life["delivery"]["transactionHash"],))], path)[0]
        sent = "0x" + OUTBOX_CONTRACT.topics["Sent"].hex()
        ids = [log["topics"][1] for log in receipt["logs"] if log["address"] == "0x" + OUTBOX.hex() and log["topics"][0] == sent]
        if not ids:
            return None
        # What the network itself sends is the last of all.
        home = yield from self._delivery(ids[-1], self._wanted.shard)
        yield self._is_final(ids[-1], home["delivery"]["transactionHash"], self._wanted.shard)
        return home

    def _is_final(self, name: str, delivered: str, shard: int) -> Step:
        def ask() -> Any:
            life = self._life(name, "delivery")
            return life if life is not None and life["delivery"]["finalized"] else None

        block = int(self._await(f"not final on shard {shard}", ask)["delivery"]["block"]["number"], 16)
        told = f"block {block} of shard {shard} is recorded in a final beacon block"
        return Step("finalized", told, {"block": block, "hash": delivered})

    def _life(self, name: str, step: str) -> Any:
        """The life of what `name` sent, once it has come to `step`."""
        told = self._client.call("shard_getCrossShardTransaction", name)
        receipt = told["receipts"][0] if told is not None and told["receipts"] else None
        return receipt if receipt is not None and receipt.get(step) is not None else None

    def _check_shards(self) -> None:
        network = self._client.call("shard_getNetwork")
        count = int(network["shardCount"], 16)
        for option, shard in (("--shard", self._wanted.shard), ("--to-shard", self._wanted.to_shard)):
            if shard >= count:
                raise InvalidConfig(option, f"there is no shard {shard}, this network has shards 0 to {count - 1}")

    def _send(self) -> tuple[str, int]:
        wanted = self._wanted
        if wanted.key is None:
            grant = self._client.call("dev_faucet", wanted.to, hex(wanted.shard))
            return str(grant["transactionHash"]), int(grant["nonce"], 16)
        from eth_account import Account

        account = Account.from_key(wanted.key)
        self._sender = str(account.address)
        plain = self._transaction()
        balance = int(self._ask("eth_getBalance", account.address, "latest"), 16)
        self._require_funds(account.address, balance, plain.value)
        call = {"from": account.address, "to": "0x" + plain.to.hex(), "value": hex(plain.value), "data": "0x" + plain.data.hex()}
        chain_id, count, gas, block = self._estimate(account.address, call)
        nonce = int(count, 16) if wanted.nonce is None else wanted.nonce
        max_fee, tip = BASE_FEE_MULTIPLE * int(block["baseFeePerGas"], 16) + TIP_WEI, TIP_WEI
        if wanted.nonce is not None:
            max_fee, tip = outbid(self._client, self._path, account.address, nonce, max_fee, tip)
        self._require_funds(account.address, balance, plain.value + int(gas, 16) * max_fee)
        signed = account.sign_transaction(
            {
                "chainId": int(chain_id, 16),
                "nonce": nonce,
                "to": plain.to,
                "value": plain.value,
                "data": plain.data,
                "gas": int(gas, 16),
                "maxFeePerGas": max_fee,
                "maxPriorityFeePerGas": tip,
            }
        )
        return str(self._ask("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex().removeprefix("0x"))), nonce

    def _estimate(self, sender: str, call: dict[str, str]) -> list[Any]:
        """Chain id, next nonce, gas and newest block.

        Raises:
            NotDone: the receiver would not take it.
        """
        calls: list[tuple[str, tuple[object, ...]]] = [
            ("eth_chainId", ()),
            ("eth_getTransactionCount", (sender, "pending")),
            ("eth_estimateGas", (call,)),
            ("eth_getBlockByNumber", ("latest", False)),
        ]
        try:
            return self._client.batch(calls, self._path)
        except CallRefused as error:
            if error.method != "eth_estimateGas":
                raise
            wanted = self._wanted
            target = wanted.to if wanted.through is not None or wanted.to_shard == wanted.shard else "the Outbox contract"
            refusal = f"{target} on shard {wanted.shard} does not take this, nothing was sent ({error.message})"
            raise NotDone(f"{refusal}: {self._advise()}") from error

    def _advise(self) -> str:
        """What to do about a receiver that does not take what it is sent."""
        from shard.contracts import OUTBOX

        if self._wanted.shard != self._wanted.to_shard:
            return f"try again later; {self._client.place.growth}"
        if self._wanted.to == "0x" + OUTBOX.hex():
            return "to send coins to another shard, name their receiver with --to and the shard with --to-shard"
        return "it is a contract, say with --data what it is to do, and send coins only where it takes them"

    def _explain_wait(self, nonce: int) -> str | None:
        return None if self._sender is None else explain_wait(self._client, self._wanted.shard, self._sender, nonce)

    def _require_funds(self, address: str, balance: int, cost: int) -> None:
        if cost > balance:
            shard = self._wanted.shard
            raise UserError(
                f"account {address} has {show_coins(balance)} coins on shard {shard} and needs at least {show_coins(cost)}: "
                f"send less, or get more with {self._client.place.command(f'faucet {address} --shard {shard}')}"
            )

    def _transaction(self) -> outbox.Ordinary:
        wanted = self._wanted
        if wanted.through is not None:
            return wanted.through
        if wanted.to_shard == wanted.shard:
            return outbox.Ordinary(bytes.fromhex(wanted.to[2:]), wanted.value, wanted.data)
        if wanted.call is None:
            return outbox.transfer(wanted.to_shard, wanted.to, wanted.value)
        return outbox.call(self._client, self._path, wanted.to_shard, wanted.to, wanted.value, wanted.call)

    @property
    def _path(self) -> str:
        return f"/shard/{self._wanted.shard}"

    def _ask(self, method: str, *arguments: object) -> Any:
        return self._client.batch([(method, arguments)], self._path)[0]

    def _await_tag(self, tag: str, number: int) -> None:
        def is_there() -> bool | None:
            block = self._ask("eth_getBlockByNumber", tag, False)
            return True if int(block["number"], 16) >= number else None

        self._await(f"not {tag}", is_there)

    def _await(self, lack: str, ask: Callable[[], Any], explain: Callable[[], str | None] = lambda: None) -> Any:
        while (answer := ask()) is None:
            if time.monotonic() > self._deadline:
                reason = explain() or self._client.place.growth
                raise NotDone(f"the transaction is {lack} after {self._seconds_max:g} s: {reason}")
            time.sleep(POLL_SECONDS)
        return answer
