"""Replays the specification's exchanges; `cases` judges each file of them.

An answer must be equal to the one of the file. Where it tells of the chain's head, which is another one here, or the specification
itself marks it so, it must fit the schema of the method's result instead (answers.toml). Of an error the code must be equal, not
the words.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import trio

from tests.conformance.cases import Case
from tests.conformance.rpc.chain import FOLDER, build
from tests.conformance.rpc.node import serve
from tests.conformance.rpc.schema import problems, results

Json = dict[str, Any]
ANSWERS = Path(__file__).parent / "answers.toml"


@dataclass(frozen=True, slots=True)
class File:
    """One file of exchanges."""

    name: str
    exchanges: tuple[tuple[Json, Json], ...]
    """Requests, and answers expected."""
    by_schema: bool
    """The specification itself asks for the form only."""


@cache
def files() -> tuple[File, ...]:
    """All of them, by name."""
    found = []
    for path in sorted(FOLDER.glob("*/*.io")):
        lines = path.read_text().splitlines()
        asked = [json.loads(line[3:]) for line in lines if line.startswith(">> ")]
        answered = [json.loads(line[3:]) for line in lines if line.startswith("<< ")]
        exchanges = tuple(zip(asked, answered, strict=True))
        found.append(File(f"{path.parent.name}/{path.stem}", exchanges, any(line.startswith("// speconly") for line in lines)))
    return tuple(found)


@cache
def by_schema() -> dict[str, Json]:
    """What answers.toml says of a file, by its name."""
    return {name: entry for entry in tomllib.loads(ANSWERS.read_text())["by_schema"] for name in entry["files"]}


@cache
def answers() -> dict[str, list[Json]]:
    """What the node says, by file."""
    given: dict[str, list[Json]] = {}

    async def ask() -> None:
        async with serve(*build()) as client:
            for file in files():
                given[file.name] = [(await client.post(request)).json for request, _ in file.exchanges]

    trio.run(ask)
    return given


def _differences(file: File) -> list[str]:
    found = []
    for (_, expected), answer in zip(file.exchanges, answers()[file.name], strict=True):
        error, wanted = answer.get("error", {}), expected.get("error", {})
        if answer["id"] != expected["id"]:
            found.append(f"id {answer['id']!r}")
        if error.get("code") != wanted.get("code"):
            found.append(f"error {error}, not {wanted}" if wanted else f"error {error}")
        elif not wanted and answer["result"] != expected["result"]:
            found.append(_first_difference(answer["result"], expected["result"]))
    return found


def _first_difference(have: Any, want: Any, where: str = "$") -> str:
    if isinstance(have, dict) and isinstance(want, dict):
        if have.keys() != want.keys():
            return f"{where}: more {sorted(have.keys() - want.keys())}, less {sorted(want.keys() - have.keys())}"
        return next(_first_difference(have[k], want[k], f"{where}.{k}") for k in have if have[k] != want[k])
    if isinstance(have, list) and isinstance(want, list) and len(have) == len(want):
        return next(_first_difference(have[i], want[i], f"{where}[{i}]") for i in range(len(have)) if have[i] != want[i])
    return f"{where}: {str(have)[:200]}, not {str(want)[:200]}"


def _check(file: File) -> None:
    differences = _differences(file)
    if file.name not in by_schema() and not file.by_schema:
        assert not differences, "; ".join(differences)
        return
    assert differences or file.by_schema, "it is equal: take it out of answers.toml"
    for (request, expected), answer in zip(file.exchanges, answers()[file.name], strict=True):
        if "error" in expected:
            assert answer["error"]["code"] == expected["error"]["code"], answer["error"]
        else:
            assert "result" in answer, answer
            found = problems(answer["result"], results()[request["method"]])
            assert not found, found[:3]
            if request["method"] == "eth_simulateV1" and not by_schema()[file.name].get("environment"):
                _check_calls(answer["result"], expected["result"])


def _calls(block: Json) -> list[Json]:
    """What calls did, without where their block is."""
    found = []
    for call in block["calls"]:
        logs = [(log["address"], log["topics"], log["data"], log["logIndex"]) for log in call.get("logs", [])]
        found.append(call | {"logs": logs, "error": call.get("error", {}).get("code")})
    return found


def _check_calls(have: list[Json], want: list[Json]) -> None:
    """Both end with the same block; from where the later of the two heads is, calls must have done the same."""
    common = min(len(have), len(want))
    for mine, theirs in zip(have[-common:], want[-common:], strict=True):
        assert _calls(mine) == _calls(theirs)


def cases() -> list[Case]:
    """One a file."""
    return [Case(file.name, partial(_check, file)) for file in files()]
