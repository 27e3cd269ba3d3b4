"""Just enough of a Dockerfile reader for ours: instructions by stage, lines joined, comments dropped."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.rest)


def stages(path: Path = ROOT / "docker" / "Dockerfile") -> list[list[Instruction]]:
    """The instructions of each stage, `FROM` first."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Instruction]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest.strip()))
    return found


def last(stage: list[Instruction], name: str) -> Instruction:
    return [instruction for instruction in stage if instruction.name == name][-1]
