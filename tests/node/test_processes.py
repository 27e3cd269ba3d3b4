"""What a process loads: to load the EVM library takes longer than all else, so only what executes does."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["node.daemon", "node.cli.main", "node.cluster.supervisor"])
def test_a_process_that_executes_nothing_loads_no_evm(module: str) -> None:
    script = f"import sys, {module}; print('eth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
