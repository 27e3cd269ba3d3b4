"""Sentences that tell a person what to type name a command that works where they are."""

import sys
from pathlib import Path

import pytest

from node.cluster.command import Place, node_command, own_command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `shardnet` in a virtual environment of the working folder, and none in PATH."""
    path = tmp_path / ".venv" / "bin" / "shardnet"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [".venv/bin/shardnet"])
    return path


def test_it_is_told_as_it_was_started(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_command("up") == ".venv/bin/shardnet up"
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert own_command("up") == ".venv/bin/shardnet up"
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    assert own_command("up") == f"{program} up"


def test_in_path_its_name_is_enough(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert own_command("down") == "shardnet down"


def test_a_process_of_another_name_tells_of_the_command_beside_its_interpreter(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/supervisor.py"])
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    assert own_command("logs") == ".venv/bin/shardnet logs"
    program.unlink()
    assert own_command("logs") == "shardnet logs"


def test_a_folder_is_named_unless_it_is_the_default(program: Path) -> None:
    assert own_command("up", Path(".shardnet")).endswith("shardnet up")
    assert own_command("up", Path("x/y")).endswith("shardnet up --data-dir x/y")
    assert own_command("up", Path(".shardnet").absolute()).endswith("shardnet up")
    assert own_command("up", Path("my net")).endswith("shardnet up --data-dir 'my net'")


def test_what_is_told_next_is_about_the_network_that_was_named(program: Path) -> None:
    assert Place().command("audit").endswith("shardnet audit")
    assert Place(Path("../one"), node=2).command("faucet 0x1").endswith("shardnet faucet 0x1 --node 2 --data-dir ../one")
    assert Place(Path("../one")).growth.endswith("status --data-dir ../one shows whether the chains grow")
    there = Place(Path("../one"), 2, "http://10.0.0.1:8545/shard/1")
    assert there.command("faucet 0x1").endswith("shardnet faucet 0x1 --rpc http://10.0.0.1:8545/shard/1")
    assert there.growth.startswith("http://10.0.0.1:8545/health ")


def test_a_node_is_started_from_any_folder(program: Path) -> None:
    assert node_command(Path("my net/node-0/node.toml")) == ".venv/bin/shardnet node --config 'my net/node-0/node.toml'"
