"""A benchmark that is ended before it is done leaves no network behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.harness import ROOT, wait_for

STOPPED_SECONDS_MAX = 120.0


def processes_of(folder: Path) -> list[int]:
    """Whose command line names something in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            found.append(process.pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_network_too(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-P", "-m", "node.cli.main", "bench", "latency"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    bench = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # whoever runs the tests may have had interrupts ignored, which is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        wait_for("nodes of the benchmark", lambda: len(processes_of(tmp_path)) > 2 or None)
        bench.send_signal(number)
        told, _ = bench.communicate(timeout=STOPPED_SECONDS_MAX)
        assert bench.returncode == 1, told
        assert processes_of(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        for pid in processes_of(tmp_path):
            os.kill(pid, signal.SIGKILL)
        bench.kill()
