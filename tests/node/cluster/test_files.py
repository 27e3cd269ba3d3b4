import json
import tomllib
from pathlib import Path

import pytest
from eth_account import Account

from node.cluster.accounts import COIN, FAUCET_ACCOUNT, FAUCET_COINS, TEST_ACCOUNT_COINS, TEST_ACCOUNTS, TEST_MNEMONIC
from node.cluster.files import move_network, write_network
from node.cluster.layout import Layout, Options, merge_options, new_options, read_options, renew_options, require_options
from node.config import load_config
from node.genesis import check_accounts, load_genesis
from primitives import bls
from primitives.errors import InvalidConfig, InvalidGenesis, StartupRefused
from primitives.genesis import GenesisAccount
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, INBOX, OUTBOX


def test_accounts_are_those_of_the_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    for i, account in enumerate([*TEST_ACCOUNTS, FAUCET_ACCOUNT]):
        derived = Account.from_mnemonic(TEST_MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}")
        assert account == (derived.address, "0x" + derived.key.hex().removeprefix("0x"))


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    options = Options(nodes=3, validators_per_node=2, shards=2, block_time_ms=400, gas_limit=8_000_000, chain_id_base=77)
    written = write_network(tmp_path / "net", options)
    layout = Layout(tmp_path / "net")
    genesis = load_genesis(layout.genesis)
    assert genesis.root == written.root
    assert read_options(layout) == options
    parameters = genesis.parameters
    assert (parameters.shard_count, parameters.chain_id_base, parameters.gas_limit) == (2, 77, 8_000_000)
    assert (parameters.block_time_ms, parameters.build_budget_ms) == (400, 100)
    balances = {account.address: account.balance for account in genesis.accounts}
    assert all(balances[bytes.fromhex(account.address[2:])] == TEST_ACCOUNT_COINS * COIN for account in TEST_ACCOUNTS)
    assert balances[bytes.fromhex(FAUCET_ACCOUNT.address[2:])] == FAUCET_COINS * COIN
    assert len(genesis.validators) == 6


def test_each_node_has_its_own_keys_and_knows_the_others(tmp_path: Path) -> None:
    options = Options(nodes=3, validators_per_node=2)
    genesis = write_network(tmp_path, options)
    layout, seen = Layout(tmp_path), []
    for node in range(3):
        config = load_config(layout.config(node), {})
        assert config.validator_keys is not None
        assert config.validator_keys.stat().st_mode & 0o777 == 0o600
        for entry in json.loads(config.validator_keys.read_text()):
            key = bls.SecretKey(bytes.fromhex(entry["secret_key"][2:]))
            assert key.public_key == genesis.validators[entry["index"]].public_key
            assert genesis.validators[entry["index"]].fee_address == bytes.fromhex(entry["fee_address"][2:])
            seen.append(entry["index"])
        assert [peer.port for peer in config.peers] == [9000 + i for i in range(3) if i != node]
        assert (config.rpc_port, config.metrics_port, config.p2p_port) == (8545 + 100 * node, 9100 + node, 9000 + node)
    assert seen == list(range(6))


def test_two_networks_differ(tmp_path: Path) -> None:
    one, two = (write_network(tmp_path / name, Options(nodes=1)) for name in ("a", "b"))
    assert one.root != two.root
    assert one.seed != two.seed


def test_hosts_are_dialled_and_allowed(tmp_path: Path) -> None:
    write_network(tmp_path, Options(nodes=2, listen_host="0.0.0.0"), ["node-0", "node-1"])
    settings = tomllib.loads(Layout(tmp_path).config(0).read_text())
    assert [peer["host"] for peer in settings["peers"]] == ["node-1"]
    assert settings["listen_host"] == "0.0.0.0"
    assert settings["allowed_hosts"] == ["node-0", "node-1"]
    with pytest.raises(InvalidConfig, match="--hosts"):
        write_network(tmp_path / "other", Options(nodes=2), ["only-one"])


