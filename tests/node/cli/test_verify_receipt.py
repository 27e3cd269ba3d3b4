"""`shardnet verify-receipt`: every form a proof is kept in, and exit codes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from consensus.signatures import BlsScheme
from node.cli import verify_receipt as module
from primitives import bls
from primitives.genesis import GenesisValidator
from primitives.parameters import Parameters
from tests.consensus.beacon import network as networks
from tests.consensus.beacon.receipts import Prover
from tests.node.cli.test_commands import Captured, run

KEYS = [bls.derive_secret_key(bytes([i + 1]) * 32) for i in range(4)]


def _validator(**fields: Any) -> GenesisValidator:
    key = next(key for key in KEYS if key.public_key == fields["public_key"])
    return GenesisValidator(**fields | {"proof_of_possession": key.prove_possession()})


class Files:
    """A genesis file, and a proof of the network it begins."""

    def __init__(self, folder: Path) -> None:
        network = Prover(epoch_length=4)
        network.send(3, data=b"hello")
        network.extend(network.crosslink(0))
        proof = network.prove(1, 1, 1)
        self.genesis, self.proof = folder / "genesis.json", folder / "proof"
        self.genesis.write_text(network.genesis.to_json())
        self.raw = proof.encode()
        self.id = "0x" + proof.receipt.identity(Parameters().chain_id_base).hex()
        self.answer = {"id": self.id, "source": "0x0", "destination": "0x1", "nonce": "0x1", "proof": "0x" + self.raw.hex()}

    def check(self, content: bytes | str | object, *options: str) -> int:
        if isinstance(content, bytes):
            self.proof.write_bytes(content)
        else:
            self.proof.write_text(content if isinstance(content, str) else json.dumps(content))
        return run("verify-receipt", self.proof, "--genesis", self.genesis, *options)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "key_of", lambda index: KEYS[index].public_key)
        patch.setattr(networks, "HashScheme", lambda: BlsScheme(dict(enumerate(KEYS))))
        patch.setattr(networks, "GenesisValidator", _validator)
        return Files(tmp_path_factory.mktemp("proof"))


def test_every_form_of_a_proof_is_valid(files: Files, capsys: Captured) -> None:
    hexadecimal = "0x" + files.raw.hex()
    whole = {"jsonrpc": "2.0", "id": 1, "result": files.answer}
    for content in (files.raw, hexadecimal, f" {hexadecimal}\n", json.dumps(files.answer), json.dumps(whole, indent=2), f'"{hexadecimal}"'):
        assert files.check(content) == 0
        assert capsys.readouterr().out.startswith(f"message {files.id} was sent and is final\n")


def test_a_proof_comes_by_the_standard_input(files: Files, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, code in ((json.dumps(files.answer).encode(), 0), (b"nonsense", 1)):
        monkeypatch.setattr(module.sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert run("verify-receipt", "-", "--genesis", files.genesis) == code
    told = capsys.readouterr()
    assert told.out.startswith(f"message {files.id} was sent and is final\n")
    assert told.err.startswith("error: the standard input is no proof (")


def test_what_is_proven_is_told(files: Files, capsys: Captured) -> None:
    assert files.check(files.raw, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["id"], told["committees"]) == (True, files.id, 1)
    assert told["receipt"] | {"nonce": 1, "source": 0, "destination": 1, "data": "0x" + b"hello".hex()} == told["receipt"]
    assert (told["beacon_block"]["number"], told["final_block"], told["shard_block"]["number"]) == (1, 1, 1)
    assert files.check(files.raw) == 0
    assert "more than two thirds of the stake of the committee in the genesis file" in capsys.readouterr().out


def test_what_is_not_valid_ends_with_1(files: Files, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = bytearray(files.raw)
    changed[-1] ^= 1
    contents = (
        bytes(changed), files.raw[:-1], b"", b"\xff" * 50, "0x", "0xzz", "{}", "null", "[1]", '{"result":null}', '{"proof":7}', "[" * 5000,
        files.answer | {"id": "0x" + "00" * 32}, files.answer | {"nonce": "0x2"},
    )  # fmt: skip
    for content in contents:
        assert files.check(content) == 1, content
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.count("\n") == 1
    monkeypatch.setattr(module, "PROOF_FILE_BYTES_MAX", len(files.raw) - 1)
    assert files.check(files.raw) == 1
    assert "a proof has at most" in capsys.readouterr().err


def test_another_network_ends_with_1_and_no_genesis_with_2(files: Files, tmp_path: Path, capsys: Captured) -> None:
    files.check(files.raw)
    other = json.loads(files.genesis.read_text())
    other["timestamp"] += 1
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert run("verify-receipt", files.proof, "--genesis", tmp_path / "other.json") == 1
    assert run("verify-receipt", files.proof, "--genesis", tmp_path / "none.json") == 2
    assert run("verify-receipt", tmp_path / "none", "--genesis", files.genesis) == 2
    assert run("verify-receipt", files.proof) == 2
    assert "--genesis" in capsys.readouterr().err


def test_a_file_without_an_end_is_not_read_to_it(files: Files, capsys: Captured) -> None:
    assert run("verify-receipt", "/dev/zero", "--genesis", files.genesis) == 1
    assert "is no proof" in capsys.readouterr().err


def test_what_is_no_proof_and_no_genesis_is_named(files: Files, tmp_path: Path, capsys: Captured) -> None:
    page, refusal, nonsense = (tmp_path / name for name in ("page.md", "refusal.json", "nonsense.json"))
    page.write_text("# shardnet, a network of shards\n" * 9)
    refusal.write_text('{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not an id"}}')
    nonsense.write_text("nonsense")
    assert run("verify-receipt", page, "--genesis", files.genesis) == 1
    assert f"{page} is no proof" in capsys.readouterr().err
    assert run("verify-receipt", refusal, "--genesis", files.genesis) == 1
    assert f"{refusal} holds a refusal, no proof: not an id" in capsys.readouterr().err
    assert run("verify-receipt", files.proof, "--genesis", nonsense) == 2
    assert f"{nonsense} is no genesis file" in capsys.readouterr().err
