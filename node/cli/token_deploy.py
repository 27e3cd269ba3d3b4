"""Deploying a contract at one address of every shard: a key made for it alone, whose first transaction on each creates it.

The key follows from the payer's and from what is created, so that a deployment that was stopped goes on where it was when it is
ordered again, and what the key was paid is not lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from node.cli.journey import BASE_FEE_MULTIPLE, POLL_SECONDS, TIP_WEI, Journey, NotDone, Step, Wanted
from node.cluster.client import Client
from primitives.hashing import keccak256

FUNDS_MULTIPLE = 2
"""Of what the creation may cost: the base fee may grow until the key is paid."""
SAME_MAX = 64
"""Contracts of the same payer, code and arguments: each has a key of its own."""


def deploy_everywhere(client: Client, payer: str, data: bytes, shards: int, seconds_max: float) -> Iterator[Step]:
    """Each step when it has happened; the steps named `deployed` tell shard, address and block (none where it was there before).

    `payer` is a secret key, `data` the creation's code and arguments; `seconds_max` is for each shard.

    Raises:
        NotDone: it failed, or took too long on one shard.
        CallRefused, Unreachable: as the client does.
    """
    deployer, address, done = _deployer(client, payer, data, shards)
    for shard in range(shards):
        if shard in done:
            yield Step("deployed", f"is on shard {shard} already: {address}", {"shard": shard, "address": address})
            continue
        deadline = time.monotonic() + seconds_max
        if _quantity(client, shard, deployer.address, "eth_getTransactionCount", "pending"):
            _await_code(client, shard, address, deadline)
            yield Step("deployed", f"came to shard {shard} as it was ordered before: {address}", {"shard": shard, "address": address})
            continue
        creation = {"from": deployer.address, "data": "0x" + data.hex()}
        gas, max_fee = _price(client, shard, creation)
        if _quantity(client, shard, deployer.address, "eth_getBalance") < gas * max_fee:
            funds = Wanted(payer, deployer.address.lower(), gas * max_fee * FUNDS_MULTIPLE, shard, shard, b"", "included")
            for _ in Journey(client, funds, seconds_max).steps():
                pass
            told = f"the deployer {deployer.address} is paid on shard {shard}"
            yield Step("paid", told, {"shard": shard, "deployer": deployer.address})
            gas, max_fee = _price(client, shard, creation)
            deadline = time.monotonic() + seconds_max
        chain_id = int(client.batch([("eth_chainId", ())], f"/shard/{shard}")[0], 16)
        signed = deployer.sign_transaction({
            "chainId": chain_id, "nonce": 0, "value": 0, "gas": gas, "data": data, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": TIP_WEI,
        })  # fmt: skip
        raw = "0x" + signed.raw_transaction.hex().removeprefix("0x")
        name = str(client.batch([("eth_sendRawTransaction", (raw,))], f"/shard/{shard}")[0])
        receipt = _await_receipt(client, shard, name, deadline)
        if receipt["status"] != "0x1":
            raise NotDone(f"{name} failed on shard {shard}: begin again, which makes another address")
        block = int(receipt["blockNumber"], 16)
        told = f"deployed on shard {shard} in block {block}: {address}"
        yield Step("deployed", told, {"shard": shard, "block": block, "address": address, "hash": name})


def _deployer(client: Client, payer: str, data: bytes, shards: int) -> tuple[Any, str, set[int]]:
    """The first key whose contract is not on every shard yet, the contract's address, and the shards that have it.

    Raises:
        NotDone: there are `SAME_MAX` of them.
    """
    import rlp
    from eth_account import Account

    seed = keccak256(b"shardnet.deployer" + bytes.fromhex(payer.removeprefix("0x")) + data)
    for number in range(SAME_MAX):
        account = Account.from_key(keccak256(seed + number.to_bytes(4, "big")))
        address = "0x" + keccak256(rlp.encode([bytes.fromhex(account.address[2:]), 0]))[12:].hex()
        used = [shard for shard in range(shards) if _quantity(client, shard, account.address, "eth_getTransactionCount")]
        done = {shard for shard in used if _code(client, shard, address) != "0x"}
        # where its first transaction failed, nothing can come to this address any more
        if len(used) == len(done) < shards:
            return account, address, done
    raise NotDone(f"there are {SAME_MAX} contracts of this kind by this payer: name another supply, --name or --symbol")


def _quantity(client: Client, shard: int, address: str, method: str, block: str = "latest") -> int:
    return int(client.batch([(method, (address, block))], f"/shard/{shard}")[0], 16)


def _code(client: Client, shard: int, address: str) -> str:
    return str(client.batch([("eth_getCode", (address, "latest"))], f"/shard/{shard}")[0])


def _price(client: Client, shard: int, creation: dict[str, str]) -> tuple[int, int]:
    """Gas limit, and wei a gas at most."""
    gas, block = client.batch([("eth_estimateGas", (creation,)), ("eth_getBlockByNumber", ("latest", False))], f"/shard/{shard}")
    return int(gas, 16), BASE_FEE_MULTIPLE * int(block["baseFeePerGas"], 16) + TIP_WEI


def _await_code(client: Client, shard: int, address: str, deadline: float) -> None:
    while _code(client, shard, address) == "0x":
        if time.monotonic() > deadline:
            raise NotDone(f"{address} is not on shard {shard} in time: begin again when its blocks grow; {client.place.growth}")
        time.sleep(POLL_SECONDS)


def _await_receipt(client: Client, shard: int, name: str, deadline: float) -> Any:
    while (receipt := client.batch([("eth_getTransactionReceipt", (name,))], f"/shard/{shard}")[0]) is None:
        if time.monotonic() > deadline:
            raise NotDone(f"{name} is in no block of shard {shard} in time: begin again when its blocks grow; {client.place.growth}")
        time.sleep(POLL_SECONDS)
    return receipt
