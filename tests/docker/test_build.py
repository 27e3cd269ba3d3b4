"""What the image build does, done here in clean folders: the same script, the same files, the same order."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.dockerfile import ROOT, Instruction, last, stages

SCRIPT = "docker/build.sh"
INSTALLED = "/opt/shardnet"


def _run(command: list[str], folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    environment["PYTHON"] = f"{sys.base_prefix}/bin/python3.11"
    done = subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def _copy_in(instruction: Instruction, folder: Path) -> None:
    *sources, target = instruction.words
    for source in sources:
        destination = folder / source if target == "./" else folder / target
        destination.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, destination, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / source, destination)


def _carry_out(stage: list[Instruction], folder: Path, prefix: Path) -> None:
    for instruction in stage:
        if instruction.name == "COPY" and instruction.words[0].startswith("--from="):
            assert instruction.words[1:] == [INSTALLED, INSTALLED]
        elif instruction.name == "COPY":
            _copy_in(instruction, folder)
        elif instruction.name == "RUN":
            _run([str(prefix) if word == INSTALLED else word for word in instruction.words], folder)


def test_image_steps_only_call_the_script() -> None:
    steps = [instruction.words for stage in stages() for instruction in stage if instruction.name == "RUN"]
    assert steps == [[SCRIPT, INSTALLED, "build"], [SCRIPT, INSTALLED, "runtime"]]
    assert os.access(ROOT / SCRIPT, os.X_OK)


def test_image_runs_as_nobody_in_particular() -> None:
    final = stages()[-1]
    user = last(final, "USER").words[0]
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) > 0
    assert f"uid={user.split(':')[0]}\n" in (ROOT / SCRIPT).read_text()
    assert last(final, "HEALTHCHECK").rest
    assert last(final, "WORKDIR").rest == f"{INSTALLED}/data"


def test_both_stages_start_from_the_same_pinned_image() -> None:
    names = {stage[0].words[0] for stage in stages()}
    assert len(names) == 1
    assert "/" not in (name := names.pop())
    assert name.partition(":")[2] not in {"", "latest"}


def test_context_holds_what_is_copied() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for stage in stages()
        for instruction in stage
        if instruction.name == "COPY" and not instruction.words[0].startswith("--from=")
        for source in instruction.words[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_image_steps_in_clean_folders(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    for number, stage in enumerate(stages()):
        folder = tmp_path / f"stage-{number}"
        folder.mkdir()
        _carry_out(stage, folder, prefix)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "genesis" in _run([str(prefix / "bin" / "shardnet"), "--help"], elsewhere)
    # The system contracts travel with the package, not with the source tree.
    place = _run([str(prefix / "bin" / "python"), "-I", "-c", "import shard; print(shard.__file__)"], elsewhere)
    assert Path(place.strip()).is_relative_to(prefix)
    assert list(Path(place.strip()).parent.rglob("*.json"))
    compilers = [name for name in ("gcc", "cc", "vyper", "pip", "ruff", "pytest") if (prefix / "bin" / name).exists()]
    assert not compilers
    assert (prefix / "data").is_dir()
    assert not list(prefix.rglob("*.whl"))
