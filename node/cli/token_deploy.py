"""Deploying a contract at one address of every shard: a key made for it alone, whose first transaction on each creates it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from node.cli.journey import BASE_FEE_MULTIPLE, POLL_SECONDS, TIP_WEI, Journey, NotDone, Step, Wanted
from node.cluster.client import Client

FUNDS_MULTIPLE = 2
"""Of what the creation may cost: the base fee may grow until the key is paid."""


def deploy_everywhere(client: Client, payer: str, data: bytes, shards: int, seconds_max: float) -> Iterator[Step]:
    """Each step when it has happened; the steps named `deployed` tell shard, address and block.

    Raises:
        NotDone: it failed, or took too long on one shard.
        CallRefused, Unreachable: as the client does.
    """
    from eth_account import Account

    deployer = Account.create()
    for shard in range(shards):
        deadline = time.monotonic() + seconds_max
        creation = {"from": deployer.address, "data": "0x" + data.hex()}
        gas, max_fee = _price(client, shard, creation)
        funds = Wanted(payer, deployer.address.lower(), gas * max_fee * FUNDS_MULTIPLE, shard, shard, b"", "included")
        for _ in Journey(client, funds, seconds_max).steps():
            pass
        yield Step("paid", f"the deployer {deployer.address} is paid on shard {shard}", {"shard": shard, "deployer": deployer.address})
        gas, max_fee = _price(client, shard, creation)
        chain_id = int(client.batch([("eth_chainId", ())], f"/shard/{shard}")[0], 16)
        signed = deployer.sign_transaction({
            "chainId": chain_id, "nonce": 0, "value": 0, "gas": gas, "data": data, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": TIP_WEI,
        })  # fmt: skip
        raw = "0x" + signed.raw_transaction.hex().removeprefix("0x")
        name = str(client.batch([("eth_sendRawTransaction", (raw,))], f"/shard/{shard}")[0])
        receipt = _await_receipt(client, shard, name, deadline)
        if receipt["status"] != "0x1":
            raise NotDone(f"{name} failed on shard {shard}: begin again, which makes another address")
        block, address = int(receipt["blockNumber"], 16), str(receipt["contractAddress"])
        told = f"deployed on shard {shard} in block {block}: {address}"
        yield Step("deployed", told, {"shard": shard, "block": block, "address": address, "hash": name})


def _price(client: Client, shard: int, creation: dict[str, str]) -> tuple[int, int]:
    """Gas limit, and wei a gas at most."""
    gas, block = client.batch([("eth_estimateGas", (creation,)), ("eth_getBlockByNumber", ("latest", False))], f"/shard/{shard}")
    return int(gas, 16), BASE_FEE_MULTIPLE * int(block["baseFeePerGas"], 16) + TIP_WEI


def _await_receipt(client: Client, shard: int, name: str, deadline: float) -> Any:
    while (receipt := client.batch([("eth_getTransactionReceipt", (name,))], f"/shard/{shard}")[0]) is None:
        if time.monotonic() > deadline:
            raise NotDone(f"{name} is in no block of shard {shard} in time: begin again when its blocks grow; {client.place.growth}")
        time.sleep(POLL_SECONDS)
    return receipt
