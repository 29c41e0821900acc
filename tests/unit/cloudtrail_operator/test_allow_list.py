"""The admin's bounds: which sources they let through, and what is said to the others."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.allow_list import (
    ASPECTS,
    AllowList,
    AllowRule,
    find_denial,
    matches,
    parse_allow_list,
)
from cloudtrail_operator.core.evaluation import evaluate_denial, is_denied
from cloudtrail_operator.settings import SettingsError, read_settings
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus
from localcluster.cluster import render_chart
from support.sources import BUCKET, QUEUE_ARN, ROLE_ARN, build_spec

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "cloudtrail-operator"
OTHER_ROLE = "arn:aws:iam::444455556666:role/team-b"
ARCHIVE = {
    "name": "archive",
    "s3": {"bucket": "archive-1", "region": "us-east-1", "roleArn": "arn:aws:iam::111122223333:role/archive"},
}


def _rules(*rules: dict[str, Any]) -> AllowList:
    return parse_allow_list(json.dumps(rules))


def _deny(*rules: dict[str, Any], namespace: str = "team-a", **changes: Any) -> tuple[str, ...]:
    spec = CloudTrailSourceSpec.model_validate(build_spec(**changes))
    return find_denial(_rules(*rules), namespace, spec)


def _rule(name: str = "a", namespaces: tuple[str, ...] = ("team-a",), **bounds: Any) -> dict[str, Any]:
    return {"name": name, "namespaces": namespaces, **bounds}


def test_without_rules_everything_is_allowed() -> None:
    assert _deny() == ()


def test_rule_without_bounds_allows_all_to_its_namespaces_and_nothing_to_others() -> None:
    assert _deny(_rule()) == ()
    assert _deny(_rule(), namespace="team-b") == ("no rule of the operator's allow-list is for namespace team-b",)
    assert _deny(_rule(namespaces=("team-*",)), namespace="team-b") == ()


@pytest.mark.parametrize(
    ("bounds", "changes", "named"),
    [
        ({"roleArns": ["arn:aws:iam::*:role/team-a-*"]}, {}, f"role {ROLE_ARN}"),
        (
            {"roleArns": [ROLE_ARN]},
            {"assumeRole": {"roleArn": OTHER_ROLE}},
            f"role {OTHER_ROLE}",
        ),
        (
            {"roleArns": [ROLE_ARN]},
            {"sinks": [ARCHIVE]},
            "role arn:aws:iam::111122223333:role/archive",
        ),
        (
            {"roleArns": [ROLE_ARN]},
            {"deadLetterSink": ARCHIVE},
            "role arn:aws:iam::111122223333:role/archive",
        ),
        ({"roleArns": []}, {}, f"role {ROLE_ARN}"),
        ({"buckets": ["acme-other"]}, {}, f"bucket {BUCKET}"),
        ({"buckets": [BUCKET]}, {"extraBuckets": ["acme-2"]}, "bucket acme-2"),
        ({"buckets": [BUCKET]}, {"sinks": [ARCHIVE]}, "bucket archive-1"),
        ({"queueArns": ["arn:aws:sqs:eu-*:111122223333:*"]}, {}, f"queue {QUEUE_ARN}"),
        (
            {"images": ["r.example.com/*"]},
            {"collector": {"image": "evil.example.com/c:1"}},
            "image evil.example.com/c:1",
        ),
        (
            {"credentials": ["IRSA", "PodIdentity"]},
            {"roleArn": None, "credentials": {"type": "Secret", "secretRef": {"name": "keys"}}},
            "credentials of type Secret",
        ),
    ],
)
def test_everything_that_a_source_names_is_judged(bounds: Any, changes: Any, named: str) -> None:
    """T-48: also what is named by a sink, the chained role, the second bucket."""
    assert _deny(_rule(**bounds), **changes) == (f"rule a of the operator's allow-list does not allow {named}",)


def test_all_that_is_not_allowed_is_named_at_once() -> None:
    (sentence,) = _deny(_rule(roleArns=[], buckets=[], queueArns=[]))
    assert sentence.endswith(f"does not allow role {ROLE_ARN}, bucket {BUCKET}, queue {QUEUE_ARN}")


def test_what_is_allowed_passes() -> None:
    rule = _rule(
        roleArns=["arn:aws:iam::111122223333:role/*"],
        buckets=["acme-*", "archive-1"],
        queueArns=[QUEUE_ARN],
        images=["r.example.com/*"],
        credentials=["IRSA"],
    )
    assert _deny(rule, sinks=[ARCHIVE], collector={"image": "r.example.com/c@sha256:0"}) == ()


def test_the_operators_own_image_needs_no_rule() -> None:
    assert _deny(_rule(images=[])) == ()


def test_rules_do_not_add_up() -> None:
    """One rule must cover all: the role of one purpose must not read the bucket of another."""
    rules = (_rule("roles", buckets=[]), _rule("buckets", roleArns=[]))
    assert _deny(*rules) == (
        f"rule roles of the operator's allow-list does not allow bucket {BUCKET}",
        f"rule buckets of the operator's allow-list does not allow role {ROLE_ARN}",
    )
    assert _deny(*rules, _rule("both")) == ()


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "ab", False),
        ("abc", "a*", True),
        ("a", "a*", True),
        ("a/b:c", "a*c", True),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("abc", "[abc]*", False),
        ("a\nc", "a*c", True),
        ("a\n", "a", False),
        ("ABC", "abc", False),
        ("", "*", True),
    ],
)
def test_star_is_the_only_wildcard(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, pattern) is expected


def test_every_mistake_of_the_rules_is_listed() -> None:
    bad = [{"name": "a", "namespaces": [], "roles": []}, {"namespaces": ["Team"], "credentials": ["Irsa"]}]
    with pytest.raises(ValueError, match="namespaces") as caught:
        parse_allow_list(json.dumps(bad))
    places = {line.split(":")[0] for line in str(caught.value).split("; ")}
    assert places == {
        "[0].namespaces", "[0].roles", "[1].name", "[1].namespaces[0]", "[1].credentials[0]",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["{", "{}", '[{"name": "a", "namespaces": ["x"]}, {"name": "a", "namespaces": ["y"]}]']
)
def test_rules_that_are_none_end_the_program(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE": "c", "CLOUDTRAIL_OPERATOR_ALLOW_LIST": text})
    (problem,) = caught.value.problems
    assert problem.startswith("CLOUDTRAIL_OPERATOR_ALLOW_LIST: ")


def test_documents_show_values_that_the_chart_and_the_operator_take() -> None:
    seen = []
    for page in ("security.md", "collectors.md"):
        for block in re.findall(r"^```yml\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE):
            documents = render_chart(CHART, release="ct", namespace="x", values=yaml.safe_load(block))
            (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
            variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
            settings = read_settings({item["name"]: item["value"] for item in variables if "value" in item})
            seen.append((len(settings.allow_list), len(settings.collector_extra_env)))
    assert seen == [(2, 0), (0, 2)]


def test_documents_name_every_bound() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    assert [name for name in ASPECTS if f"| `{AllowRule.model_fields[name].alias}` |" not in text] == []


def test_denied_source_is_stalled_and_nothing_else_is_claimed() -> None:
    verdict = evaluate_denial(("rule a does not allow x", "rule b does not allow y"), CloudTrailSourceStatus())
    ready, stalled, *others = verdict.findings
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", "NotAllowed")
    assert (stalled.type, stalled.status, stalled.reason) == ("Stalled", "True", "NotAllowed")
    assert ready.message == stalled.message == "rule a does not allow x; rule b does not allow y"
    assert {other.status for other in others} == {"Unknown"}
    assert (verdict.replicas, verdict.ready_replicas) == (0, 0)
    assert is_denied(verdict)
