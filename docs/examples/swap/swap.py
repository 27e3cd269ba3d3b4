"""A swap across two shards: the pool lives on shard 1, the trader on shard 0, and sends one transaction there.

    .venv/bin/python docs/examples/swap/swap.py                                 (starts a network of its own, and stops it)
    .venv/bin/python docs/examples/swap/swap.py --rpc http://127.0.0.1:8545     (uses one that runs; its test accounts pay)

Every figure is checked to the wei; the exit code is 0 only if all of them are right.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.types import TxReceipt

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MNEMONIC = "test test test test test test test test test test test junk"
OUTBOX, INBOX = "0x0000000000000000000000000000000000005a01", "0x0000000000000000000000000000000000005a02"
COIN = 10**18
GAS = 200_000
"""Gas limit of the swap on shard 1."""
DELIVERY_SECONDS_MAX = 120
POLL_SECONDS = 0.2


def artefact(path: Path) -> Any:
    """A compiled contract."""
    return json.loads(path.read_text())


class Shard:
    """One shard of the network, as web3.py sees it: a chain like any other."""

    def __init__(self, rpc: str, number: int) -> None:
        self.number = number
        self.web3 = Web3(Web3.HTTPProvider(f"{rpc.rstrip('/')}/shard/{number}"))
        system = ROOT / "shard" / "contracts"
        self.outbox = self.web3.eth.contract(Web3.to_checksum_address(OUTBOX), abi=artefact(system / "outbox.json")["abi"])
        self.inbox = self.web3.eth.contract(Web3.to_checksum_address(INBOX), abi=artefact(system / "inbox.json")["abi"])

    def balance(self, address: str) -> int:
        """Wei."""
        return self.web3.eth.get_balance(Web3.to_checksum_address(address))

    def send(self, account: LocalAccount, **fields: Any) -> TxReceipt:
        """Signs and sends a transaction; its receipt."""
        eth = self.web3.eth
        tip = eth.max_priority_fee
        filled: Any = {
            "from": account.address, "nonce": eth.get_transaction_count(account.address, "pending"), "chainId": eth.chain_id,
            "maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * eth.get_block("latest")["baseFeePerGas"] + tip,
        } | fields  # fmt: skip
        filled["gas"] = eth.estimate_gas(filled)
        signed = account.sign_transaction(filled)
        receipt = self.receipt(eth.send_raw_transaction(signed.raw_transaction))
        check("status of a transaction", receipt["status"], 1)
        return receipt

    def call(self, account: LocalAccount, function: Any, value: int = 0) -> TxReceipt:
        """A transaction that calls a contract of this shard."""
        return self.send(account, to=function.address, value=value, data=function._encode_transaction_data())

    def deploy(self, account: LocalAccount, name: str, *arguments: Any) -> Contract:
        """A contract of this folder, deployed."""
        compiled = artefact(HERE / f"{name}.json")
        creation = self.web3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"]).constructor(*arguments)
        address = self.send(account, data=creation.data_in_transaction)["contractAddress"]
        assert address is not None
        return self.web3.eth.contract(address, abi=compiled["abi"])

    def receipt(self, name: Any) -> TxReceipt:
        """The receipt of a transaction, once it is there. A delivery's hash is the id of the message it delivers."""
        return self.web3.eth.wait_for_transaction_receipt(name, timeout=DELIVERY_SECONDS_MAX, poll_latency=POLL_SECONDS)

    def wait_finalized(self, number: int) -> None:
        """Until a final beacon block records a block of this shard."""
        deadline = time.monotonic() + DELIVERY_SECONDS_MAX
        while self.web3.eth.get_block("finalized")["number"] < number:
            if time.monotonic() > deadline:
                sys.exit(f"block {number} of shard {self.number} is not final after {DELIVERY_SECONDS_MAX} s")
            time.sleep(POLL_SECONDS)


def check(what: str, found: object, wanted: object) -> None:
    """Ends the example where a figure is wrong."""
    if found != wanted:
        sys.exit(f"{what}: {found!r}, not {wanted!r}")


def message_of(shard: Shard, receipt: TxReceipt) -> Any:
    """What a transaction of `shard` sent to another one: the only thing Outbox logged in it."""
    entries = [shard.outbox.events.Sent().process_log(log) for log in receipt["logs"] if log["address"].lower() == OUTBOX]
    check("messages of the transaction", len(entries), 1)
    return entries[0]["args"]


def paid(receipt: TxReceipt) -> int:
    """Wei that a transaction's gas cost."""
    return receipt["gasUsed"] * receipt["effectiveGasPrice"]


def send_swap(home: Shard, away: Shard, trader: LocalAccount, pool: Contract, coins: int, minimum: int) -> tuple[TxReceipt, Any, TxReceipt]:
    """Sends the swap from the trader's shard: its receipt there, the message, and the receipt of the delivery."""
    data = pool.functions.swap(minimum, trader.address)._encode_transaction_data()
    # Twice what is needed now: the base fee over there may grow, and what is not used comes back.
    fee = 2 * home.outbox.functions.quote(away.number, GAS).call()
    call = home.outbox.functions.send(away.number, pool.address, coins, GAS, trader.address, data)
    sent = home.call(trader, call, coins + fee)
    message = message_of(home, sent)
    print(f"  sent in block {sent['blockNumber']} of shard {home.number}: message 0x{message['id'].hex()}")
    delivered = away.receipt(message["id"])
    print(f"  delivered in block {delivered['blockNumber']} of shard {away.number}, status {delivered['status']}")
    return sent, message, delivered


