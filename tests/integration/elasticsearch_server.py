"""A server that answers bulk requests as Elasticsearch 8 documents it: item by item, with what `filter_path` leaves.

It keeps documents by index and id, checks them against a strict mapping, and has faults to order.
"""

import fnmatch
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integration.http_stand_in import HttpStandIn, Received, Reply

Document = dict[str, Any]
Error = tuple[int, str, str]


@dataclass
class Indices:
    """What the store holds and how it is set up.

    `busy` items are answered with 429 before any is taken; documents with an eventID of `refused` fit no mapping.
    """

    documents: dict[str, dict[str, Document]] = field(default_factory=lambda: defaultdict(dict))
    pipelines: tuple[str, ...] = ()
    authorization: str | None = None
    max_request_bytes: int = 100 * 1024 * 1024
    strict_fields: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    auto_create: bool = True
    read_only: bool = False
    is_data_stream: bool = False
    busy: int = 0
    forbidden: bool = False


class ElasticsearchServer(HttpStandIn):
    """A node with one set of indices."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.indices = Indices()
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def read_documents(self, index: str) -> dict[str, Document]:
        """Read the documents of an index by id."""
        return self.indices.documents[index]

    def _answer(self, request: Received) -> Reply:
        with self._lock:
            url = urlsplit(request.target)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            refusal = self._refuse(request, url.path)
            if refusal is not None:
                return refusal
            items = [self._take(*pair, query.get("pipeline")) for pair in _read_pairs(request.body)]
            errors = any("error" in item for action in items for item in action.values())
            return _reply(200, {"took": 1, "errors": errors, "items": items}, query.get("filter_path"))

    def _refuse(self, request: Received, path: str) -> Reply | None:
        """What Elasticsearch says of a request as a whole."""
        wanted = self.indices.authorization
        if wanted is not None and request.headers["Authorization"] != wanted:
            return _fail(401, "security_exception", "unable to authenticate")
        if not path.endswith("/_bulk"):
            return _fail(405, "", "Incorrect HTTP method for uri, allowed: [GET]")
        if request.sent_bytes > self.indices.max_request_bytes:
            return Reply(413)
        if not request.body.endswith(b"\n"):
            reason = "The bulk request must be terminated by a newline [\\n]"
            return _fail(400, "illegal_argument_exception", reason)
        for _, action, _ in _read_pairs(request.body):
            identifier = action.get("_id")
            if identifier == "" or len((identifier or "").encode()) > 512:
                reason = "Validation Failed: 1: id is too long or empty;"
                return _fail(400, "action_request_validation_exception", reason)
        return None

    def _take(self, operation: str, action: Document, line: bytes, pipeline: str | None) -> dict[str, Document]:
        """Take one document, or say why not."""
        error = self._find_index_error(operation, action["_index"], pipeline) or self._find_document_error(line)
        name = action["_index"]
        identifier = action.get("_id") or f"auto-{next(self._numbers)}"
        kept = self.indices.documents[name]
        if error is None and operation == "create" and identifier in kept:
            reason = f"[{identifier}]: version conflict, document already exists (current version [1])"
            error = 409, "version_conflict_engine_exception", reason
        facts: Document = {"_index": name, "_id": identifier}
        if error is not None:
            status, kind, reason = error
            return {operation: facts | {"status": status, "error": {"type": kind, "reason": reason, "index": name}}}
        is_new = identifier not in kept
        kept[identifier] = json.loads(line)
        facts |= {"_version": 1, "result": "created", "_shards": {"total": 2, "successful": 1, "failed": 0}}
        return {operation: facts | {"status": 201 if is_new else 200}}

    def _find_index_error(self, operation: str, index: str, pipeline: str | None) -> Error | None:
        state = self.indices
        unauthorized = "action [indices:data/write/bulk[s]] is unauthorized for user [ann]"
        create_only = "only write ops with an op_type of create are allowed in data streams"
        blocked = f"index [{index}] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];"
        errors: list[tuple[bool, Error]] = [
            (
                pipeline is not None and pipeline not in state.pipelines,
                (400, "illegal_argument_exception", f"pipeline with id [{pipeline}] does not exist"),
            ),
            (state.forbidden, (403, "security_exception", unauthorized)),
            (
                not state.auto_create and index not in state.documents,
                (404, "index_not_found_exception", f"no such index [{index}]"),
            ),
            (state.is_data_stream and operation != "create", (400, "illegal_argument_exception", create_only)),
            (state.read_only, (429, "cluster_block_exception", blocked)),
            (state.busy > 0, (429, "es_rejected_execution_exception", "rejected execution of coordinating operation")),
        ]
        error = next((error for holds, error in errors if holds), None)
        state.busy -= error is not None and error[1] == "es_rejected_execution_exception"
        return error

    def _find_document_error(self, line: bytes) -> Error | None:
        try:
            document = json.loads(line)
        except ValueError:
            return 400, "document_parsing_exception", "[1:2] failed to parse"
        if "eventTime" in document:
            try:
                datetime.fromisoformat(document["eventTime"])
            except ValueError:
                return 400, "document_parsing_exception", "failed to parse field [eventTime] of type [date]"
        if document.get("eventID") in self.indices.refused:
            return 400, "mapper_parsing_exception", "failed to parse"
        for name in sorted(document.keys() - (self.indices.strict_fields or document.keys())):
            reason = f"mapping set to strict, dynamic introduction of [{name}] within [_doc] is not allowed"
            return 400, "strict_dynamic_mapping_exception", reason
        return None


def _read_pairs(body: bytes) -> Iterator[tuple[str, Document, bytes]]:
    lines = body.split(b"\n")[:-1]
    for head, line in zip(lines[::2], lines[1::2], strict=True):
        ((operation, action),) = json.loads(head).items()
        yield operation, action, line


def _fail(status: int, kind: str, reason: str) -> Reply:
    error = {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason} if kind else reason
    return _reply(status, {"error": error, "status": status}, None)


def _reply(status: int, document: Mapping[str, Any], filter_path: str | None) -> Reply:
    if filter_path is not None:
        document = filter_document(document, [path.split(".") for path in filter_path.split(",")]) or {}
    headers = {
        "Content-Type": "application/vnd.elasticsearch+json;compatible-with=8",
        "X-Elastic-Product": "Elasticsearch",
    }
    return Reply(status, json.dumps(document).encode(), headers)


def filter_document(value: Any, paths: list[list[str]]) -> Any:
    """Leave what a path leads to; as in Elasticsearch, items of a list of which nothing is left are gone from it."""
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        return [left for item in value if (left := filter_document(item, paths)) is not None] or None
    if not isinstance(value, dict):
        return None
    kept = {}
    for name, item in value.items():
        deeper = [path[1:] for path in paths if fnmatch.fnmatchcase(name, path[0])]
        if deeper and (left := filter_document(item, deeper)) is not None:
            kept[name] = left
    return kept or None
