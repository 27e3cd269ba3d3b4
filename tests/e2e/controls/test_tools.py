"""docs/wallets.md, "A network of your own": what its scripts print, and what hardhat says of its test."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.e2e.harness import ROOT, make_options, running
from tests.e2e.serving.test_wallet_pages import PACKAGES, SECONDS_MAX, forge_environment, transcript

HARDHAT = ROOT / "docs" / "wallets" / "hardhat"


@pytest.fixture(scope="module")
def solo(tmp_path_factory):
    with running(tmp_path_factory.mktemp("tools") / "network", make_options(nodes=1)) as cluster:
        yield cluster


def printed(solo, *command, folder=ROOT, variables=os.environ):
    words = [*command, solo.options.url(0, 0), solo.options.url(0, 1)] if folder == ROOT else command
    environment = {**variables, "ETH_RPC_URL": solo.options.url(0, 0), "CI": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_transcript_of_web3_is_what_it_prints(solo):
    assert printed(solo, sys.executable, "-W", "error", "docs/wallets/solo_web3.py") == transcript("solo_web3.py")


def test_the_transcript_of_viem_is_what_it_prints(solo):
    if shutil.which("node") is None or not (PACKAGES / "viem").exists():
        pytest.skip("viem is not installed: docs/wallets.md says how")
    assert printed(solo, "node", "docs/wallets/solo.mjs") == transcript("solo.mjs")


def test_the_transcript_of_forge_without_a_key_is_what_it_prints(solo, tmp_path):
    assert printed(solo, "docs/wallets/forge/unlocked.sh", variables=forge_environment(tmp_path)) == transcript("unlocked.sh")


def test_what_hardhat_tests_passes(solo):
    if not (HARDHAT / "node_modules" / "hardhat").exists():
        pytest.skip("hardhat is not installed: docs/wallets.md says how")
    told = printed(solo, "npx", "--no-install", "hardhat", "test", "--no-compile", folder=HARDHAT)
    cases = re.findall(r'^  it\("([^"]*)"', (HARDHAT / "test" / "store.test.cjs").read_text(), re.MULTILINE)
    assert re.findall(r"✔ (.*?)(?: \(\d+ms\))?$", told, re.MULTILINE) == cases
    page = (ROOT / "docs" / "wallets.md").read_text()
    assert [case for case in cases if case not in page] == []
