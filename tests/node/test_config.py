from collections.abc import Callable
from pathlib import Path

import pytest

from node.config import load_config
from primitives.errors import InvalidConfig

Write = Callable[[str], Path]
PEER = "16Uiu2HAmEPSp55Rca5gDQNfxDGC1566bWWxJyRqCatgMQS8z1zjc"
LEAST = 'genesis = "../genesis.json"\ndata_dir = "."\nnode_key = "node.key"\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "node.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_and_paths_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    config = load_config(write(LEAST), {})
    assert config.genesis.resolve() == (tmp_path.parent / "genesis.json").resolve()
    assert config.data_dir == tmp_path
    assert config.validator_keys is None
    assert (config.rpc_port, config.metrics_port, config.p2p_port) == (8545, 9100, 9000)
    assert config.pool_limits().transactions_max == 65_536


def test_file_is_below_environment_is_below_flags(write: Write) -> None:
    path = write(LEAST + 'rpc_port = 1001\nmetrics_port = 1002\np2p_port = 1003\nlog_level = "error"\n')
    environment = {"SHARDNET_METRICS_PORT": "2002", "SHARDNET_P2P_PORT": "2003", "HOME": "elsewhere"}
    config = load_config(path, environment, {"p2p_port": 3003, "log_level": None})
    assert (config.rpc_port, config.metrics_port, config.p2p_port, config.log_level) == (1001, 2002, 3003, "error")


def test_lists_from_the_environment(write: Write) -> None:
    peers = f'[{{"host": "b", "port": 9000, "peer_id": "{PEER}"}}]'
    config = load_config(write(LEAST), {"SHARDNET_ALLOWED_HOSTS": "a.example, b.example", "SHARDNET_PEERS": peers})
    assert config.allowed_hosts == ("a.example", "b.example")
    assert [(peer.host, peer.port, peer.peer_id) for peer in config.peers] == [("b", 9000, PEER)]


def test_paths_from_flags_are_relative_to_the_working_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert load_config(write(LEAST), {}, {"data_dir": Path("data")}).data_dir == tmp_path / "here" / "data"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('data_dir = "."\nnode_key = "k"', "genesis"),
        (LEAST + "rpc_prot = 1", "rpc_prot"),
        (LEAST + "rpc_port = 70000", "rpc_port"),
        (LEAST + 'p2p_port = "many"', "p2p_port"),
        (LEAST + 'executor = "thread"', "executor"),
        (LEAST + 'engine = "quick"', "engine"),
        (LEAST + 'log_format = "xml"', "log_format"),
        (LEAST + "mempool_transactions_max = 0", "mempool_transactions_max"),
        (LEAST + '[[peers]]\nhost = "a"\nport = 1\npeer_id = "0OIl"', "peers.0.peer_id"),
        (LEAST + 'validator_keys = ""', "validator_keys"),
    ],
)
def test_the_wrong_field_is_named(write: Write, text: str, field: str) -> None:
    with pytest.raises(InvalidConfig, match=f"'{field}'") as caught:
        load_config(write(text), {})
    assert caught.value.field == field
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_ports_that_coincide_are_refused(write: Write) -> None:
    with pytest.raises(InvalidConfig, match="must differ"):
        load_config(write(LEAST + "rpc_port = 9000"), {})


def test_unknown_variables_are_refused(write: Write) -> None:
    with pytest.raises(InvalidConfig, match="SHARDNET_RPC_PROT"):
        load_config(write(LEAST), {"SHARDNET_RPC_PROT": "1"})


def test_a_file_that_is_not_there_or_not_toml(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_config(tmp_path / "none.toml", {})
    with pytest.raises(InvalidConfig, match="not TOML"):
        load_config(write("genesis = "), {})
