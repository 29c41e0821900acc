"""The configuration that the operator writes is the one that a collector reads."""

import hashlib
from typing import Any

import pytest

from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.observations import build_wanted
from support.sources import build_filter, build_spec

CASES: tuple[dict[str, Any], ...] = (
    {},
    {"mode": "Paused", "sinks": None},
    {
        "mode": "Active",
        "prefix": "audit/",
        "filters": [build_filter("one"), build_filter("two", equals=None, startsWith=["Describe"])],
        "objects": {"missing": "Drop", "maxUncompressedBytes": 1048576},
        "test": {"maxMessages": 5},
        "sinks": [{"name": "a", "stdout": {}}, {"name": "b", "http": {"url": "https://example.com/x"}}],
        "endpointUrl": "http://127.0.0.1:4566",
        "collector": {"replicas": 3},
    },
)


@pytest.mark.parametrize("changes", CASES, ids=["smallest", "paused", "everything"])
def test_config_loads_as_the_pipeline_of_the_source(changes: dict[str, Any]) -> None:
    desired = build_wanted(**changes)
    config_map = next(item for item in desired.manifests if item["kind"] == "ConfigMap")
    text = config_map["data"]["config.json"]
    spec = CloudTrailSourceSpec.model_validate(build_spec(**changes))
    assert PipelineSpec.model_validate_json(text) == spec.to_pipeline()
    assert hashlib.sha256(text.encode()).hexdigest() == desired.config_hash
    assert "replicas" not in text
