"""Reads the CloudTrailSource out of a manifest file, for commands that work without a cluster."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cloudtrail_operator.core.names import SOURCE_API_VERSION
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.source import CloudTrailSourceSpec

KIND = "CloudTrailSource"


class SourceFileError(Exception):
    """A file that holds no usable source; `problems` has a sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source as its owner wrote it."""

    key: SourceKey
    spec: CloudTrailSourceSpec


def read_source(place: str, name: str | None, namespace: str | None) -> SourceFile:
    """Read a file, or standard input for `-`. `name` chooses among several sources. Raises SourceFileError."""
    sources = [item for item in _read_documents(place) if item.get("kind") == KIND]
    names = [str(_get_metadata(source).get("name")) for source in sources]
    chosen = [source for source, own in zip(sources, names, strict=True) if name in {None, own}]
    if not chosen:
        called = f" named {name}" if name else ""
        raise SourceFileError([f"{place}: holds no {KIND}{called}"])
    if len(chosen) > 1:
        raise SourceFileError([f"{place}: holds several {KIND}s: choose one with --name: {', '.join(names)}"])
    return _judge(chosen[0], place, namespace)


def _read_documents(place: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise SourceFileError([f"{place}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise SourceFileError([f"{place}: not UTF-8 text"]) from error
    except yaml.YAMLError as error:
        raise SourceFileError([f"{place}: not YAML: {' '.join(str(error).split())}"]) from error
    found = [document for document in documents if isinstance(document, dict)]
    lists = [item for document in found if isinstance(items := document.get("items"), list) for item in items]
    return [*found, *(item for item in lists if isinstance(item, dict))]


def _get_metadata(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _judge(manifest: dict[str, Any], place: str, namespace: str | None) -> SourceFile:
    """Check everything, and list all that is wrong."""
    metadata = _get_metadata(manifest)
    name, place_of = metadata.get("name"), namespace or metadata.get("namespace")
    problems = []
    if manifest.get("apiVersion") != SOURCE_API_VERSION:
        problems.append(f"apiVersion: must be {SOURCE_API_VERSION}, is {manifest.get('apiVersion')}")
    if not isinstance(name, str) or not name:
        problems.append("metadata.name: is needed")
    if not isinstance(place_of, str) or not place_of:
        problems.append("metadata.namespace: is needed, here or as --namespace: roles trust a ServiceAccount of it")
    spec = _parse_spec(manifest.get("spec"), problems)
    if problems or spec is None:
        raise SourceFileError([f"{place}: {problem}" for problem in problems])
    return SourceFile(SourceKey(str(place_of), str(name)), spec)


def _parse_spec(spec: Any, problems: list[str]) -> CloudTrailSourceSpec | None:
    try:
        # As JSON: what the API server takes is decided by it.
        return CloudTrailSourceSpec.model_validate_json(json.dumps(spec, default=str))
    except ValidationError as error:
        problems += describe_errors(error)
        return None