def test_a_genesis_is_never_overwritten(tmp_path: Path) -> None:
    write_network(tmp_path, Options(nodes=1))
    before = (tmp_path / "genesis.json").read_bytes()
    with pytest.raises(InvalidConfig, match="exists already"):
        write_network(tmp_path, Options(nodes=1))
    assert (tmp_path / "genesis.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (Options(nodes=0), "--nodes"),
        (Options(shards=65), "--shards"),
        (Options(validators_per_node=0), "--validators-per-node"),
        (Options(block_time_ms=50), "--block-time"),
        (Options(block_time_ms=2000, idle_block_time_ms=1000), "--idle-block-time"),
        (Options(epoch_length=1), "--epoch-length"),
        (Options(gas_limit=20_000), "--gas-limit"),
        (Options(chain_id_base=0), "--chain-id-base"),
        (Options(committees="sampled"), "--committees"),
        (Options(rpc_port=65_500, nodes=2), "--rpc-port"),
        (Options(p2p_port=9098), "--p2p-port"),
        (Options(p2p_port=9100), "--metrics-port"),
    ],
)
def test_options_that_make_no_network(tmp_path: Path, options: Options, named: str) -> None:
    with pytest.raises(InvalidConfig, match=named) as caught:
        write_network(tmp_path, options)
    assert caught.value.field == named
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", [OUTBOX, INBOX, BEACON_ROOTS, BLOCK_HASHES, bytes(19) + b"\x01", bytes(19) + b"\x11"])
def test_protocol_addresses_hold_no_account(tmp_path: Path, address: bytes) -> None:
    genesis = write_network(tmp_path, Options(nodes=1))
    check_accounts(genesis)
    spoilt = genesis.model_copy(update={"accounts": (*genesis.accounts, GenesisAccount(address=address, balance=1))})
    (tmp_path / "genesis.json").write_text(spoilt.to_json())
    with pytest.raises(InvalidGenesis, match=f"0x{address.hex()}") as caught:
        load_genesis(tmp_path / "genesis.json")
    assert caught.value.field == f"accounts.{len(genesis.accounts)}.address"


def test_an_idle_network_is_never_faster_than_a_busy_one() -> None:
    assert new_options({"block_time_ms": 9000}).idle_block_time_ms == 9000
    assert new_options({"block_time_ms": 9000, "idle_block_time_ms": 10_000}).idle_block_time_ms == 10_000


def test_going_on_takes_ports_but_no_other_genesis() -> None:
    stored = Options(nodes=2, block_time_ms=500)
    assert merge_options(stored, {}) == stored
    assert merge_options(stored, {"nodes": 2, "rpc_port": 7000}) == Options(nodes=2, block_time_ms=500, rpc_port=7000)
    with pytest.raises(StartupRefused, match=r"--block-time 0\.5, not 1"):
        merge_options(stored, {"block_time_ms": 1000})
    with pytest.raises(StartupRefused, match="--shards 2, not 1"):
        merge_options(stored, {"shards": 1})


def test_moving_keeps_identities_and_what_was_added_by_hand(tmp_path: Path) -> None:
    layout, options = Layout(tmp_path), Options(nodes=2)
    write_network(tmp_path, options)
    layout.config(1).write_text('log_level = "debug"\n' + layout.config(1).read_text())
    before = load_config(layout.config(1), {})
    move_network(layout, merge_options(options, {"rpc_port": 7000, "p2p_port": 7500, "metrics_port": 7600}))
    after = load_config(layout.config(1), {})
    assert (after.rpc_port, after.p2p_port, after.metrics_port, after.log_level) == (7100, 7501, 7601, "debug")
    assert [(peer.port, peer.peer_id) for peer in after.peers] == [(7500, before.peers[0].peer_id)]
    assert require_options(layout).rpc_port == 7000


def test_half_a_network_is_refused(tmp_path: Path) -> None:
    assert read_options(Layout(tmp_path)) is None
    write_network(tmp_path, Options(nodes=1))
    (tmp_path / "network.json").write_text("{}")
    with pytest.raises(StartupRefused, match="--fresh"):
        read_options(Layout(tmp_path))
    (tmp_path / "network.json").unlink()
    with pytest.raises(StartupRefused, match="--fresh"):
        read_options(Layout(tmp_path))


def test_a_new_genesis_keeps_the_options_of_the_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert renew_options(layout, {"nodes": 2}) == Options(nodes=2)
    write_network(tmp_path, Options(nodes=1, rpc_port=7_000, block_time_ms=500))
    assert renew_options(layout, {"shards": 1}) == Options(nodes=1, rpc_port=7_000, block_time_ms=500, shards=1)
    layout.network.write_text("{}")
    assert renew_options(layout, {}) == Options()
