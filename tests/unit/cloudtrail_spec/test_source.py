import pytest
from pydantic import ValidationError

from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.features import find_unavailable
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


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scaling": {"max": 3}}, "spec.scaling"),
    ],
)
def test_what_this_version_cannot_do_is_named(changes: dict[str, object], field: str) -> None:
    (sentence,) = find_unavailable(CloudTrailSourceSpec.model_validate(build_spec(**changes)))
    assert sentence.startswith(f"{field}:")


def test_nothing_is_named_when_all_is_available() -> None:
    assert find_unavailable(CloudTrailSourceSpec.model_validate(build_spec())) == []
