"""The base of every API model: camelCase on the wire, frozen, unknown fields refused."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

API_GROUP = "cloudtrail-operator.io"
API_VERSION = "v1alpha1"


class CelRule:
    """One `x-kubernetes-validations` entry: a rule that the API server evaluates, and what it answers when it fails.

    `field_path` names the field that the message is about; it must exist in the schema (Kubernetes refuses others).
    """

    def __init__(self, rule: str, message: str, field_path: str | None = None) -> None:
        self.rule = rule
        self.message = message
        self.field_path = field_path

    def to_manifest(self) -> dict[str, str]:
        """Render the rule as the CRD schema wants it."""
        entry = {"rule": self.rule, "message": self.message}
        return entry | ({"fieldPath": self.field_path} if self.field_path else {})


class ApiModel(BaseModel):
    """A part of the API. `cel_rules` says to the API server what the model's validators say to Python."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )
    cel_rules: ClassVar[Sequence[CelRule]] = ()
    list_map_keys: ClassVar[Mapping[str, str]] = {}


def explain_pattern(words: str) -> WrapValidator:
    """Make the validator that says in words what a text's pattern asks for; its own form helps few."""

    def check(value: Any, build: ValidatorFunctionWrapHandler) -> Any:
        try:
            return build(value)
        except ValidationError as error:
            if error.errors()[0]["type"] != "string_pattern_mismatch":
                raise
            raise ValueError(words) from error

    return WrapValidator(check)


def describe_errors(error: ValidationError, root: str = "spec") -> list[str]:
    """Turn pydantic's errors into one line each: `spec.sinks[0].http.url: Field required`."""
    return [f"{_path(root, item['loc'])}: {describe_mistake(item)}" for item in list_mistakes(error)]


def list_mistakes(error: ValidationError) -> list[ErrorDetails]:
    """List pydantic's errors without those that only follow from others: a list is short where its items are wrong."""
    items = error.errors()
    places = [item["loc"] for item in items]
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(place[: len(item["loc"])] == item["loc"] and len(place) > len(item["loc"]) for place in places)
    ]


def _path(root: str, location: tuple[int | str, ...]) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{root}{parts}".lstrip(".")


def describe_mistake(item: Any) -> str:
    """Say in words what one of pydantic's errors is about."""
    if item["type"] == "extra_forbidden":
        return "unknown field"
    if item["type"] == "too_short":
        return f"needs {item['ctx']['min_length']} item or more"
    if item["type"] == "string_type" and isinstance(item["input"], bool | int | float):
        return f'must be a text: "{str(item["input"]).lower()}", in quotation marks'
    return re.sub(r"^Value error, ", "", str(item["msg"]))
