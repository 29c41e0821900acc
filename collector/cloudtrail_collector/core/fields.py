"""Turns the paths of fields into a compact structure that a JSON decoder fills, and a getter for each path.

What a decoder does not read costs next to nothing. A structure holds text and booleans as they are, whole numbers too
below the top level (there CloudTrail has none), lists there as slices that are read when they are asked for. A record in
which a wanted field is something else (1.5, 1e3, an object) is read by `read_slowly`, at a tenth of the speed and with the
same result. Objects and null count as absent. A list on the way of a path, or at its end, gives the texts of all elements.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NoReturn, TypeAlias

import msgspec

Value: TypeAlias = str | bool | int | list[str] | msgspec.UnsetType | None
Getter: TypeAlias = Callable[[Any], Value]
_SCALAR = str | bool | msgspec.UnsetType | None
_BELOW = _SCALAR | int | list[msgspec.Raw]


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

    def build(self, scalar: Any = _BELOW, required: str | None = None) -> type[msgspec.Struct]:
        """Build the structure of the members; the attribute names are ours, since a JSON name may be any."""
        self.attributes = {name: f"f{index}" for index, name in enumerate(self.members)}
        fields: list[Any] = []
        for name, node in self.members.items():
            kind: Any = scalar if node.is_wanted else None | msgspec.UnsetType
            if node.members:
                kind = kind | list[msgspec.Raw] | node.build()
            if name == required:
                fields.insert(0, (self.attributes[name], str))
            else:
                fields.append((self.attributes[name], kind, msgspec.UNSET))
        rename = {attribute: name for name, attribute in self.attributes.items()}
        if required is not None and required not in self.attributes:
            fields.insert(0, ("required", str))
            rename["required"] = required
        # gc=False: these live for the length of one file and hold nothing that could form a cycle.
        self.struct = msgspec.defstruct("Fields", fields, rename=rename, gc=False, frozen=True)
        return self.struct

    def fill(self, document: Mapping[str, Any]) -> Any:
        """Build the structure from a document that Python's own parser has read."""
        values: dict[str, Any] = {}
        for name, attribute in self.attributes.items():
            node, value = self.members[name], document.get(name)
            if isinstance(value, dict) and node.members:
                values[attribute] = node.fill(value)
            elif isinstance(value, list):
                values[attribute] = value if node.members else list(_list_texts(value, []))
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
            document = _load(bytes(record))
        except (ValueError, RecursionError) as error:
            raise UndecodableRecordError(str(error) or "nested too deeply") from error
        if not isinstance(document, dict):
            raise UndecodableRecordError("the record is not a JSON object")
        return self._root.fill(document)

    def _build_getter(self, path: str) -> Getter:
        attributes, node = self._list_attributes(path)
        if len(attributes) == 1 and not node.members:
            return attrgetter(attributes[0])
        names = path.split(".")
        return lambda fields: _walk(fields, attributes, names)

    def has_only(self, paths: Iterable[str]) -> bool:
        """Say whether structures hold these fields and nothing else, all at the top: they are keys themselves then."""
        return self.getters.keys() == set(paths) and not any("." in path for path in paths)

    def build_key(self, paths: Sequence[str]) -> Callable[[Any], Any]:
        """Build what reads several paths at once, quickly.

        It raises AttributeError where a parent is absent; a value may be a structure or a list, which have no hash.
        """
        return attrgetter(*(".".join(self._list_attributes(path)[0]) for path in paths))

    def _list_attributes(self, path: str) -> tuple[list[str], _Node]:
        attributes, node = [], self._root
        for name in path.split("."):
            attributes.append(node.attributes[name])
            node = node.members[name]
        return attributes, node


def _build_tree(paths: Iterable[str]) -> _Node:
    root = _Node()
    for path in paths:
        root.add(path)
    return root


def _walk(value: Any, attributes: list[str], names: list[str]) -> Value:
    for depth, attribute in enumerate(attributes):
        if not isinstance(value, msgspec.Struct):
            return list(_list_texts(value, names[depth:])) if isinstance(value, list) else None
        value = getattr(value, attribute)
    if isinstance(value, list):
        return list(_list_texts(value, []))
    return None if isinstance(value, msgspec.Struct) else value


def _list_texts(value: Any, names: Sequence[str]) -> Iterator[str]:
    """List the scalars at a path below a value, through any lists on the way."""
    if isinstance(value, msgspec.Raw):
        value = _load_slice(value)
    if isinstance(value, list):
        for item in value:
            yield from _list_texts(item, names)
    elif names:
        if isinstance(value, dict):
            yield from _list_texts(value.get(names[0]), names[1:])
    elif (text := read_text(value)) is not None:
        yield text


def _load_slice(value: msgspec.Raw) -> Any:
    """Parse a part of a record; nothing when it cannot be parsed, as for a field that nobody reads."""
    try:
        return _load(bytes(value).decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _load(text: bytes | str) -> Any:
    """Parse JSON; numbers keep their digits, as text: they compare by it."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def read_text(value: Value) -> str | None:
    """Return the JSON text of a scalar, None for everything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else None
