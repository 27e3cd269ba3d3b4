"""What real nodes log, as objects: also when an executor crashes, and across the parts of a log."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from node.logs import rotated
from tests.e2e.harness import Cluster, make_options, running, wait_for


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHARDNET_LOG_FORMAT", "json")
        patch.setenv("SHARDNET_LOG_LEVEL", "debug")
        patch.setenv("SHARDNET_LOG_FILE_BYTES_MAX", str(64 * 1024))
        patch.setenv("SHARDNET_LOG_FILES_MAX", "3")
        with running(tmp_path_factory.mktemp("logs") / "network", make_options(nodes=1, block_time_ms=200)) as cluster:
            yield cluster


def lines(log: Path) -> list[str]:
    return [line for path in (*reversed(rotated(log)), log) for line in path.read_text().splitlines()]


def test_every_line_is_an_object_also_when_an_executor_crashes_and_parts_are_set_aside(talkative: Cluster) -> None:
    log = talkative.layout.log(0)
    executor = psutil.Process(talkative.processes[0].pid).children()[0]
    assert "node.executors.child" in executor.cmdline()
    executor.send_signal(signal.SIGSEGV)

    def crash() -> list[dict[str, str]] | None:
        told = [json.loads(line) for line in lines(log)]
        return told if any("Fatal Python error: Segmentation fault" in entry.get("message", "") for entry in told) else None

    objects = wait_for("crash in the log", crash)
    assert {"block_final", "output"} <= {entry["event"] for entry in objects}
    wait_for("parts", lambda: len(rotated(log)) == 2)
    objects += [json.loads(line) for line in lines(log)]
    assert all({"time", "level", "logger", "event"} <= entry.keys() for entry in objects)
    assert all(path.stat().st_size <= 64 * 1024 for path in (log, *rotated(log)))
    assert talkative.layout.output(0).read_text() == ""


def test_the_command_reads_across_the_parts(talkative: Cluster) -> None:
    log = talkative.layout.log(0)
    wait_for("parts", lambda: len(rotated(log)) == 2)
    in_one = len(log.read_text().splitlines())
    told = talkative.command("logs", "-n", str(in_one + 100))
    assert told.returncode == 0, told.stderr
    assert len(told.stdout.splitlines()) >= in_one + 100
