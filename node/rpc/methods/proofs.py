"""eth_getProof: why an account and its storage are what they are, for whoever knows the state root (EIP-1186)."""

from __future__ import annotations

from node.rpc.errors import header_not_found, invalid_params
from node.rpc.forms import data, kind_of, parse_address, parse_block, parse_slot, quantity
from node.rpc.limits import PROOF_SLOTS_MAX
from node.rpc.methods.context import Context, Method

_WORD_CHARACTERS = 66


def _keys(value: object, where: str) -> list[tuple[str, int]]:
    """Storage keys, each as it is told back and as a number."""
    if not isinstance(value, list):
        raise invalid_params(f"invalid {where}: want an array of storage keys, this is {kind_of(value)}")
    if len(value) > PROOF_SLOTS_MAX:
        raise invalid_params(f"too many slots (max {PROOF_SLOTS_MAX})")
    keys = []
    for i, item in enumerate(value):
        slot = parse_slot(item, f"{where}[{i}]")
        # a key of 32 bytes comes back as it was, another one as a quantity, as geth has it
        keys.append((str(item).lower() if len(str(item)) == _WORD_CHARACTERS else hex(slot), slot))
    return keys


async def get_proof(context: Context, arguments: list[object]) -> object:
    """eth_getProof."""
    address, keys = parse_address(arguments[0], "argument 0"), _keys(arguments[1], "argument 1")
    selector = parse_block(arguments[2], "argument 2")
    with context.execution():
        proof = await context.shard().proof(address, [slot for _, slot in keys], selector)
    if proof is None:
        raise header_not_found()
    return {
        "address": data(address),
        "accountProof": [data(node) for node in proof.nodes],
        "balance": quantity(proof.balance),
        "codeHash": data(proof.code_hash),
        "nonce": hex(proof.nonce),
        "storageHash": data(proof.storage_root),
        "storageProof": [
            {"key": key, "value": quantity(slot.word), "proof": [data(node) for node in slot.nodes]}
            for (key, _), slot in zip(keys, proof.slots, strict=True)
        ],
    }


METHODS = {
    "eth_getProof": Method(get_proof, 2, 1),
}
