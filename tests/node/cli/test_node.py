"""`shardnet node`: a configuration file, or what an observer joins with."""

from pathlib import Path

import pytest

import node.daemon
from node.cli.main import main
from node.config import NodeConfig, PeerConfig
from primitives.errors import InvalidConfig

PEER_ID = "16Uiu2HAmEPSp55Rca5gDQNfxDGC1566bWWxJyRqCatgMQS8z1zjc"
PEER = f"127.0.0.1:9000:{PEER_ID}"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[NodeConfig]:
    found: list[NodeConfig] = []
    monkeypatch.setattr(node.daemon, "run", found.append)
    for name in ("SHARDNET_PEERS", "SHARDNET_SHARDS"):
        monkeypatch.delenv(name, raising=False)
    return found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["node", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_an_observer_needs_no_file(started: list[NodeConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = ("--peer", PEER, "--peer", f"[::1]:9001:{PEER_ID}", "--shards", "0,2", "--rpc-port", "9545")
    assert run("--genesis", "g.json", "--data-dir", "observer", *wanted) == 0
    (config,) = started
    assert (config.genesis, config.data_dir) == (tmp_path / "g.json", tmp_path / "observer")
    assert config.node_key == tmp_path / "observer" / "node.key"
    assert config.peers == (PeerConfig(host="127.0.0.1", port=9000, peer_id=PEER_ID), PeerConfig(host="::1", port=9001, peer_id=PEER_ID))
    assert (config.shards, config.rpc_port, config.validator_keys) == ((0, 2), 9545, None)


def test_options_override_the_file(started: list[NodeConfig], tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('genesis = "genesis.json"\ndata_dir = "."\nnode_key = "node.key"\nshards = [0]\nrpc_port = 1000\n')
    assert run("--config", str(path), "--shards", "1", "--peer", PEER) == 0
    (config,) = started
    assert (config.shards, config.rpc_port, config.genesis) == ((1,), 1000, tmp_path / "genesis.json")
    assert [peer.port for peer in config.peers] == [9000]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--genesis", "g.json"), ("--genesis", "g.json", "--data-dir", "d"), ("--genesis", "g.json", "--peer", PEER), ("--peer", PEER)],
)
def test_too_little_to_start_with_is_told(
    started: list[NodeConfig], arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert "name a configuration with --config, or join a network with --genesis, --peer and --data-dir" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:9000", f"127.0.0.1:0:{PEER_ID}", f":9000:{PEER_ID}", f"a:b:{PEER_ID}", "a:1:x"]
)
def test_what_is_no_peer_is_refused_with_a_sentence(started: list[NodeConfig], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidConfig, match="write HOST:PORT:PEERID, as shardnet status shows it"):
        PeerConfig.parse(text)
    assert run("--genesis", "g.json", "--peer", text, "--data-dir", "d") == 2
    assert "HOST:PORT:PEERID" in capsys.readouterr().err


@pytest.mark.parametrize("shards", ["x", "-1", "32", "0;1"])
def test_what_is_no_shard_is_refused(started: list[NodeConfig], shards: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--genesis", "g.json", "--peer", PEER, "--data-dir", "d", "--shards", shards) == 2
    assert "config field 'shards" in capsys.readouterr().err
    assert started == []
