"""Reads the CloudTrailSource or CloudTrailBackfill out of a manifest file, for commands that work without a cluster."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from cloudtrail_operator.aws_setup.trust import ServiceAccount
from cloudtrail_operator.core.names import SOURCE_API_VERSION
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.base import ApiModel, describe_errors
from cloudtrail_spec.source import CloudTrailSourceSpec

SOURCE = "CloudTrailSource"
BACKFILL = "CloudTrailBackfill"

_Spec = TypeVar("_Spec", bound=ApiModel)


class ManifestError(Exception):
    """A file that holds nothing usable; `problems` has a sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source as its owner wrote it."""

    key: SourceKey
    spec: CloudTrailSourceSpec

    @property
    def pods(self) -> ServiceAccount:
        """Who its pods are."""
        return ServiceAccount.of_source(self.key)


@dataclass(frozen=True, slots=True)
class BackfillFile:
    """A backfill with settings of its own, as the source that it would be."""

    pods: ServiceAccount
    spec: CloudTrailSourceSpec


def read_source(place: str, name: str | None, namespace: str | None) -> SourceFile:
    """Read a file, or standard input for `-`. `name` chooses among several sources. Raises ManifestError."""
    return _judge_source(_choose(_read_documents(place), [SOURCE], place, name), place, namespace)


def read_reader(place: str, name: str | None, namespace: str | None) -> SourceFile | BackfillFile:
    """Read a source; in a file without one that is meant, a backfill with settings of its own. Raises ManifestError."""
    chosen = _choose(_read_documents(place), [SOURCE, BACKFILL], place, name)
    judge = _judge_backfill if chosen["kind"] == BACKFILL else _judge_source
    return judge(chosen, place, namespace)


def _read_documents(place: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise ManifestError([f"{place}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ManifestError([f"{place}: not UTF-8 text"]) from error
    except yaml.YAMLError as error:
        raise ManifestError([f"{place}: not YAML: {' '.join(str(error).split())}"]) from error
    found = [document for document in documents if isinstance(document, dict)]
    lists = [item for document in found if isinstance(items := document.get("items"), list) for item in items]
    return [*found, *(item for item in lists if isinstance(item, dict))]


def _choose(documents: Sequence[dict[str, Any]], kinds: Sequence[str], place: str, name: str | None) -> dict[str, Any]:
    """Choose the one that is meant, of the first kind that has any. Raises ManifestError."""
    for kind in kinds:
        chosen = [item for item in documents if item.get("kind") == kind and name in {None, _get_name(item)}]
        if len(chosen) > 1:
            names = ", ".join(map(_get_name, chosen))
            raise ManifestError([f"{place}: holds several {kind}s: choose one with --name: {names}"])
        if chosen:
            return chosen[0]
    called = f" named {name}" if name else ""
    raise ManifestError([f"{place}: holds no {' or '.join(kinds)}{called}"])


def _get_metadata(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _get_name(manifest: dict[str, Any]) -> str:
    return str(_get_metadata(manifest).get("name"))


def _judge_source(manifest: dict[str, Any], place: str, namespace: str | None) -> SourceFile:
    problems, key = _judge_metadata(manifest, namespace)
    spec = _parse_spec(CloudTrailSourceSpec, manifest, problems)
    if problems or spec is None:
        raise ManifestError([f"{place}: {problem}" for problem in problems])
    return SourceFile(key, spec)


def _judge_backfill(manifest: dict[str, Any], place: str, namespace: str | None) -> BackfillFile:
    problems, key = _judge_metadata(manifest, namespace)
    spec = _parse_spec(CloudTrailBackfillSpec, manifest, problems)
    if spec is not None and spec.source_ref is not None:
        source = spec.source_ref.name
        problems.append(
            f"spec.sourceRef: {BACKFILL} {key.name} reads with the role of {SOURCE} {source}: give this command the"
            " manifest of that source, and --also list for the policy"
        )
    if problems or spec is None or spec.source is None:
        raise ManifestError([f"{place}: {problem}" for problem in problems])
    return BackfillFile(ServiceAccount.of_backfill(key.namespace, key.name), spec.source.to_source_spec())


def _judge_metadata(manifest: dict[str, Any], namespace: str | None) -> tuple[list[str], SourceKey]:
    """Check everything that is not the spec; return all that is wrong, and where the resource is."""
    metadata = _get_metadata(manifest)
    name, place_of = metadata.get("name"), namespace or metadata.get("namespace")
    problems = []
    if manifest.get("apiVersion") != SOURCE_API_VERSION:
        problems.append(f"apiVersion: must be {SOURCE_API_VERSION}, is {manifest.get('apiVersion')}")
    if not isinstance(name, str) or not name:
        problems.append("metadata.name: is needed")
    if not isinstance(place_of, str) or not place_of:
        problems.append("metadata.namespace: is needed, here or as --namespace: roles trust a ServiceAccount of it")
    return problems, SourceKey(str(place_of), str(name))


def _parse_spec(model: type[_Spec], manifest: dict[str, Any], problems: list[str]) -> _Spec | None:
    try:
        # As JSON: what the API server takes is decided by it.
        return model.model_validate_json(json.dumps(manifest.get("spec"), default=str))
    except ValidationError as error:
        problems += describe_errors(error)
        return None
