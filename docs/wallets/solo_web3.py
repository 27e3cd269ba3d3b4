"""python solo_web3.py [RPC of shard 0] [RPC of shard 1]: what a test does on a network of one's own."""

import sys

from eth_account import Account
from web3 import Web3
from web3.types import RPCEndpoint

urls = [*sys.argv[1:], "http://127.0.0.1:8545", "http://127.0.0.1:8546"][:2]
here, there = (Web3(Web3.HTTPProvider(url)) for url in urls)
SAFE = Web3.to_checksum_address("0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe")
BOB = Account.create().address


def dev(w3: Web3, method: str, *arguments: object) -> object:
    """Gives a developer's order."""
    answer = w3.provider.make_request(RPCEndpoint(method), list(arguments))
    if "error" in answer:
        raise SystemExit(f"{method}: {answer['error']['message']}")
    return answer["result"]


dev(here, "anvil_setBalance", SAFE, hex(Web3.to_wei(5, "ether")))
dev(here, "anvil_setCode", SAFE, "0x602a5f5260205ff3")
dev(here, "anvil_impersonateAccount", SAFE)
print("accounts:", SAFE in here.eth.accounts, "answer:", int.from_bytes(here.eth.call({"to": SAFE}), "big"))

call = dev(here, "shard_buildTransfer", "0x0", "0x1", BOB, hex(Web3.to_wei(1, "ether")))
assert isinstance(call, dict)
outbox = Web3.to_checksum_address(call["to"])
sent = here.eth.send_transaction({"from": SAFE, "to": outbox, "data": call["data"], "value": int(call["value"], 16)})
here.eth.wait_for_transaction_receipt(sent)
moment = dev(here, "evm_snapshot")
print("left shard 0:", here.eth.get_balance(SAFE) < Web3.to_wei(4, "ether"))

for time in range(2):
    while there.eth.get_balance(BOB) == 0:
        dev(there, "evm_mine")
    print("arrived on shard 1:", Web3.from_wei(there.eth.get_balance(BOB), "ether"))
    if time == 0:
        print("went back:", dev(here, "evm_revert", moment))

before = here.eth.get_block("latest")["timestamp"]
dev(here, "evm_increaseTime", 86_400)
dev(here, "evm_mine")
print("a day passed:", here.eth.get_block("latest")["timestamp"] - before >= 86_400)
