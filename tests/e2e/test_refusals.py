"""What a node refuses to start on: one sentence, exit code 2, nothing touched."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.network import NetworkUnderTest


def run_node(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.cli.main", "node", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def refused(config: Path) -> str:
    """The one sentence a refused node says."""
    ended = run_node(config)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip().splitlines()[-1]


@pytest.fixture
def single(make_network: Callable[..., NetworkUnderTest]) -> NetworkUnderTest:
    return make_network(nodes=1)


def test_a_bad_setting_is_named(single: NetworkUnderTest) -> None:
    config = single.folder / "node-0" / "node.toml"
    config.write_text(config.read_text() + 'colour = "blue"\n')
    assert "colour" in refused(config)


def test_a_bad_genesis_field_is_named(single: NetworkUnderTest) -> None:
    genesis = single.folder / "genesis.json"
    genesis.write_text(genesis.read_text().replace('"block_time_ms": 1000', '"block_time_ms": 0'))
    assert "parameters.block_time_ms" in refused(single.folder / "node-0" / "node.toml")


def test_ports_and_folders_in_use_and_a_foreign_folder(single: NetworkUnderTest, make_network: Callable[..., NetworkUnderTest]) -> None:
    config = single.folder / "node-0" / "node.toml"
    single.start()
    single.wait_ready()
    assert "in use by another process" in refused(config)

    other = make_network(nodes=1)
    text = (other.folder / "node-0" / "node.toml").read_text()
    taken = text.replace(f"rpc_port = {other.options.rpc_port}", f"rpc_port = {single.options.rpc_port}")
    assert taken != text
    (other.folder / "node-0" / "node.toml").write_text(taken)
    assert str(single.options.rpc_port) in refused(other.folder / "node-0" / "node.toml")

    shutil.copy(other.folder / "genesis.json", single.folder / "genesis.json")
    shutil.copy(other.folder / "node-0" / "validator-keys.json", single.folder / "node-0" / "validator-keys.json")
    single.stop()
    assert "another genesis" in refused(config)
