"""Blocks and attributes → HCL, laid out as `terraform fmt` does.

References in texts become interpolations; all else in a text is literal.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cloudtrail_operator.aws_setup.references import find_whole, has_references, replace

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Expression(str):
    """Text that is HCL already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Json:
    """A value that stands in HCL as an object and leaves as JSON."""

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its head, such as `resource "aws_sqs_queue" "notifications"`, and what stands in it."""

    head: tuple[str, ...]
    attributes: Mapping[str, Any]
    blocks: Sequence["Block"] = ()


Names: TypeAlias = Mapping[str, str]
"""What each reference is called in HCL."""


def to_hcl(blocks: Sequence[Block], names: Names) -> str:
    """Render a file."""
    writer = _Writer(names)
    return "\n".join("\n".join(writer.write_block(block, "")) + "\n" for block in blocks)


class _Writer:
    def __init__(self, names: Names) -> None:
        self._names = names

    def write_block(self, block: Block, indent: str) -> list[str]:
        inner = f"{indent}  "
        kind, *labels = block.head
        head = " ".join([kind, *(json.dumps(label) for label in labels)])
        lines = self._write_items(block.attributes, inner, apart=True)
        for child in block.blocks:
            lines += [*([""] if lines else []), *self.write_block(child, inner)]
        return [f"{indent}{head} {{", *lines, f"{indent}}}"] if lines else [f"{indent}{head} {{}}"]

    def _write_items(self, items: Mapping[str, Any], indent: str, *, apart: bool) -> list[str]:
        """Write `name = value` lines: neighbours of one line each have their `=` in one column."""
        lines: list[str] = []
        group: list[tuple[str, str]] = []

        def close() -> None:
            width = max((len(name) for name, _ in group), default=0)
            lines.extend(f"{indent}{name.ljust(width)} = {text}" for name, text in group)
            group.clear()

        for name, value in items.items():
            written = name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)
            first, *rest = self._write_value(value, indent)
            if not rest:
                group.append((written, first))
                continue
            close()
            lines += [*([""] if apart and lines else []), f"{indent}{written} = {first}", *rest]
        if group and lines and apart:
            lines.append("")
        close()
        return lines

    def _write_value(self, value: Any, indent: str) -> list[str]:
        match value:
            case Expression():
                return [str(value)]
            case Json():
                first, *rest = self._write_value(dict(value.value), indent)
                return [f"jsonencode({first}", *rest[:-1], f"{rest[-1]})"]
            case str():
                return [self._write_text(value)]
            case bool() | int():
                return [json.dumps(value)]
            case Mapping():
                return ["{", *self._write_items(value, f"{indent}  ", apart=False), f"{indent}}}"]
            case _:
                return self._write_list(list(value), indent)

    def _write_list(self, values: list[Any], indent: str) -> list[str]:
        items = [self._write_value(value, f"{indent}  ") for value in values]
        if len(items) == 1 and len(items[0]) == 1:
            return [f"[{items[0][0]}]"]
        lines = ["["]
        for first, *rest in items:
            *head, last = [f"{indent}  {first}", *rest]
            lines += [*head, f"{last},"]
        return [*lines, f"{indent}]"]

    def _write_text(self, text: str) -> str:
        whole = find_whole(text)
        if whole is not None:
            return self._names[whole]
        if not has_references(text):
            return f'"{_escape(text)}"'
        return f'"{replace(text, lambda name: f"${{{self._names[name]}}}", _escape)}"'


def _escape(text: str) -> str:
    """Write a text between quotes, so that nothing in it is a template."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("${", "$${").replace("%{", "%%{")
