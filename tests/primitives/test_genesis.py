import functools
import json

import pytest

from primitives import bls
from primitives.errors import InvalidGenesis
from primitives.genesis import GENESIS_FILE_BYTES_MAX, parse_genesis
from primitives.parameters import Parameters


@functools.cache
def validator(number: int) -> str:
    key = bls.derive_secret_key(bytes([number]) * 32)
    return json.dumps(
        {
            "public_key": "0x" + key.public_key.hex(),
            "proof_of_possession": "0x" + key.prove_possession().hex(),
            "stake": "32000000000000000000",
            "fee_address": "0x" + f"{number:02x}" * 20,
        }
    )


def genesis() -> dict:
    return {
        "parameters": {"shard_count": 2},
        "timestamp": 1_700_000_000,
        "seed": "0x" + "07" * 32,
        "validators": [json.loads(validator(n)) for n in (1, 2)],
        "accounts": [
            {"address": "0x" + "aa" * 20, "balance": "1000000000000000000000", "code": "0x6000", "storage": {"1": 2}, "shards": [1]}
        ],
    }


def changed(path: str, value) -> dict:
    content = genesis()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = content
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


def test_a_genesis_reads_back_from_its_own_text() -> None:
    first = parse_genesis(json.dumps(genesis()))
    assert parse_genesis(first.to_json()) == first
    assert parse_genesis(first.to_json().encode()).root == first.root
    assert first.accounts[0].balance == 1000 * 10**18
    assert first.accounts[0].storage == {1: 2}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("timestamp", 1_700_000_001),
        ("seed", "0x" + "08" * 32),
        ("parameters.gas_limit", 20_000_000),
        ("parameters.fork_version", 2),
        ("validators.0.stake", "1"),
        ("validators.0.fee_address", "0x" + "cc" * 20),
        ("accounts.0.balance", "1"),
        ("accounts.0.storage", {"1": 3}),
        ("accounts.0.shards", [0]),
    ],
)
def test_the_root_covers_everything(path, value) -> None:
    assert parse_genesis(json.dumps(changed(path, value))).root != parse_genesis(json.dumps(genesis())).root


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("timestamp", -1, "greater than or equal"),
        ("timestamp", None, "required"),
        ("seed", "0x1234", "must be 32 bytes, has 2"),
        ("seed", "12", "starting with 0x"),
        ("seed", "0xzz", "hex"),
        ("parameters.shard_count", 0, "greater than or equal"),
        ("parameters.shard_count", 33, "less than or equal"),
        ("parameters.shard_count", "2", "integer"),
        ("parameters.no_such", 1, "not permitted"),
        ("parameters.block_time_ms", 0, "greater than or equal"),
        ("validators", [], "at least 1"),
        ("validators.1.public_key", "0x12", "must be 48 bytes, has 1"),
        ("validators.0.stake", "0", "greater than 0"),
        ("validators.0.stake", "12eth", "decimal"),
        ("validators.0.fee_address", None, "required"),
        ("validators.1.proof_of_possession", "0x" + "00" * 96, "does not prove possession"),
        ("accounts.0.address", "0x12", "must be 20 bytes"),
        ("accounts.0.balance", "-1", "decimal"),
        ("accounts.0.nonce", 2**63, "less than"),
        ("accounts.0.colour", "red", "not permitted"),
    ],
)
def test_errors_name_the_field(path, value, words) -> None:
    with pytest.raises(InvalidGenesis) as caught:
        parse_genesis(json.dumps(changed(path, value)))
    assert caught.value.field == path
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"genesis field '{path}': ")


def other_proof() -> dict:
    return changed("validators.1.proof_of_possession", json.loads(validator(1))["proof_of_possession"])


def twice() -> dict:
    return changed("validators.1", json.loads(validator(1)))


def account_on_two(shards) -> dict:
    content = genesis()
    content["accounts"].append({"address": "0x" + "aa" * 20, "shards": shards})
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (other_proof(), "proof_of_possession"),
        (twice(), "same public_key"),
        (changed("accounts.0.shards", [2]), "shard 2, which does not exist"),
        (account_on_two(None), "appears twice on shard 1"),
        (changed("parameters", {"receipt_gas_max": 1_000_001}), "receipt_gas_max must not exceed inbound_call_gas_max"),
        (changed("parameters", {"inbound_call_gas_max": 15_000_001}), "inbound_call_gas_max must not exceed gas_limit"),
        (changed("parameters", {"inbound_bytes_max": 2 * 2**20 + 1}), "inbound_bytes_max must not exceed block_bytes_max"),
        (changed("parameters", {"inbound_bytes_max": 4479}), "inbound_bytes_max"),
        (changed("parameters", {"idle_block_time_ms": 10}), "idle_block_time_ms must not be below"),
    ],
)
def test_contradictions(content, words) -> None:
    with pytest.raises(InvalidGenesis) as caught:
        parse_genesis(json.dumps(content))
    assert words in str(caught.value)


def test_an_account_may_differ_from_shard_to_shard() -> None:
    assert len(parse_genesis(json.dumps(account_on_two([0]))).accounts) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff\xfe"])
def test_not_a_genesis_at_all(text) -> None:
    with pytest.raises(InvalidGenesis):
        parse_genesis(text)


def test_too_large_a_file() -> None:
    with pytest.raises(InvalidGenesis) as caught:
        parse_genesis(b" " * (GENESIS_FILE_BYTES_MAX + 1))
    assert str(GENESIS_FILE_BYTES_MAX) in str(caught.value)


def test_parameters() -> None:
    parameters = Parameters(shard_count=3, chain_id_base=1000, gas_limit=20_000_000, inbound_gas_share_percent=30)
    assert parameters.beacon == 3
    assert [parameters.chain_id(chain) for chain in range(4)] == [1000, 1001, 1002, 1003]
    assert parameters.inbound_gas_max == 6_000_000
