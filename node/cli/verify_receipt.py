"""`shardnet verify-receipt`: what `shard_getReceiptProof` gave, checked without asking anybody."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from consensus.beacon.receipt_proof import PROOF_BYTES_MAX, SentReceipt, verify_receipt_proof
from node.cli.options import as_json, print_json, show_coins
from node.genesis import load_genesis
from primitives.errors import InvalidProof, ProofReason, UserError
from primitives.receipts import CrossShardReceipt

STANDARD_INPUT = Path("-")
PROOF_FILE_BYTES_MAX = 2 * PROOF_BYTES_MAX + 65_536
"""Of a file: the largest proof in hexadecimal digits, and what JSON puts around it."""
_SAID_CHARACTERS_MAX = 500
_TEXT_STARTS = b'{"0 \t\r\n'


@click.command("verify-receipt", epilog="Example: shardnet verify-receipt proof.json --genesis genesis.json")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--genesis", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Genesis file of the network.")
@as_json
def verify_receipt(file: Path, genesis: Path, as_json: bool) -> int:
    """Check a proof that a cross-shard receipt was sent and is final, offline.

    FILE holds what shard_getReceiptProof answered (the result, or the whole answer), or the proof alone: its bytes, or 0x and hexadecimal
    digits; - is the standard input. Exit code 0: it is valid; 1: it is not; 2: the genesis file or an option is wrong.
    """
    network = load_genesis(genesis)
    encoded, told = read_proof(file)
    name = _name(file)
    try:
        proven = verify_receipt_proof(encoded, network)
    except InvalidProof as error:
        if error.reason is ProofReason.MALFORMED:
            raise UserError(f"{name} is no proof ({error.message}): save what shard_getReceiptProof answers, as it is") from error
        raise UserError(f"{name} proves nothing on the network of {genesis}: {error.message or error.reason.code}") from error
    for field, value in told.items():
        if value != _claims(proven).get(field, value):
            raise UserError(f"{name} says {field} {value}, and its proof is of {_claims(proven)[field]}")
    if as_json:
        print_json(_report(proven))
    else:
        _print_report(proven)
    return 0


def read_proof(file: Path) -> tuple[bytes, dict[str, Any]]:
    """The encoded proof that a file holds, and what the file says about it besides.

    Raises:
        UserError: it holds none.
    """
    name = _name(file)
    with nullcontext(sys.stdin.buffer) if file == STANDARD_INPUT else file.open("rb") as source:
        # a pipe or a device does not tell its size, and may have no end
        content = source.read(PROOF_FILE_BYTES_MAX + 1)
    if len(content) > PROOF_FILE_BYTES_MAX:
        raise UserError(f"{name} is no proof: a proof has at most {PROOF_FILE_BYTES_MAX} bytes")
    if not content or content[0] not in _TEXT_STARTS:
        return content, {}
    try:
        text = content.decode().strip()
        told = text if text.startswith("0x") else json.loads(text)
        if isinstance(told, dict) and "error" in told:
            raise UserError(f"{name} holds a refusal, no proof: {_said(told['error'])}")
        if isinstance(told, dict) and "result" in told:
            told = told["result"]
        if isinstance(told, str):
            told = {"proof": told}
        if not isinstance(told, dict) or not str(told["proof"]).startswith("0x"):
            raise ValueError
        return bytes.fromhex(told["proof"][2:]), {name: value for name, value in told.items() if name != "proof"}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{name} holds no proof: save what shard_getReceiptProof answers, as it is") from error


def _name(file: Path) -> str:
    return "the standard input" if file == STANDARD_INPUT else str(file)


def _said(error: object) -> str:
    return str(error.get("message", error) if isinstance(error, dict) else error)[:_SAID_CHARACTERS_MAX]


def _claims(proven: SentReceipt) -> dict[str, str]:
    """What the node says beside a proof, as it must be."""
    receipt = proven.receipt
    return {
        "id": "0x" + proven.id.hex(), "source": hex(receipt.source), "destination": hex(receipt.destination), "nonce": hex(receipt.nonce)
    }  # fmt: skip


def _fields(receipt: CrossShardReceipt) -> dict[str, Any]:
    return {
        "source": receipt.source, "destination": receipt.destination, "nonce": receipt.nonce, "kind": receipt.kind,
        "sender": "0x" + receipt.sender.hex(), "to": "0x" + receipt.to.hex(), "amount": str(receipt.amount),
        "gas_limit": receipt.gas_limit, "fee": str(receipt.fee), "refund_to": "0x" + receipt.refund_to.hex(),
        "data": "0x" + receipt.data.hex(),
    }  # fmt: skip


def _report(proven: SentReceipt) -> dict[str, Any]:
    return {
        "ok": True,
        "id": "0x" + proven.id.hex(),
        "receipt": _fields(proven.receipt),
        "shard_block": {"number": proven.shard_block.number, "hash": "0x" + proven.shard_block.hash().hex()},
        "beacon_block": {
            "number": proven.beacon_block.height, "root": "0x" + proven.beacon_root.hex(), "timestamp": proven.beacon_block.timestamp
        },
        "final_block": proven.final_block.height,
        "committees": proven.committees,
    }  # fmt: skip


def _print_report(proven: SentReceipt) -> None:
    receipt = proven.receipt
    click.echo(f"message 0x{proven.id.hex()} was sent and is final")
    click.echo(f"  message {receipt.nonce} from shard {receipt.source} to shard {receipt.destination}, kind {receipt.kind}")
    click.echo(f"  0x{receipt.sender.hex()} to 0x{receipt.to.hex()}: {show_coins(receipt.amount)} coins, {show_coins(receipt.fee)} for gas")
    click.echo(f"  sent up to block {proven.shard_block.number} of shard {receipt.source} (0x{proven.shard_block.hash().hex()})")
    final = f"final with block {proven.final_block.height}"
    click.echo(f"  recorded by beacon block {proven.beacon_block.height} (0x{proven.beacon_root.hex()}), {final}")
    later = f"{proven.committees} committees, each named by the one before"
    whose = "the committee in the genesis file" if proven.committees == 1 else later
    click.echo(f"  rests on more than two thirds of the stake of {whose}")
