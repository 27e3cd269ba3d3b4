"""A transaction's way: built, signed, sent, and followed to where its sender wants to see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from node.cluster.client import Client
from primitives.errors import UserError

POLL_SECONDS = 0.1
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
        receipt = self._await(f"in no block of {where}", lambda: self._ask("eth_getTransactionReceipt", transaction_hash))
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
        where = f"shard {self._wanted.to_shard}"

        def ask(step: str) -> Any:
            life = self._client.call("shard_getCrossShardTransaction", transaction_hash)
            return life["receipts"][0][step] if life is not None and life["receipts"] else None

        crosslink = self._await("not in a final beacon block", lambda: ask("crosslink"))
        beacon = int(crosslink["block"]["number"], 16)
        yield Step("crosslinked", f"crosslinked by beacon block {beacon}", {"beacon_block": beacon, "root": crosslink["block"]["hash"]})
        delivery = self._await(f"not credited on {where}", lambda: ask("delivery"))
        block, delivered = int(delivery["block"]["number"], 16), delivery["transactionHash"]
        details = {"shard": self._wanted.to_shard, "block": block, "block_hash": delivery["block"]["hash"], "hash": delivered}
        if delivery["status"] != "0x1":
            raise NotDone(f"the credit failed in block {block} of {where} ({delivered})")
        yield Step("credited", f"credited on {where} in block {block}: {delivered}", details)
        self._await(f"not final on {where}", lambda: (ask("delivery") or {}).get("finalized") or None)
        yield Step("finalized", f"block {block} of {where} is recorded in a final beacon block", {"block": block})

    def _check_shards(self) -> None:
        network = self._client.call("shard_getNetwork")
        count = int(network["shardCount"], 16)
        for option, shard in (("--shard", self._wanted.shard), ("--to-shard", self._wanted.to_shard)):
            if shard >= count:
                raise UserError(f"{option}: there is no shard {shard}, this network has shards 0 to {count - 1}")

    def _send(self) -> tuple[str, int]:
        wanted = self._wanted
        if wanted.key is None:
            grant = self._client.call("dev_faucet", wanted.to, hex(wanted.shard))
            return str(grant["transactionHash"]), int(grant["nonce"], 16)
        from eth_account import Account

        account = Account.from_key(wanted.key)
        to, data = bytes.fromhex(wanted.to[2:]), wanted.data
        if wanted.to_shard != wanted.shard:
            from shard.contracts import OUTBOX_CONTRACT

            to, data = OUTBOX_CONTRACT.address, OUTBOX_CONTRACT.encode_call("transfer", wanted.to_shard, wanted.to)
        call = {"from": account.address, "to": "0x" + to.hex(), "value": hex(wanted.value), "data": "0x" + data.hex()}
        chain_id, nonce, gas, block = self._client.batch(
            [
                ("eth_chainId", ()),
                ("eth_getTransactionCount", (account.address, "pending")),
                ("eth_estimateGas", (call,)),
                ("eth_getBlockByNumber", ("latest", False)),
            ],
            self._path,
        )
        signed = account.sign_transaction(
            {
                "chainId": int(chain_id, 16),
                "nonce": int(nonce, 16),
                "to": to,
                "value": wanted.value,
                "data": data,
                "gas": int(gas, 16),
                "maxFeePerGas": BASE_FEE_MULTIPLE * int(block["baseFeePerGas"], 16) + TIP_WEI,
                "maxPriorityFeePerGas": TIP_WEI,
            }
        )
        return str(self._ask("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex().removeprefix("0x"))), int(nonce, 16)

    @property
    def _path(self) -> str:
        return f"/shard/{self._wanted.shard}"

    def _ask(self, method: str, *arguments: object) -> Any:
        return self._client.batch([(method, arguments)], self._path)[0]

    def _await_tag(self, tag: str, number: int) -> None:
        def is_there() -> bool | None:
            entry = self._client.call("shard_getNetwork")["shards"][self._wanted.shard][tag]
            return True if entry is not None and int(entry["number"], 16) >= number else None

        self._await(f"not {tag}", is_there)

    def _await(self, lack: str, ask: Any) -> Any:
        while (answer := ask()) is None:
            if time.monotonic() > self._deadline:
                raise NotDone(f"the transaction is {lack} after {self._seconds_max:g} s: shardnet status shows whether the chains grow")
            time.sleep(POLL_SECONDS)
        return answer