def swap_that_succeeds(home: Shard, away: Shard, trader: LocalAccount, pool: Contract, token: Contract) -> None:
    """Ten coins of shard 0 for tokens on shard 1."""
    expected = pool.functions.quote(10 * COIN).call()
    print(f"swap: 10 coins for at least {expected * 99 // 100} of {expected} units of the token")
    _, message, delivered = send_swap(home, away, trader, pool, 10 * COIN, expected * 99 // 100)
    check("status", delivered["status"], 1)
    alias = away.inbox.functions.aliasOf(home.number, trader.address).call()
    (swapped,) = pool.events.Swapped().get_logs(from_block=delivered["blockNumber"], to_block=delivered["blockNumber"])
    check("msg.sender in the pool", swapped["args"]["caller"], alias)
    check("tokens at the trader's address on shard 1", token.functions.balanceOf(trader.address).call(), expected)
    check("coins at the trader's address on shard 1", away.balance(trader.address), message["fee"] - paid(delivered))
    print(f"  msg.sender was the trader's alias {alias}")
    print(f"  the trader has {expected} units on shard 1, and {message['fee'] - paid(delivered)} wei that were left of the fee")


def swap_that_reverts(home: Shard, away: Shard, trader: LocalAccount, pool: Contract, token: Contract) -> None:
    """The price moved too far: everything but the gas comes back to shard 0."""
    before, tokens = home.balance(trader.address), token.functions.balanceOf(trader.address).call()
    minimum = 2 * pool.functions.quote(10 * COIN).call()
    print(f"swap that reverts: 10 coins for at least {minimum} units, twice what the pool gives")
    sent, message, delivered = send_swap(home, away, trader, pool, 10 * COIN, minimum)
    check("status", delivered["status"], 0)
    refund = message_of(away, delivered)
    check("what is sent back", refund["amount"], 10 * COIN + message["fee"] - paid(delivered))
    returned = home.receipt(refund["id"])
    check("status of the refund", returned["status"], 1)
    check("the trader's balance on shard 0", home.balance(trader.address), before - paid(sent) - paid(delivered))
    check("tokens", token.functions.balanceOf(trader.address).call(), tokens)
    home.wait_finalized(returned["blockNumber"])
    print(f"  {refund['amount']} wei returned in block {returned['blockNumber']} of shard 0; {paid(delivered)} wei paid for gas on shard 1")


def run(rpc: str) -> None:
    """The whole example against a network."""
    home, away = Shard(rpc, 0), Shard(rpc, 1)
    Account.enable_unaudited_hdwallet_features()
    maker, sponsor = (Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in (3, 4))
    trader = Account.create()
    home.send(sponsor, to=trader.address, value=50 * COIN)
    token = away.deploy(maker, "token", 10**6 * COIN)
    pool = away.deploy(maker, "pool", token.address)
    away.call(maker, token.functions.approve(pool.address, 10**6 * COIN))
    away.call(maker, pool.functions.fund(10**6 * COIN), 1000 * COIN)
    print(f"shard 1: pool {pool.address} with 1000 coins and a million tokens; shard 0: trader {trader.address} with 50 coins")
    swap_that_succeeds(home, away, trader, pool, token)
    swap_that_reverts(home, away, trader, pool, token)
    print("audit:")
    audit = subprocess.run([sys.executable, "-m", "node.cli.main", "audit", "--rpc", rpc], cwd=ROOT, check=False)
    check("exit code of the audit", audit.returncode, 0)
    print("done")


@contextmanager
def own_network() -> Iterator[str]:
    """A network in a folder of its own, on free ports, until the example ends; the address of its first node."""
    with tempfile.TemporaryDirectory(prefix="shardnet-swap-") as folder:
        base = next(port for port in range(20_000, 30_000, 1000) if all(_is_free(port + offset) for offset in _OFFSETS))
        ports = ("--rpc-port", base, "--p2p-port", base + 900, "--metrics-port", base + 950)
        shardnet = [sys.executable, "-m", "node.cli.main"]
        subprocess.run([*shardnet, "up", "--detach", "--data-dir", folder, *map(str, ports)], cwd=ROOT, check=True)
        try:
            yield f"http://127.0.0.1:{base}"
        finally:
            subprocess.run([*shardnet, "down", "--data-dir", folder], cwd=ROOT, check=True)


_OFFSETS = (0, 1, 100, 101, 200, 201, 300, 301, *range(900, 904), *range(950, 954))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="A swap across two shards.")
    parser.add_argument("--rpc", help="address of a node of a running network; without it, one is started")
    rpc = parser.parse_args().rpc
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if rpc is not None:
        run(rpc)
        return
    with own_network() as address:
        run(address)


if __name__ == "__main__":
    main()
