"""The spec of a backfill, judged in Python."""

import re

import pytest
from pydantic import ValidationError

from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.interval import INTERVAL_PATTERN
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.backfills import build_backfill_spec, build_inline_source
from support.bad_backfills import BAD_BACKFILLS
from support.bad_specs import BadSpec
from support.sources import build_spec


@pytest.mark.parametrize("case", BAD_BACKFILLS, ids=lambda case: case.name)
def test_broken_spec_is_refused_with_the_field_and_the_rule(case: BadSpec) -> None:
    with pytest.raises(ValidationError) as caught:
        CloudTrailBackfillSpec.model_validate(case.spec)
    lines = describe_errors(caught.value)
    assert [line for line in lines if line.startswith(case.field) and case.words in line], lines


@pytest.mark.parametrize(
    "interval",
    [
        "5d",
        "3w",
        "12h-30m",
        "90s",
        "5d-2d",
        "2021-03-30T18:07:17Z",
        "2023-04-05T06:00:00Z-2023-04-05T12:00:10Z",
        "2023-04-05T06:00:00Z-5d",
    ],
)
def test_every_form_of_interval_is_accepted(interval: str) -> None:
    assert CloudTrailBackfillSpec.model_validate(build_backfill_spec(interval=interval)).interval == interval


def test_pattern_means_the_same_to_the_api_server() -> None:
    """CEL's expressions are RE2's, which has no look-around and no back references."""
    assert re.search(r"\(\?|\\[0-9]", INTERVAL_PATTERN) is None


def test_settings_of_its_own_are_those_of_an_active_source() -> None:
    inline = build_inline_source(prefix="org/", filters=[], endpoints={"s3": "https://s3.example.com"}, format="ECS")
    spec = CloudTrailBackfillSpec.model_validate(build_backfill_spec(sourceRef=None, source=inline))
    assert spec.source is not None
    made = spec.source.to_source_spec()
    said = CloudTrailSourceSpec.model_validate(
        build_spec(mode="Active", prefix="org/", format="ECS", endpoints={"s3": "https://s3.example.com"})
    )
    assert made.model_copy(update={"queue_arn": said.queue_arn}) == said
    assert ":us-east-1:000000000000:" in made.queue_arn


def test_what_may_change_is_not_fixed() -> None:
    first = CloudTrailBackfillSpec.model_validate(build_backfill_spec())
    edited = build_backfill_spec(parallelism=3, suspend=True, ttlSecondsAfterFinished=60)
    assert CloudTrailBackfillSpec.model_validate(edited).fixed == first.fixed
    other = build_backfill_spec(accounts=["111122223333"])
    assert CloudTrailBackfillSpec.model_validate(other).fixed != first.fixed


def test_defaults_are_small_and_written_out() -> None:
    spec = CloudTrailBackfillSpec.model_validate(build_backfill_spec())
    assert (spec.shares, spec.parallelism, spec.suspend, spec.ttl_seconds_after_finished) == (8, 2, False, None)
    assert spec.fixed == {"sourceRef": {"name": "org-trail"}, "interval": "5d-2d"}
