"""The text of a Dockerfile → its stages with their instructions. Knows the forms that ours use."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name in capitals, and what follows on one line."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What begins with FROM."""

    base: str
    instructions: tuple[Instruction, ...]

    def list_texts(self, name: str) -> list[str]:
        """List what follows one kind of instruction."""
        return [instruction.text for instruction in self.instructions if instruction.name == name]

    def read_pairs(self, *names: str) -> dict[str, str]:
        """Read `KEY=value` of ENV, ARG or LABEL; a key without a value has an empty one."""
        words = [word for name in names for text in self.list_texts(name) for word in shlex.split(text)]
        return dict((*word.split("=", 1), "")[:2] for word in words)  # type: ignore[misc]


def read_stages(path: Path) -> list[Stage]:
    """Read the stages in order, arguments before the first filled into what they begin from."""
    instructions = _parse(path.read_text(encoding="utf-8"))
    starts = [number for number, instruction in enumerate(instructions) if instruction.name == "FROM"]
    arguments = Stage("", tuple(instructions[: starts[0]])).read_pairs("ARG")
    ends = [*starts[1:], len(instructions)]
    return [
        Stage(_fill_in(instructions[start].text, arguments).split(" ")[0], tuple(instructions[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
    ]


def _parse(text: str) -> list[Instruction]:
    without_comments = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    lines = re.sub(r"\s*\\\n\s*", " ", without_comments).splitlines()
    return [Instruction(*line.split(" ", 1)) for line in lines if line]


def _fill_in(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
