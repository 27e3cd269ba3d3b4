"""python web3_transfer.py [RPC of shard 0] [RPC of shard 1]."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider

urls = [*sys.argv[1:], "http://127.0.0.1:8545", "http://127.0.0.1:8546"][:2]
shards = [Web3(Web3.HTTPProvider(url)) for url in urls]
Account.enable_unaudited_hdwallet_features()
alice = Account.from_mnemonic("test test test test test test test test test test test junk", account_path="m/44'/60'/0'/0/2")
store = json.loads(Path(__file__).with_name("store.json").read_text())
OUTBOX_ABI = [
    {"type": "function", "name": "transfer", "stateMutability": "payable", "outputs": [],
     "inputs": [{"name": "shard", "type": "uint32"}, {"name": "to", "type": "address"}]},
]  # fmt: skip


def send(transaction: dict[str, Any]) -> Any:
    """Fills in, signs and sends a transaction on shard 0; its receipt."""
    eth = shards[0].eth
    filled = {"from": alice.address, "nonce": eth.get_transaction_count(alice.address, "pending"), "chainId": eth.chain_id} | transaction
    if "gas" not in filled:
        tip = eth.max_priority_fee
        fees = {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * eth.get_block("latest")["baseFeePerGas"] + tip}
        filled |= {"gas": eth.estimate_gas(filled)} | fees
    signed = alice.sign_transaction(filled)
    return eth.wait_for_transaction_receipt(eth.send_raw_transaction(signed.raw_transaction))


async def hear(address: str) -> Any:
    """Stores a number, and hears of it over WebSocket."""
    async with AsyncWeb3(WebSocketProvider(urls[0].replace("http", "ws"))) as live:
        await live.eth.subscribe("logs", {"address": address})
        await asyncio.to_thread(send, contract(address).functions.set(42).build_transaction({"from": alice.address}))
        async for message in live.socket.process_subscriptions():
            return contract(address).events.Stored().process_log(message["result"])["args"]["value"]


def contract(address: str) -> Any:
    """The deployed contract."""
    return shards[0].eth.contract(address, abi=store["abi"])


print("chain", shards[0].eth.chain_id, "of", alice.address, "holding coins:", shards[0].eth.get_balance(alice.address) > 0)

bob = Account.create().address
transfer = send({"to": bob, "value": Web3.to_wei("1.5", "ether")})
print("transfer: status", transfer["status"], "bob has", shards[0].eth.get_balance(bob), "wei")

created = send({"data": store["bytecode"]})["contractAddress"]
print("deployed: get() =", contract(created).functions.get().call())
print("heard: Stored", asyncio.run(hear(created)), "get() =", contract(created).functions.get().call())

outbox = shards[0].eth.contract("0x0000000000000000000000000000000000005A01", abi=OUTBOX_ABI)
sent = send(outbox.functions.transfer(1, bob).build_transaction({"from": alice.address, "value": Web3.to_wei("0.25", "ether")}))
while True:
    told = shards[0].provider.make_request("shard_getCrossShardTransaction", [sent["transactionHash"].to_0x_hex()])
    crossing = told["result"]["receipts"][0]
    if crossing["state"] == "delivered":
        break
    time.sleep(0.5)
print("crossing:", crossing["state"], "and bob has", shards[1].eth.get_balance(bob), "wei on shard 1")
