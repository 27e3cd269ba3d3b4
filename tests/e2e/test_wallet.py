"""What a wallet does, with web3.py against four real processes, on each shard."""

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import Web3RPCError

from node.cluster.accounts import TEST_ACCOUNTS
from tests.e2e.network import NetworkUnderTest

# stores its first argument at slot 0, and logs it with the topic 0x07: calldataload(0) dup1 sstore(0) mstore(0) log1(0, 32, 7)
RUNTIME = bytes.fromhex("5f35805f555f52600760205fa100")
CODE = bytes.fromhex(f"60{len(RUNTIME):02x}8060095f395ff3") + RUNTIME
"""Copies the runtime code behind its own nine bytes into memory, and returns it."""


@pytest.mark.parametrize("shard", [0, 1])
def test_transfer_deployment_call_log_and_receipt(network: NetworkUnderTest, shard: int) -> None:
    web3 = Web3(Web3.HTTPProvider(network.options.url(1, shard)))
    alice = Account.from_key(TEST_ACCOUNTS[2].key)
    bob = Account.create()
    nonce = web3.eth.get_transaction_count(alice.address)
    assert web3.eth.chain_id == network.options.chain_id_base + shard

    def send(**fields: object):
        nonlocal nonce
        transaction = {"chainId": web3.eth.chain_id, "nonce": nonce, "gas": 200_000, "value": 0, **fields}
        nonce += 1
        signed = alice.sign_transaction(transaction)
        return web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction), timeout=60, poll_latency=0.1)

    legacy = send(to=bob.address, value=7, gasPrice=web3.eth.gas_price * 2, gas=21_000)
    assert (legacy.status, legacy.gasUsed, legacy.type) == (1, 21_000, 0)
    fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
    modern = send(to=bob.address, value=8, gas=21_000, **fees)
    assert (modern.status, modern.type) == (1, 2)
    assert web3.eth.get_balance(bob.address) == 15

    deployed = send(data=CODE, **fees)
    assert deployed.status == 1
    assert bytes(web3.eth.get_code(deployed.contractAddress)) == RUNTIME
    argument = (42).to_bytes(32, "big")
    called = send(to=deployed.contractAddress, data=argument, **fees)
    assert called.status == 1
    (log,) = called.logs
    assert (log.address, bytes(log.data), int(log.topics[0].hex(), 16)) == (deployed.contractAddress, argument, 7)
    assert web3.eth.get_logs({"address": deployed.contractAddress, "fromBlock": deployed.blockNumber}) == [log]
    assert int.from_bytes(web3.eth.get_storage_at(deployed.contractAddress, 0), "big") == 42
    assert web3.eth.call({"to": deployed.contractAddress, "data": argument}) == b""
    assert web3.eth.get_transaction(called.transactionHash)["from"] == alice.address


def test_a_transaction_for_another_shard_is_refused_with_the_hint(network: NetworkUnderTest) -> None:
    carol = Account.from_key(TEST_ACCOUNTS[3].key)
    base = network.options.chain_id_base
    signed = carol.sign_transaction(
        {"chainId": base, "nonce": 0, "gas": 21_000, "to": carol.address, "value": 1, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1}
    )
    with pytest.raises(Web3RPCError, match=f"invalid chain id for signer: have {base} want {base + 1}.*shard 0"):
        Web3(Web3.HTTPProvider(network.options.url(0, 1))).eth.send_raw_transaction(signed.raw_transaction)
