"""Starts that are refused: one sentence, its exit code, nothing left behind."""

import socket
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from tests.e2e.harness import Cluster, make_options, run_command, running

REFUSED = 2


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("refusals") / "network", make_options(nodes=1)) as cluster:
        yield cluster


@pytest.fixture
def options() -> Options:
    return make_options(nodes=1)


@pytest.fixture
def layout(tmp_path: Path, options: Options) -> Layout:
    write_network(tmp_path / "network", options)
    return Layout(tmp_path / "network")


def change(path: Path, **settings: object) -> None:
    path.write_text(tomli_w.dumps(tomllib.loads(path.read_text()) | settings))


def start(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("node", "--config", str(layout.config(0)), *arguments)


def require_refusal(result: subprocess.CompletedProcess[str], *words: str) -> None:
    said = result.stdout + result.stderr
    assert result.returncode == REFUSED, said
    sentence = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(sentence) == 1, said
    assert all(word in sentence[0] for word in words), said
    assert "Traceback" not in said


@pytest.mark.parametrize(("field", "value"), [("rpc_port", 70_000), ("rpc_prot", 8545), ("log_level", "loud"), ("peers", "none")])
def test_a_wrong_setting_is_named(layout: Layout, field: str, value: object) -> None:
    change(layout.config(0), **{field: value})
    require_refusal(start(layout), f"'{field}'")


def test_a_wrong_genesis_is_named(layout: Layout) -> None:
    layout.genesis.write_text(layout.genesis.read_text().replace('"shard_count"', '"shard_cuont"'))
    require_refusal(start(layout), "genesis field", "shard_c")


@pytest.mark.parametrize("setting", ["rpc_port", "p2p_port", "metrics_port"])
def test_a_port_in_use_is_named(layout: Layout, setting: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        change(layout.config(0), **{setting: port})
        require_refusal(start(layout), str(port), "in use")


def test_a_second_process_on_one_folder_is_refused(live: Cluster, layout: Layout) -> None:
    folder = str(live.layout.node(0))
    change(layout.config(0), genesis=str(live.layout.genesis), validator_keys=folder + "/validator-keys.json")
    require_refusal(start(layout, "--data-dir", folder), folder)
    live.wait_growth(0, 1)


def test_a_folder_of_another_genesis_is_refused(tmp_path: Path, layout: Layout, options: Options) -> None:
    with running(tmp_path / "other", make_options(nodes=1)) as other:
        folder = str(other.layout.node(0))
        assert other.stop() == []
        other.processes.clear()
    require_refusal(start(layout, "--data-dir", folder), folder, "another genesis")
