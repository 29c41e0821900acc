import pytest
from pydantic import ValidationError

from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.bad_specs import BAD_SPECS, BadSpec
from support.sources import build_spec


def test_valid_spec_is_accepted() -> None:
    assert CloudTrailSourceSpec.model_validate(build_spec()).mode == "Test"


@pytest.mark.parametrize("case", BAD_SPECS, ids=lambda case: case.name)
def test_broken_spec_is_refused_with_the_field_and_the_rule(case: BadSpec) -> None:
    with pytest.raises(ValidationError) as caught:
        CloudTrailSourceSpec.model_validate(case.spec)
    lines = describe_errors(caught.value)
    assert [line for line in lines if line.startswith(f"{case.field}:") and case.words in line], lines


def test_every_mistake_is_listed_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        CloudTrailSourceSpec.model_validate(build_spec(bucket="NO", region="nowhere", mode="On", extra=1))
    assert {line.split(":")[0] for line in describe_errors(caught.value)} == {
        "spec.bucket",
        "spec.region",
        "spec.mode",
        "spec.extra",
    }


def test_pipeline_survives_the_way_through_a_file() -> None:
    source = CloudTrailSourceSpec.model_validate(build_spec(collector={"replicas": 3}, test={"maxMessages": 7}))
    pipeline = source.to_pipeline()
    text = pipeline.model_dump_json(by_alias=True, exclude_none=True)
    assert PipelineSpec.model_validate_json(text) == pipeline
    assert "replicas" not in text
    assert "roleArn" not in text


def test_scaling_is_named_as_kubernetes_names_it() -> None:
    spec = CloudTrailSourceSpec.model_validate(build_spec(scaling={"max": 3, "targetCPUPercent": 70}))
    assert spec.scaling is not None
    assert (spec.scaling.min, spec.scaling.max, spec.scaling.target_messages) == (1, 3, 1000)
    assert spec.scaling.target_cpu_percent == 70


@pytest.mark.parametrize(
    "changes",
    [
        {"scaling": {"max": 100}},
        {"scaling": {"max": 10, "targetCPUPercent": 80}, "test": {"maxMessages": 10_000}},
        {"scaling": {"max": 2, "targetCPUPercent": 80}, "collector": {"resources": {"requests": {"cpu": "1"}}}},
        {"scaling": {"max": 2, "targetCPUPercent": 80}, "collector": {"resources": {"limits": {"cpu": "1"}}}},
        {"scaling": {"max": 2}, "collector": {"resources": {"requests": {"memory": "1Gi"}}}},
    ],
    ids=str,
)
def test_scaling_that_can_work_is_accepted(changes: dict[str, object]) -> None:
    assert CloudTrailSourceSpec.model_validate(build_spec(**changes)).scaling is not None
