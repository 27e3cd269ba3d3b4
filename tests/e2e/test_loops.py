"""Endless loops with the whole block gas limit, as transactions and as calls, on both shards: nobody else notices."""

import threading
from collections.abc import Callable

from eth_account import Account

from node.cluster.accounts import TEST_ACCOUNTS
from tests.e2e.network import NetworkUnderTest, RpcError

LOOP_CODE = bytes.fromhex("6004600c60003960046000f3" + "5b5f56fe")
SENDERS, CALLERS = 20, 25
"""Callers of each shard: fifty in all."""


class Wallet:
    """Signs for one shard."""

    def __init__(self, network: NetworkUnderTest, shard: int) -> None:
        self.network, self.shard = network, shard

    def send(self, key: object, nonce: int, *, to: str | None, value: int = 0, data: bytes = b"", gas: int = 21_000, tip: int = 10**9) -> str:
        fields = {
            "chainId": self.network.options.chain_id_base + self.shard, "nonce": nonce, "gas": gas, "value": value, "data": data,
            "maxFeePerGas": 10**11, "maxPriorityFeePerGas": tip,
        }
        if to is not None:
            fields["to"] = bytes.fromhex(to[2:])
        raw = Account.sign_transaction(fields, key).raw_transaction
        return self.network.rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex(), shard=self.shard)


def fund(wallet: Wallet, senders: list[object]) -> str:
    """Deploys the loop and funds the senders; the loop's address."""
    key = TEST_ACCOUNTS[5].key
    deployed = wallet.send(key, 0, to=None, data=LOOP_CODE, gas=200_000)
    for nonce, sender in enumerate(senders, 1):
        last = wallet.send(key, nonce, to=sender.address, value=10**19)
    wallet.network.receipt(last, wallet.shard)
    return wallet.network.receipt(deployed, wallet.shard)["contractAddress"]


def test_endless_loops_stop_no_chain_and_no_transfer(make_network: Callable[..., NetworkUnderTest]) -> None:
    network = make_network()
    network.start()
    network.wait_ready()
    wallets = [Wallet(network, shard) for shard in range(2)]
    senders = [Account.create() for _ in range(SENDERS)]
    loops = [fund(wallet, senders) for wallet in wallets]
    gas = network.options.gas_limit
    done = threading.Event()

    def call(shard: int) -> None:
        while not done.is_set():
            try:
                network.rpc("eth_call", {"to": loops[shard], "gas": hex(gas)}, "latest", shard=shard)
            except RpcError as error:
                assert error.code in (-32002, -32005), error

    callers = [threading.Thread(target=call, args=(shard,), daemon=True) for shard in range(2) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        for wallet, loop in zip(wallets, loops, strict=True):
            for sender in senders:
                wallet.send(sender.key, 0, to=loop, gas=gas, tip=5 * 10**9)
        finalized: dict[int, int] = {}
        worst = 0
        for nonce in range(6):
            for wallet in wallets:
                sent = wallet.send(TEST_ACCOUNTS[6].key, nonce, to=TEST_ACCOUNTS[7].address, value=1)
                assert network.receipt(sent, wallet.shard)["status"] == "0x1"
            for chain, height in network.heights().items():
                view = int(network.metric("shardnet_view", chain=str(chain)))
                if height > finalized.get(chain, (-1, 0))[0]:
                    finalized[chain] = (height, view)
                worst = max(worst, view - finalized[chain][1])
        assert worst <= 5
    finally:
        done.set()
        for caller in callers:
            caller.join(60)
    network.wait_growth(0, by=1)
