"""CRDs → values.schema.json of cloudtrail-sources: what a spec may hold is known before anything is sent to a cluster.

A spec of the values may lack what the shared defaults have. So nothing is required of objects that are merged; what stands
in lists is whole. What JSON Schema cannot say (CEL rules), and what is missing after all, the API server refuses.
"""

from collections.abc import Iterable
from typing import Any

JSON = dict[str, Any]

_KEPT = (
    "type", "format", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems",
    "maxItems", "maxProperties",
)  # fmt: skip
_FAMILY = "cloudtrail"
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def build_schema(crds: Iterable[JSON]) -> JSON:
    """Build the schema from the CRDs: CloudTrailSource stands in the values as `sources` and `sourceDefaults`."""
    properties: JSON = {"labels": {"$ref": "#/definitions/strings"}, "annotations": {"$ref": "#/definitions/strings"}}
    definitions: JSON = {"strings": _STRINGS}
    for crd in crds:
        names = crd["spec"]["names"]
        kind = names["kind"]
        resource = _find_schema(crd)
        definitions[kind] = convert(resource["spec"], merged=True)
        properties[f"{names['singular'].removeprefix(_FAMILY)}Defaults"] = {"$ref": f"#/definitions/{kind}"}
        properties[names["plural"].removeprefix(_FAMILY)] = {
            "type": "object",
            "propertyNames": convert(resource["metadata"]["properties"]["name"], merged=True),
            "additionalProperties": _build_resource(kind),
        }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of cloudtrail-sources",
        "type": "object",
        "additionalProperties": False,
        "properties": properties | {"global": {"type": "object"}},
        "definitions": definitions,
    }


def _build_resource(kind: str) -> JSON:
    """A resource as the values have it, or null, by which a file of values takes one out that another has."""
    strings = {"$ref": "#/definitions/strings"}
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {"labels": strings, "annotations": strings, "spec": {"$ref": f"#/definitions/{kind}"}},
    }


def _find_schema(crd: JSON) -> JSON:
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    properties: JSON = version["schema"]["openAPIV3Schema"]["properties"]
    return properties


def convert(schema: JSON, *, merged: bool) -> JSON:
    """Convert a structural schema of a CRD; unknown fields are refused, as strict validation does."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result: JSON = {key: schema[key] for key in _KEPT if key in schema}
    if "required" in schema and not merged:
        result["required"] = schema["required"]
    if "items" in schema:
        result["items"] = convert(schema["items"], merged=False)
    if "properties" in schema:
        result["properties"] = {name: convert(inner, merged=merged) for name, inner in schema["properties"].items()}
    if schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        others = schema.get("additionalProperties", False)
        result["additionalProperties"] = convert(others, merged=merged) if isinstance(others, dict) else others
    return result
