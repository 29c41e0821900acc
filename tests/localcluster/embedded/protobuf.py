"""The few bodies that kubectl sends as protobuf only (`create namespace`, `create token`, `auth can-i` …) -> JSON.

The wire format is generic; the field numbers are those of the published .proto files. Any other message, and any
field that is set and not listed here, is refused with 415, as a server without protobuf would: nothing gets lost.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from localcluster.embedded.errors import ApiError, unsupported_media_type
from localcluster.embedded.jsontypes import Json

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

Message = dict[int, tuple[str, Any]]
"""Field number -> (JSON name, how to read it): str, bytes, int, bool, a Message, or a list/map of those."""

_STRING_MAP = {"map": str}
_BYTES_MAP = {"map": bytes}
_META: Message = {
    1: ("name", str),
    2: ("generateName", str),
    3: ("namespace", str),
    11: ("labels", _STRING_MAP),
    12: ("annotations", _STRING_MAP),
}
_RESOURCE_ATTRIBUTES: Message = {
    1: ("namespace", str),
    2: ("verb", str),
    3: ("group", str),
    4: ("version", str),
    5: ("resource", str),
    6: ("subresource", str),
    7: ("name", str),
}
_REVIEW_SPEC: Message = {
    1: ("resourceAttributes", _RESOURCE_ATTRIBUTES),
    2: ("nonResourceAttributes", {1: ("path", str), 2: ("verb", str)}),
}
_BOUND_OBJECT: Message = {1: ("kind", str), 2: ("apiVersion", str), 3: ("name", str), 4: ("uid", str)}
_TOKEN_SPEC: Message = {1: ("audiences", [str]), 3: ("boundObjectRef", _BOUND_OBJECT), 4: ("expirationSeconds", int)}
_DELETE: Message = {1: ("gracePeriodSeconds", int), 4: ("propagationPolicy", str), 5: ("dryRun", [str])}
_RULE: Message = {
    1: ("verbs", [str]),
    2: ("apiGroups", [str]),
    3: ("resources", [str]),
    4: ("resourceNames", [str]),
    5: ("nonResourceURLs", [str]),
}
_SUBJECT: Message = {1: ("kind", str), 2: ("apiGroup", str), 3: ("name", str), 4: ("namespace", str)}
_BINDING: Message = {
    1: ("metadata", _META),
    2: ("subjects", [_SUBJECT]),
    3: ("roleRef", {1: ("apiGroup", str), 2: ("kind", str), 3: ("name", str)}),
}
_SECRET: Message = {1: ("metadata", _META), 2: ("data", _BYTES_MAP), 3: ("type", str), 4: ("stringData", _STRING_MAP)}
_MESSAGES: dict[str, Message] = {
    "Namespace": {1: ("metadata", _META)},
    "ServiceAccount": {1: ("metadata", _META)},
    "ConfigMap": {1: ("metadata", _META), 2: ("data", _STRING_MAP), 3: ("binaryData", _BYTES_MAP)},
    "Secret": _SECRET,
    "SelfSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _REVIEW_SPEC)},
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", str)})},
    "SelfSubjectReview": {1: ("metadata", _META)},
    "TokenRequest": {1: ("metadata", _META), 2: ("spec", _TOKEN_SPEC)},
    "DeleteOptions": _DELETE,
    "Eviction": {1: ("metadata", _META), 2: ("deleteOptions", _DELETE)},
    "Role": {1: ("metadata", _META), 2: ("rules", [_RULE])},
    "ClusterRole": {1: ("metadata", _META), 2: ("rules", [_RULE])},
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
}
_CONTAINER: Message = {
    1: ("name", str),
    2: ("image", str),
    3: ("command", [str]),
    4: ("args", [str]),
    6: ("ports", [{1: ("name", str), 3: ("containerPort", int), 4: ("protocol", str)}]),
}
_POD_TEMPLATE: Message = {1: ("metadata", _META), 2: ("spec", {2: ("containers", [_CONTAINER])})}
_DEPLOYMENT_SPEC: Message = {
    1: ("replicas", int),
    2: ("selector", {1: ("matchLabels", _STRING_MAP)}),
    3: ("template", _POD_TEMPLATE),
}
_MESSAGES["Deployment"] = {1: ("metadata", _META), 2: ("spec", _DEPLOYMENT_SPEC)}
_TYPE_META: Message = {1: ("apiVersion", str), 2: ("kind", str)}
_ENVELOPE: Message = {
    1: ("typeMeta", _TYPE_META),
    2: ("raw", bytes),
    3: ("contentEncoding", str),
    4: ("contentType", str),
}


def decode_body(body: bytes) -> Json:
    """Read a protobuf body with the Kubernetes envelope; raises UnsupportedMediaType (415) for kinds not listed."""
    if not body.startswith(MAGIC):
        raise unsupported_media_type("application/json", "application/yaml")
    envelope = _read_message(body[len(MAGIC) :], _ENVELOPE)
    type_meta: Json = envelope.get("typeMeta") or {}
    message = _MESSAGES.get(type_meta.get("kind", ""))
    if message is None:
        raise unsupported_media_type("application/json", "application/yaml")
    return {**type_meta, **_read_message(envelope.get("raw", b""), message, binary_as_text=True)}


def _read_message(data: bytes, message: Message, *, binary_as_text: bool = False) -> Json:
    result: Json = {}
    for number, value in _fields(data):
        if number in message:
            name, kind = message[number]
            _add(result, name, kind, value, binary_as_text=binary_as_text)
        elif value and not (isinstance(value, bytes) and _is_empty(value)):
            raise unsupported_media_type("application/json", "application/yaml")
    return result


def _is_empty(value: bytes) -> bool:
    """Whether a message that is not read here says nothing: only empty members, as clients send for unset structs."""
    try:
        return all(not member or (isinstance(member, bytes) and _is_empty(member)) for _, member in _fields(value))
    except (ApiError, IndexError):
        return False


def _add(result: Json, name: str, kind: Any, value: Any, *, binary_as_text: bool) -> None:
    if isinstance(kind, list):
        result.setdefault(name, []).append(_convert(value, kind[0], binary_as_text=binary_as_text))
    elif isinstance(kind, dict) and "map" in kind:
        entry = dict(_fields(value))
        member = _convert(entry.get(2, b""), kind["map"], binary_as_text=binary_as_text)
        result.setdefault(name, {})[entry.get(1, b"").decode()] = member
    else:
        converted = _convert(value, kind, binary_as_text=binary_as_text)
        if converted != "":
            result[name] = converted


def _convert(value: Any, kind: Any, *, binary_as_text: bool) -> Any:
    if isinstance(kind, dict):
        return _read_message(value, kind, binary_as_text=binary_as_text)
    if kind is str:
        return value.decode()
    if kind is bytes:
        return base64.b64encode(value).decode() if binary_as_text else value
    return bool(value) if kind is bool else value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                value, position = _varint(data, position)
                yield tag >> 3, value
            case 2:
                length, position = _varint(data, position)
                yield tag >> 3, data[position : position + length]
                position += length
            case 1:
                position += 8
            case 5:
                position += 4
            case _:
                raise unsupported_media_type("application/json", "application/yaml")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
