"""Turns a file, a pipeline's JSON or the manifest of a CloudTrailSource (YAML or JSON), into a pipeline."""

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_spec.base import API_GROUP, API_VERSION, describe_errors
from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.source import CloudTrailSourceSpec

KIND = "CloudTrailSource"
STANDARD_INPUT = Path("-")
_Spec = TypeVar("_Spec", bound=PipelineSpec)


def read_pipeline(path: Path, name: str | None = None) -> PipelineSpec:
    """Read the file, or standard input for `-`; a manifest gives its source's spec, `name` chooses among several.

    Raises ConfigurationError with every mistake.
    """
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: not UTF-8 text"]) from error
    document = _choose(_parse(text, path), path, name)
    if "kind" in document or "apiVersion" in document:
        return _read_manifest(document, path)
    return _check(PipelineSpec, document, root="")


def _parse(text: str, path: Path) -> list[Any]:
    """Parse JSON, or else YAML, of which JSON is nearly a part: its own parser says better what is wrong with it."""
    if path.suffix == ".json":
        try:
            return [json.loads(text)]
        except ValueError as error:
            raise ConfigurationError([f"{path}: not JSON: {error}"]) from error
    import yaml  # noqa: PLC0415  (only here, and `run` does without)

    try:
        return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        said = " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
        raise ConfigurationError([f"{path}: not YAML: {said}"]) from error


def _choose(documents: list[Any], path: Path, name: str | None) -> dict[str, Any]:
    """Choose the source among what else a file may hold, such as its Secrets."""
    found = [item for document in documents if isinstance(document, dict) for item in _open_list(document)]
    everything = [item for item in found if item.get("kind") == KIND]
    sources = [item for item in everything if name in {None, _get_name(item)}]
    if name and not sources:
        raise ConfigurationError([f"{path}: holds no {KIND} named {name}"])
    if len(sources) > 1:
        names = ", ".join(map(_get_name, sources))
        raise ConfigurationError([f"{path}: holds {len(sources)} {KIND}s ({names}); put one in a file"])
    if sources or len(found) == 1:
        return (sources or found)[0]
    raise ConfigurationError([f"{path}: holds neither a {KIND} nor the configuration of a pipeline"])


def _get_name(source: dict[str, Any]) -> str:
    metadata = source.get("metadata")
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def _open_list(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        return [item for item in items if isinstance(item, dict)]
    return [document]


def _read_manifest(document: dict[str, Any], path: Path) -> CloudTrailSourceSpec:
    version, kind = document.get("apiVersion"), document.get("kind")
    errors = []
    if kind != KIND:
        errors.append(f"kind: must be {KIND}, is {kind}")
    if version != f"{API_GROUP}/{API_VERSION}":
        errors.append(f"apiVersion: must be {API_GROUP}/{API_VERSION}, is {version}")
    if not isinstance(document.get("spec"), dict):
        errors.append("spec: Field required")
    if errors:
        raise ConfigurationError([f"{path}: {error}" for error in errors])
    return _check(CloudTrailSourceSpec, document["spec"], root="spec")


def _check(model: type[_Spec], document: Any, root: str) -> _Spec:
    try:
        # As JSON: what the API server and a collector take is decided by it.
        return model.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ConfigurationError([line.removeprefix(": ") for line in describe_errors(error, root=root)]) from error
