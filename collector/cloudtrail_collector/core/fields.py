"""Turns the paths of fields into a compact structure that a JSON decoder fills, and a getter for each path.

What a decoder does not read costs next to nothing. A structure holds text and booleans as they are, whole numbers too
below the top level (there CloudTrail has none). A record in which a wanted field is something else (1.5, 1e3, an object)
is read by `read_slowly`, at a tenth of the speed and with the same result. Objects, lists and null count as absent.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NoReturn, TypeAlias

import msgspec

Value: TypeAlias = str | bool | int | msgspec.UnsetType | None
Getter: TypeAlias = Callable[[Any], Value]
_SCALAR = str | bool | msgspec.UnsetType | None


class UndecodableRecordError(ValueError):
    """The record is not JSON that can be read."""


class _Node:
    """A field that is wanted itself, for members of it, or both."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.members: dict[str, _Node] = {}
        self.struct: type[msgspec.Struct] = msgspec.Struct
        self.attributes: dict[str, str] = {}

    def add(self, path: str) -> None:
        node = self
        for name in path.split("."):
            node = node.members.setdefault(name, _Node())
        node.is_wanted = True

    def build(self, scalar: Any = _SCALAR | int, required: str | None = None) -> type[msgspec.Struct]:
        """Build the structure of the members; the attribute names are ours, since a JSON name may be any."""
        self.attributes = {name: f"f{index}" for index, name in enumerate(self.members)}
        fields: list[Any] = []
        for name, node in self.members.items():
            kind: Any = scalar if node.is_wanted else None | msgspec.UnsetType
            if node.members:
                kind = kind | node.build()
            fields.append((self.attributes[name], kind, msgspec.UNSET))
        if required is not None:
            fields.insert(0, ("required", str))
        rename = {attribute: name for name, attribute in self.attributes.items()}
        if required is not None:
            rename["required"] = required
        # gc=False: these live for the length of one file and hold nothing that could form a cycle.
        self.struct = msgspec.defstruct("Fields", fields, rename=rename, gc=False)
        return self.struct

    def fill(self, document: Mapping[str, Any]) -> Any:
        """Build the structure from a document that Python's own parser has read."""
        values: dict[str, Any] = {}
        for name, attribute in self.attributes.items():
            node, value = self.members[name], document.get(name)
            if isinstance(value, dict) and node.members:
                values[attribute] = node.fill(value)
            elif isinstance(value, str | bool) and node.is_wanted:
                values[attribute] = value
        return self.struct(**values)


class FieldPlan:
    """How to read the fields of some paths."""

    def __init__(self, paths: Iterable[str]) -> None:
        wanted = sorted(set(paths))
        self._root = _build_tree(wanted)
        self._struct = self._root.build(_SCALAR)
        self.decode: Callable[[Any], Any] = msgspec.json.Decoder(self._struct).decode
        self.getters: dict[str, Getter] = {path: self._build_getter(path) for path in wanted}

    def build_strict(self, required: str) -> type[msgspec.Struct]:
        """Build the same structure for records that have the text field `required`; getters work for both."""
        return _build_tree(sorted(self.getters)).build(_SCALAR, required)

    def read_slowly(self, record: bytes) -> Any:
        """Read any record that is JSON, lone surrogates and long numbers included. Raises UndecodableRecordError."""
        try:
            # Numbers keep their digits as text: they compare by it.
            document = json.loads(record, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise UndecodableRecordError(str(error) or "nested too deeply") from error
        if not isinstance(document, dict):
            raise UndecodableRecordError("the record is not a JSON object")
        return self._root.fill(document)

    def _build_getter(self, path: str) -> Getter:
        names, attributes, node = path.split("."), [], self._root
        for name in names:
            attributes.append(node.attributes[name])
            node = node.members[name]
        if len(attributes) == 1 and not node.members:
            return attrgetter(attributes[0])
        return lambda fields: _walk(fields, attributes)


def _build_tree(paths: Iterable[str]) -> _Node:
    root = _Node()
    for path in paths:
        root.add(path)
    return root


def _walk(value: Any, attributes: list[str]) -> Value:
    for attribute in attributes:
        if not isinstance(value, msgspec.Struct):
            return None
        value = getattr(value, attribute)
    return None if isinstance(value, msgspec.Struct) else value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def read_text(value: Value) -> str | None:
    """Return the JSON text of a scalar, None when it is absent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else None
