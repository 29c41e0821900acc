"""Pure: a pydantic model → the structural OpenAPI v3 schema that a Kubernetes API server accepts.

Rules: Kubernetes documentation, "Specifying a structural schema". References are inlined, nullable unions reduced to
their type, and nothing inside a list item gets a default: an injected default there makes GitOps tools see a difference
for ever.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from cloudtrail_spec.base import ApiModel

KEPT = (
    "type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "x-kubernetes-preserve-unknown-fields",
)  # fmt: skip


def build_schema(model: type[ApiModel], *, with_defaults: bool = True) -> dict[str, Any]:
    """Build the schema of an object from its model; without defaults the server fills in nothing (for a status)."""
    document = model.model_json_schema(by_alias=True, mode="validation")
    models = _collect_models(model)
    return _Builder(document.get("$defs", {}), models).build(
        document | {"title": model.__name__}, may_default=with_defaults
    )


def _collect_models(model: type[BaseModel]) -> dict[str, type[ApiModel]]:
    found: dict[str, type[ApiModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, ApiModel) and item.__name__ not in found:
            found[item.__name__] = item
            waiting += [field.annotation for field in item.model_fields.values()]
        waiting += get_args(item)
    return found


class _Builder:
    def __init__(self, definitions: Mapping[str, Any], models: Mapping[str, type[ApiModel]]) -> None:
        self._definitions = definitions
        self._models = models

    def build(self, node: Mapping[str, Any], *, may_default: bool = True) -> dict[str, Any]:
        node = self._resolve(node)
        schema = {name: node[name] for name in KEPT if name in node}
        if "description" in node:
            schema["description"] = " ".join(str(node["description"]).split())
        if "default" in node and node["default"] not in (None, [], {}) and may_default:
            schema["default"] = node["default"]
        if schema.get("type") == "integer":
            schema["format"] = "int32" if node.get("maximum", 2**31) < 2**31 else "int64"
        if schema.get("type") == "array":
            schema["items"] = self.build(node["items"], may_default=False)
        if schema.get("type") == "object":
            self._add_object_parts(schema, node, may_default=may_default)
        return schema

    def _resolve(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a reference, and `T | None`, by what they stand for; the words at hand win over those behind."""
        if "$ref" in node:
            target = self._resolve(self._definitions[node["$ref"].rsplit("/", 1)[1]])
            return {**target, **{name: value for name, value in node.items() if name not in ("$ref", "title")}}
        if "anyOf" in node:
            (choice,) = [entry for entry in node["anyOf"] if entry.get("type") != "null"]
            return {
                **self._resolve(choice),
                **{name: value for name, value in node.items() if name not in ("anyOf", "title")},
            }
        if "const" in node:
            return {**node, "enum": [node["const"]]}
        return dict(node)

    def _add_object_parts(self, schema: dict[str, Any], node: Mapping[str, Any], *, may_default: bool) -> None:
        if isinstance(node.get("additionalProperties"), dict):
            schema["additionalProperties"] = self.build(node["additionalProperties"], may_default=False)
            return
        properties = {
            name: self.build(part, may_default=may_default) for name, part in node.get("properties", {}).items()
        }
        if properties:
            schema["properties"] = properties
        if node.get("required"):
            schema["required"] = sorted(node["required"])
        model = self._models.get(str(node.get("title")))
        if model is not None:
            _add_list_types(properties, model)
            if model.cel_rules:
                schema["x-kubernetes-validations"] = [rule.to_manifest() for rule in model.cel_rules]


def _add_list_types(properties: Mapping[str, dict[str, Any]], model: type[ApiModel]) -> None:
    for name, part in properties.items():
        if part.get("type") == "array":
            key = model.list_map_keys.get(name)
            part["x-kubernetes-list-type"] = "map" if key else "atomic"
            if key:
                part["x-kubernetes-list-map-keys"] = [key]
