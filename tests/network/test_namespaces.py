"""What the tests of this folder stand on."""

import os
import signal
import subprocess
import sys

import psutil

from tests.e2e.harness import ROOT, wait_for

NOBODY = 65534
UNPRIVILEGED = f"""
import os
from tests.network.namespaces import Namespace
os.setgroups([])
os.setuid({NOBODY})
Namespace()
"""
KILLED = """
import sys
from pathlib import Path
from tests.network.harness import OPTIONS, NetworkCluster
from tests.network.namespaces import Bridged
cluster = NetworkCluster(Path(sys.argv[1]) / "network", OPTIONS, Bridged(4))
cluster.start()
print(*(process.pid for process in cluster.processes.values()), flush=True)
sys.stdin.read()
"""


def test_without_the_privilege_it_fails_and_says_what_to_do():
    result = subprocess.run([sys.executable, "-c", UNPRIVILEGED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "run these tests as root" in result.stderr.splitlines()[-1]


def test_nothing_is_left_of_a_test_that_was_killed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 4
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for("end of its nodes", lambda: not any(psutil.pid_exists(pid) for pid in pids))
