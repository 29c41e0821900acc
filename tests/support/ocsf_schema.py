"""Judges OCSF events by OCSF's own schema, version 1.8.0, in which what is deprecated is refused as well."""

import functools
from typing import Any

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

OCSF_SCHEMA = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))


@functools.cache
def _build_validator(class_uid: int) -> Draft202012Validator:
    name = OCSF_SCHEMA.lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(_refuse_deprecated(OCSF_SCHEMA.get_class_schema(name, ["cloud"])))


def _refuse_deprecated(schema: Any) -> Any:
    """Turn what the schema calls deprecated into what it refuses."""
    if isinstance(schema, list):
        return [_refuse_deprecated(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: False if isinstance(item, dict) and item.get("deprecated") is True else _refuse_deprecated(item)
        for name, item in schema.items()
    }


def list_faults(event: dict[str, Any]) -> list[str]:
    """List what OCSF's own schema of the event's class, with profile cloud, says against it."""
    validator = _build_validator(event["class_uid"])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
