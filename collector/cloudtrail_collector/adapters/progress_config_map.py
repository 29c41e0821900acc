"""Keeps the progress of one share in a ConfigMap, which outlives the pod that writes it."""

from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from cloudtrail_collector.adapters.kube_api import FAILURES, KubeApi, KubeApiError
from cloudtrail_collector.errors import ProgressConflictError, ProgressRefusedError, ProgressUnreachableError
from cloudtrail_collector.ports import NotedProgress
from cloudtrail_spec.backfill_task import PROGRESS_KEY, BackfillProgress

_REFUSALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})


class ProgressConfigMap:
    """A ConfigMap that the operator has made. Its resourceVersion is its version."""

    def __init__(self, api: KubeApi, namespace: str, name: str) -> None:
        self._api = api
        self._what = f"ConfigMap {namespace}/{name}"
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    def read(self) -> NotedProgress:
        """Read what is noted. Raises ProgressUnreachableError, ProgressRefusedError."""
        try:
            found = self._api.get(self._path)
        except KubeApiError as error:
            raise self._translate(error) from error
        except FAILURES as error:
            raise ProgressUnreachableError(f"{self._what}: {error}") from error
        text = (found.get("data") or {}).get(PROGRESS_KEY)
        try:
            progress = BackfillProgress.model_validate_json(text) if text else None
        except ValidationError as error:
            what = f"{self._what}: data.{PROGRESS_KEY} is not the progress of a backfill; delete it to begin anew"
            raise ProgressRefusedError(what) from error
        return NotedProgress(progress, _read_version(found))

    def write(self, progress: BackfillProgress, version: str) -> str:
        """Replace a version. Raises ProgressConflictError, ProgressUnreachableError, ProgressRefusedError."""
        text = progress.model_dump_json(by_alias=True, exclude_defaults=True)
        change = {"metadata": {"resourceVersion": version}, "data": {PROGRESS_KEY: text}}
        try:
            return _read_version(self._api.merge(self._path, change))
        except KubeApiError as error:
            raise self._translate(error) from error
        except FAILURES as error:
            raise ProgressUnreachableError(f"{self._what}: {error}") from error

    def _translate(
        self, error: KubeApiError
    ) -> ProgressConflictError | ProgressRefusedError | ProgressUnreachableError:
        text = f"{self._what}: {error}"
        if error.code == HTTPStatus.CONFLICT:
            return ProgressConflictError(text)
        return ProgressRefusedError(text) if error.code in _REFUSALS else ProgressUnreachableError(text)


def _read_version(found: dict[str, Any]) -> str:
    return str(found["metadata"]["resourceVersion"])
