"""What people read who made a mistake in a spec: each mistake once, in words."""

from typing import Any

import pytest
from pydantic import ValidationError

from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.sources import build_filter, build_spec


def _list_mistakes(**changes: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        CloudTrailSourceSpec.model_validate(build_spec(**changes))
    return describe_errors(caught.value)


def _sink(**kind: Any) -> dict[str, Any]:
    return {"sinks": [{"name": "out", **kind}]}


WRONG_OPERATOR = {"field": "eventName", "equal": ["x"]}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"filters": [{"name": "noise", "action": "Drop", "fieldSelectors": [WRONG_OPERATOR]}]},
            "spec.filters[0].fieldSelectors[0].equal: rule noise: unknown field",
        ),
        (
            _sink(stdout={}, fieldSelectors=[WRONG_OPERATOR]),
            "spec.sinks[0].fieldSelectors[0].equal: unknown field",
        ),
        (
            {"filters": [build_filter("noise", equals=[True])]},
            'spec.filters[0].fieldSelectors[0].equals[0]: rule noise: must be a text: "true", in quotation marks',
        ),
        (_sink(stdout={}, fieldSelectors=[]), "spec.sinks[0].fieldSelectors: needs 1 item or more"),
        (
            {"filters": [build_filter("noise", field="ct.nmae")]},
            "spec.filters[0].fieldSelectors[0]: rule noise: no such field ct.nmae, did you mean ct.name?",
        ),
        (
            {"filters": [build_filter("noise", matches=["("])]},
            "spec.filters[0].fieldSelectors[0]: rule noise: matches must be RE2 expressions: (: missing ): (",
        ),
        (
            {"mask": [{"name": "x", "pattern": "(", "replacement": "y"}]},
            "spec.mask[0]: pattern must be an RE2 expression that does not match empty text: (: missing ): (",
        ),
        (
            _sink(http={"url": "logs.example.com"}),
            (
                "spec.sinks[0].http.url: must be http:// or https:// and a host, maybe a port and a path;"
                " no user, no password, no #"
            ),
        ),
        (_sink(kafka={"brokers": ["kafka"], "topic": "t"}), "spec.sinks[0].kafka.brokers[0]: must be host:port"),
        (
            {"bucket": "Acme"},
            "spec.bucket: must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and dashes",
        ),
        ({"bucket": 7}, 'spec.bucket: must be a text: "7", in quotation marks'),
        (
            _sink(stdout=None),
            (
                "spec.sinks[0]: a sink needs exactly one of stdout, file, http, splunkHec, elasticsearch, otlpHttp, kafka,"
                " s3, discard; one without settings is written stdout: {}"
            ),
        ),
    ],
)
def test_a_mistake_is_one_line_in_words(changes: dict[str, Any], line: str) -> None:
    assert _list_mistakes(**changes) == [line]
