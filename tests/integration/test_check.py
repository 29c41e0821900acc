"""`cloudtrail-collector check`: mistakes listed, or the configuration explained and tried."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration.command_line import Answer, ask
from support.sources import build_filter, build_source, build_spec


def check(tmp_path: Path, document: dict[str, Any], *arguments: str | Path) -> Answer:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return ask("check", path, *arguments)


def find_row(answer: Answer, *words: str) -> str:
    """Return the only row of the trial that has these words, its cells parted by one space."""
    rows = [" ".join(line.split()) for line in answer.output.decode().splitlines() if line.startswith("  2026-")]
    (row,) = [row for row in rows if all(word in row for word in words)]
    return row


def test_valid_configuration_is_explained_in_words(tmp_path: Path) -> None:
    filters = [
        build_filter("keep-root", "Keep", field="userIdentity.type", equals=["Root"]),
        build_filter("quiet", field="eventName", equals=None, startsWith=["Describe", "List"]),
        {"name": "noise", "ruleSet": "read-only-noise"},
        {**build_filter("some-kms", "Sample", field="errorCode", equals=None, notStartsWith=[""]), "oneIn": 10},
    ]
    sinks = [
        {"name": "out", "stdout": {}},
        {
            "name": "siem",
            "http": {"url": "https://siem.example.com/in"},
            "format": "ECS",
            "fieldSelectors": [{"field": "awsRegion", "equals": ["us-east-1"]}],
        },
    ]
    mask = [{"preset": "UserNames"}, {"name": "agent", "field": "userAgent", "replacement": "-"}]
    answer = check(tmp_path, build_source(filters=[_drop_none(one) for one in filters], sinks=sinks, mask=mask))
    assert answer.code == 0, answer.errors
    text = answer.output.decode()
    for sentence in (
        "1. keep-root: keeps events where userIdentity.type is Root",
        "2. quiet: drops events where eventName begins with Describe or List",
        "3. noise: drops ",
        "4. some-kms: keeps one in 10 events, and drops the others, where errorCode is not there",
        "UserNames by the preset's own text",
        'agent: field userAgent by "-"',
        "out (stdout): every event, as Raw",
        "siem (http https://siem.example.com/in): events where awsRegion is us-east-1, as ECS",
    ):
        assert sentence in text


def _drop_none(rule: dict[str, Any]) -> dict[str, Any]:
    selectors = [
        {name: value for name, value in selector.items() if value is not None}
        for selector in rule.get("fieldSelectors", [])
    ]
    return rule | ({"fieldSelectors": selectors} if selectors else {})


def test_trial_shows_the_rule_that_decided_and_the_sinks_that_take_it(tmp_path: Path) -> None:
    root = {"field": "userIdentity.type", "equals": ["Root"]}
    spec = build_spec(
        roleArn=None,
        filters=[
            {"name": "keep-root", "action": "Keep", "fieldSelectors": [root]},
            build_filter("no-logins", equals=["ConsoleLogin"]),
        ],
        sinks=[
            {"name": "roots", "discard": {}, "fieldSelectors": [root]},
            {
                "name": "iam",
                "discard": {},
                "fieldSelectors": [{"field": "eventSource", "equals": ["iam.amazonaws.com"]}],
            },
        ],
    )
    answer = check(tmp_path, spec)
    assert find_row(answer, "ConsoleLogin", " root ").endswith("ConsoleLogin root keep-root roots")
    assert find_row(answer, "ConsoleLogin", "alice").endswith("user/alice no-logins dropped")
    assert find_row(answer, "CreateUser").endswith("assumed-role/Admin/bob no rule iam")
    assert find_row(answer, "StopLogging").endswith("no rule no sink")


def test_masks_hide_in_the_trial_too(tmp_path: Path) -> None:
    key = {"secretKeyRef": {"name": "masks", "key": "names"}}
    for mask in ({"preset": "UserNames"}, {"preset": "UserNames", "hash": {"key": key}}):
        answer = check(tmp_path, build_spec(roleArn=None, mask=[mask]))
        assert answer.code == 0
        assert b"alice" not in answer.output


def test_trial_runs_over_events_of_ones_own(tmp_path: Path) -> None:
    record = {"eventVersion": "1.11", "eventTime": "2026-02-01T00:00:00Z", "eventName": "RunInstances"}
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "one.json").write_text(json.dumps({"Records": [record, record | {"eventName": "Odd"}]}))
    answer = check(tmp_path, build_spec(roleArn=None), "--events", tmp_path / "logs")
    assert find_row(answer, "Odd") == "2026-02-01T00:00:00Z Odd - no rule out"
    assert find_row(answer, "RunInstances").endswith("no rule out")
    assert b"StopLogging" not in answer.output


def test_record_that_nobody_can_read_is_shown_as_such(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"Records":[{"eventName":nonsense}]}')
    spec = build_spec(roleArn=None, filters=[build_filter()])
    answer = check(tmp_path, spec, "--events", tmp_path / "one.json")
    assert answer.code == 0
    assert b"undecodable" in answer.output or b"cannot be read" in answer.output


def test_paused_source_is_valid(tmp_path: Path) -> None:
    answer = check(tmp_path, build_source(mode="Paused", sinks=None))
    assert (answer.code, b"Paused: nothing runs" in answer.output) == (0, True)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"bucket": "A", "colour": "red"}, ["spec.bucket: ", "spec.colour: unknown field"]),
        ({"filters": [{"name": "x", "action": "Drop"}]}, ["spec.filters[0]"]),
        ({"scaling": {"min": 3, "max": 2}}, ["spec.scaling"]),
        ({"mask": [{"name": "x", "pattern": "(", "replacement": ""}]}, ["spec.mask[0]"]),
    ],
)
def test_every_mistake_is_listed_with_code_2(changes: dict[str, Any], reasons: list[str], tmp_path: Path) -> None:
    answer = check(tmp_path, build_source(**changes))
    assert (answer.code, answer.output) == (2, b"")
    for reason in reasons:
        assert reason in answer.errors


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    answer = ask("check", tmp_path / "no")
    assert (answer.code, "No such file" in answer.errors) == (2, True)
