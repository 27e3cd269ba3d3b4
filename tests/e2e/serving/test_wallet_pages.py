"""docs/wallets.md: each transcript is what its script prints against a live network."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, Cluster

SCRIPTS = ROOT / "docs" / "wallets"
PACKAGES = ROOT / "node_modules"
SECONDS_MAX = 120.0


def transcript(script: str) -> str:
    """What the page says that a script prints."""
    page = (ROOT / "docs" / "wallets.md").read_text()
    found = re.search(rf"^```console\n\$ [^\n]*/{re.escape(script)}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def printed(cluster: Cluster, *command: str, environment: Mapping[str, str] | None = None) -> str:
    # of one node, as on the page: what one node has told, another may hear of a moment later
    words = [*command, cluster.options.url(1, 0), cluster.options.url(1, 1)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def forge_environment(folder: Path) -> dict[str, str]:
    """Where forge is found, and that it leaves its files in a folder; skips where it is not installed."""
    if shutil.which("node") is None or not all((PACKAGES / name).exists() for name in (".bin/cast", ".bin/forge", "solc")):
        pytest.skip("forge is not installed: docs/wallets.md says how")
    left = {f"FOUNDRY_{name}": str(folder / name.lower()) for name in ("OUT", "CACHE_PATH", "BROADCAST")}
    return {**os.environ, **left, "PATH": f"{PACKAGES / '.bin'}:{os.environ['PATH']}"}


def test_the_transcript_of_web3_is_what_it_prints(cluster: Cluster) -> None:
    assert printed(cluster, sys.executable, "-W", "error", "docs/wallets/web3_transfer.py") == transcript("web3_transfer.py")


@pytest.mark.parametrize("library", ["ethers", "viem"])
def test_the_transcript_of_a_node_library_is_what_it_prints(cluster: Cluster, library: str) -> None:
    if shutil.which("node") is None or not (PACKAGES / library).exists():
        pytest.skip(f"{library} is not installed: docs/wallets.md says how")
    assert printed(cluster, "node", f"docs/wallets/{library}.mjs") == transcript(f"{library}.mjs")


def test_the_transcript_of_cast_is_what_it_prints(cluster: Cluster) -> None:
    if not (PACKAGES / ".bin" / "cast").exists():
        pytest.skip("cast is not installed: docs/wallets.md says how")
    environment = {**os.environ, "PATH": f"{PACKAGES / '.bin'}:{os.environ['PATH']}"}
    assert printed(cluster, "docs/wallets/cast.sh", environment=environment) == transcript("cast.sh")


def test_the_transcript_of_forge_is_what_it_prints(cluster: Cluster, tmp_path: Path) -> None:
    environment = forge_environment(tmp_path)
    assert printed(cluster, "docs/wallets/forge/flow.sh", environment=environment) == transcript("flow.sh")


def test_what_the_page_quotes_is_in_the_scripts() -> None:
    page = (ROOT / "docs" / "wallets.md").read_text()
    scripts = "".join(path.read_text() for path in SCRIPTS.glob("*.mjs"))
    quoted = re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert quoted
    assert [text for text in quoted if text not in scripts] == []
