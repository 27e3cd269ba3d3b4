"""The compose file against its checker, the image and what the genesis command writes."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.dockerfile import ROOT, last, stages

NODES = 4
SHARDS = 2


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as Debian's docker-compose understands it."""
    done = subprocess.run(["docker-compose", "--file", "docker-compose.yml", "config"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = yaml.safe_load(done.stdout)
    return config


@pytest.fixture(scope="module")
def nodes(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if name.startswith("node-")}


@pytest.fixture(scope="module")
def written(compose: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the genesis service leaves on the volume."""
    folder = tmp_path_factory.mktemp("volume")
    _run_genesis(compose, folder)
    return folder


def _run_genesis(compose: dict[str, Any], folder: Path) -> None:
    genesis = compose["services"]["genesis"]
    done = subprocess.run(
        [*genesis["entrypoint"], *genesis["command"]],
        cwd=folder,
        env={"PATH": f"{ROOT}/.venv/bin:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def published(service: dict[str, Any]) -> dict[int, int]:
    """Ports by their number outside; all of them reachable from this machine only."""
    found = {}
    for port in service["ports"]:
        host, outside, inside = port.removesuffix("/tcp").split(":")
        assert host == "127.0.0.1"
        found[int(outside)] = int(inside)
    return found


def test_services(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"genesis", "prometheus", "grafana", *(f"node-{i}" for i in range(NODES))}
    for service in (*nodes.values(), compose["services"]["genesis"]):
        assert service["image"] == "shardnet:latest"
        assert service["build"] == {"context": str(ROOT), "dockerfile": "docker/Dockerfile"}
    assert compose["services"]["prometheus"]["image"].startswith("prom/prometheus:v")


def test_nodes_start_once_genesis_is_complete(nodes: dict[str, Any]) -> None:
    for service in nodes.values():
        assert service["depends_on"] == {"genesis": {"condition": "service_completed_successfully"}}


def test_all_share_one_volume_where_the_image_works(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    place = last(stages()[-1], "WORKDIR").rest
    assert set(compose["volumes"]) == {"network"}
    for service in (*nodes.values(), compose["services"]["genesis"]):
        assert service["volumes"] == [f"network:{place}:rw"]


def test_prometheus_scrapes_every_node(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    mounts = [volume.split(":") for volume in compose["services"]["prometheus"]["volumes"]]
    source = next(Path(outside) for outside, inside, _ in mounts if inside == "/etc/prometheus/prometheus.yml")
    jobs = yaml.safe_load(source.read_text())["scrape_configs"]
    targets = [target for job in jobs for group in job["static_configs"] for target in group["targets"]]
    assert sorted(targets) == [f"node-{i}:{9100 + i}" for i in range(NODES)]
    for i in range(NODES):
        assert 9100 + i in published(nodes[f"node-{i}"])


def test_health_is_asked_where_metrics_are_served(nodes: dict[str, Any]) -> None:
    for i in range(NODES):
        assert f"http://127.0.0.1:{9100 + i}/health" in nodes[f"node-{i}"]["healthcheck"]["test"][-1]


def test_ports_are_those_of_the_generated_configuration(nodes: dict[str, Any], written: Path) -> None:
    for i in range(NODES):
        name = f"node-{i}"
        assert nodes[name]["command"][:2] == ["node", "--config"]
        config = tomllib.loads((written / nodes[name]["command"][2]).read_text())
        wanted = {config["rpc_port"] + shard for shard in range(SHARDS)} | {config["metrics_port"]}
        assert published(nodes[name]) == {port: port for port in wanted}


def test_nodes_find_each_other_by_service_name(nodes: dict[str, Any], written: Path) -> None:
    for i in range(NODES):
        text = (written / nodes[f"node-{i}"]["command"][2]).read_text()
        assert all(other in text for other in nodes if other != f"node-{i}")
        assert "0.0.0.0" in text


def test_what_runs_for_long_is_started_again_when_it_ends(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service.get("restart") == (None if name == "genesis" else "unless-stopped"), name


def test_no_log_grows_without_bound(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "16m", "max-file": "4"}}, name


def test_no_two_services_want_one_port(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in published({"ports": service.get("ports", [])})]
    assert len(ports) == len(set(ports))
    assert {3000, 9090} <= set(ports)


def test_genesis_runs_once(compose: dict[str, Any], written: Path) -> None:
    genesis = written / "network" / "genesis.json"
    before = genesis.read_bytes()
    assert json.loads(before)
    _run_genesis(compose, written)
    assert genesis.read_bytes() == before
