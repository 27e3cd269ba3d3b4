"""Runs the public state tests of ethereum/execution-spec-tests through the engine's own checks and transaction rules."""

from dataclasses import dataclass
from typing import Any

from primitives.blocks import ShardReference
from primitives.errors import InvalidTransaction
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from shard.engine.fast.programs import Programs
from shard.engine.fast.state import FastState
from shard.engine.interface import BlockContext
from shard.engine.reference import messages
from shard.engine.reference.accounts import Accounts, is_delegation
from shard.engine.reference.state import ShardState
from shard.transactions import check_against_account, check_stateless, decode_transaction, recover_sender
from shard.transactions.rlp import encode_list, encode_text


@dataclass
class Result:
    rejected: str
    state_root: bytes
    logs_hash: bytes


def number(text: str) -> int:
    return int(text, 16)


def data(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def pre_state(pre: dict[str, Any], nodes: dict[bytes, bytes]) -> bytes:
    accounts = Accounts(nodes, EMPTY_TRIE_ROOT)
    for key, account in pre.items():
        address = data(key)
        accounts.set_balance(address, number(account["balance"]))
        accounts.set_nonce(address, number(account["nonce"]))
        if account["code"] != "0x":
            accounts.set_code(address, data(account["code"]))
        for slot, word in account["storage"].items():
            accounts.set_storage(address, number(slot), number(word))
    return accounts.commit(nodes)


def context_of(env: dict[str, str]) -> BlockContext:
    height = number(env["currentNumber"])
    reference = ShardReference(b"\0" * 32, 0, 0, data(env["currentRandom"]), (), ())
    return BlockContext(
        number=height,
        timestamp=number(env["currentTimestamp"]),
        coinbase=data(env["currentCoinbase"]),
        gas_limit=number(env["currentGasLimit"]),
        base_fee=number(env["currentBaseFee"]),
        parent_hash=b"\0" * 32,
        reference=reference,
        # As the filler of these tests has it: the hash of a block is that of its number in decimal.
        block_hash=lambda n: keccak256(str(n).encode()),
    )


def run_fast(test: dict[str, Any], post: dict[str, Any], meter: Any = None) -> Result:
    """On the fast engine: interpreted, and with everything translated before it runs."""
    interpreted = run(test, post, meter, Programs())
    translated = run(test, post, meter, Programs(hot_runs=0, run_per_translated=0))
    assert interpreted == translated, "interpreted and translated"
    return translated


def run(test: dict[str, Any], post: dict[str, Any], meter: Any = None, programs: Programs | None = None) -> Result:
    """On the reference engine, or with `programs` on the fast one."""
    nodes: dict[bytes, bytes] = {}
    root = pre_state(test["pre"], nodes)
    context = context_of(test["env"])
    chain_id = number(test["config"]["chainid"])
    state = ShardState(nodes, context, chain_id, root) if programs is None else FastState(nodes, context, chain_id, root, programs)
    accounts = state.accounts
    state.use_meter(meter)
    rejected, logs = "", ()
    try:
        transaction = decode_transaction(data(post["txbytes"]))
        # Signed before EIP-155 these tests say nothing of the rule that this network refuses such transactions.
        signed_for = chain_id if transaction.chain_id is not None else None
        check_stateless(transaction, chain_id=signed_for, chain_id_base=chain_id, shard_count=1, block_gas_limit=context.gas_limit)
        sender = recover_sender(transaction)
        code = accounts.get_code(sender)
        check_against_account(
            transaction,
            nonce=accounts.get_nonce(sender),
            balance=accounts.get_balance(sender),
            sender_has_code=bool(code) and not is_delegation(code),
            base_fee=context.base_fee,
        )
    except InvalidTransaction as error:
        rejected = error.reason.code
    else:
        ran = messages.apply_transaction(state, transaction, sender, transaction.effective_tip(context.base_fee))
        logs = ran.logs
        supply = accounts.balance_change()
        assert supply == -(ran.gas_used * context.base_fee) - accounts.destroyed, "wei came or went"
    encoded = encode_list(
        b"".join(
            encode_list(encode_text(log.address) + encode_list(b"".join(map(encode_text, log.topics))) + encode_text(log.data))
            for log in logs
        )
    )
    return Result(rejected, accounts.commit(nodes), keccak256(encoded))


def kind_of(post: dict[str, Any]) -> int:
    first = data(post["txbytes"])[0]
    return 0 if first >= 0xC0 else first
