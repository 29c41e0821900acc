"""The statements that the collector's doctor prints are those of the operator's policies."""

import json
import shlex

import pytest

from cloudtrail_collector.core.doctor.facts import Subject
from cloudtrail_collector.core.doctor.mends import allow_queue, allow_reading
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.sources import build_spec

ASKER = "arn:aws:sts::111122223333:assumed-role/collector/session"


@pytest.mark.parametrize("prefix", [None, "audit", "a$b/AWSLogs", "logs/AWSLogs/o-acme/"])
def test_missing_rights_are_given_in_the_words_of_the_policy(prefix: str | None) -> None:
    spec = CloudTrailSourceSpec.model_validate_json(json.dumps(build_spec(prefix=prefix)))
    subject = Subject(spec.queue_arn, "https://sqs.example.com/q", spec.prefix, ASKER)
    lines = [allow_queue(subject), allow_reading(subject, spec.bucket)]
    given = [statement for line in lines for statement in json.loads(shlex.split(line)[-1])["Statement"]]
    assert given == build_pod_policy(spec, Surroundings())["Statement"]
