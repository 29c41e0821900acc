"""Filter rules on fields, against what a naive reading of the record says; rule sets; samples; Falco's names."""

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.event_filter import RuleList, SelectorList, list_paths, list_rule_paths
from cloudtrail_collector.core.fields import FieldPlan
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_spec.filters import OPERATORS, FieldSelector, FilterRule
from support.formats import ALICE, SESSION, make_fields
from support.real_records import read_real_records


def _rule(*selectors: dict[str, Any], name: str = "rule", action: str = "Drop", **more: Any) -> FilterRule:
    return FilterRule.model_validate({"name": name, "action": action, "fieldSelectors": selectors, **more})


def _set(name: str) -> FilterRule:
    return FilterRule.model_validate({"name": name, "ruleSet": name})


def _decide(records: list[bytes], *rules: FilterRule) -> list[int]:
    """Decide about records that are read one by one, by the quick way and by the slow one: both must agree."""
    plan = FieldPlan(list_rule_paths(rules))
    compiled = RuleList(rules, plan)
    slow = compiled.decide([plan.read_slowly(record) for record in records], records.__getitem__)
    text = b'{"Records":[' + b",".join(records) + b"]}"
    (selection,) = RecordSelector(SelectionRules(rules)).select(LogFile(b"", len(text), text))
    assert selection.dropped == {
        rule.name: slow.count(number) for number, rule in enumerate(rules, 1) if slow.count(number)
    }
    assert selection.passed == {
        rule.name: slow.count(-number) for number, rule in enumerate(rules, 1) if slow.count(-number)
    }
    return slow


def _dump(*records: Any) -> list[bytes]:
    return [json.dumps(record, separators=(",", ":")).encode() for record in records]


def _drops(record: dict[str, Any], selector: dict[str, Any]) -> bool:
    return _decide(_dump(record), _rule(selector)) == [1]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({"field": "eventName", "matches": ["^Run", "x{3}"]}, True),
        ({"field": "eventName", "matches": ["Instances$"]}, True),
        ({"field": "eventName", "matches": ["^Instances"]}, False),
        ({"field": "eventName", "notMatches": ["^Instances"]}, True),
        ({"field": "eventName", "notMatches": ["un"]}, False),
        ({"field": "errorCode", "matches": [".*"]}, False),
        ({"field": "errorCode", "notMatches": [".*"]}, True),
        ({"field": "sourceIPAddress", "cidr": ["198.51.100.0/24"]}, True),
        ({"field": "sourceIPAddress", "cidr": ["10.0.0.0/8", "198.51.100.7"]}, True),
        ({"field": "sourceIPAddress", "cidr": ["198.51.100.8", "2001:db8::/32"]}, False),
        ({"field": "sourceIPAddress", "notCidr": ["198.51.100.0/24"]}, False),
        ({"field": "userAgent", "cidr": ["0.0.0.0/0", "::/0"]}, False),
        ({"field": "userAgent", "notCidr": ["0.0.0.0/0", "::/0"]}, True),
        ({"field": "requestParameters.address", "cidr": ["2001:db8::/32"]}, True),
        ({"field": "resources.ARN", "equals": ["arn:b"]}, True),
        ({"field": "resources.ARN", "startsWith": ["arn:"], "notEquals": ["arn:b"]}, False),
        ({"field": "resources.ARN", "notEquals": ["arn:c"]}, True),
        ({"field": "resources.none", "notEquals": ["arn:c"]}, True),
        ({"field": "resources.none", "equals": ["arn:c"]}, False),
        ({"field": "requestParameters.groups.items.port", "equals": ["1.50"]}, True),
        ({"field": "requestParameters.groups.items.port", "equals": ["12345678901234567890123"]}, True),
        ({"field": "requestParameters.names", "equals": ["b"]}, True),
        ({"field": "requestParameters.names", "notEquals": ["b"]}, False),
        ({"field": "ct.name", "equals": ["RunInstances"]}, True),
        ({"field": "ct.shortsrc", "equals": ["ec2"]}, True),
        ({"field": "ct.user", "equals": ["Deployer"]}, True),
        ({"field": "ct.originaluser", "equals": ["ci"]}, True),
        ({"field": "ct.error", "notStartsWith": [""]}, True),
        ({"field": "ct.info", "startsWith": ["Deployer via 198.51.100.7 → RunInstances"]}, True),
        ({"field": "ct.request", "matches": ['"port":1[.]50\\b']}, True),
        ({"field": "s3.cnt.other", "equals": ["1"]}, True),
        ({"field": "s3.bytes", "equals": ["10"]}, False),
        ({"field": "s3.uri", "notEquals": ["s3://a/b"]}, True),
    ],
)
def test_patterns_networks_lists_and_falco_names(selector: dict[str, Any], matches: bool) -> None:
    parameters = {
        "address": "2001:db8::5",
        "names": ["a", "b"],
        "groups": {"items": [{"port": "PORT"}, 7, {"port": 12345678901234567890123}]},
    }
    resources = [{"ARN": "arn:a"}, {"ARN": "arn:b", "type": "x"}, "odd"]
    record = make_fields("RunInstances", "ec2", requestParameters=parameters, resources=resources)
    (text,) = _dump(record)
    assert (_decide([text.replace(b'"PORT"', b"1.50")], _rule(selector)) == [1]) is matches


def test_a_list_does_not_take_a_file_off_the_quick_way() -> None:
    """The decoder reads a record with a list at the path of a selector, and of one below it."""
    plan = FieldPlan(list_paths([FieldSelector(field="resources.ARN", equals=("x",))]))
    fields = plan.decode(b'{"resources":[{"ARN":"x"},3,[{"ARN":1.5}]]}')
    assert plan.getters["resources.ARN"](fields) == ["x", "1.5"]


def test_a_rule_set_is_one_entry_and_later_rules_go_on() -> None:
    kept = make_fields("RunInstances", "ec2")
    noise = make_fields("DescribeInstances", "ec2", readOnly=True)
    failed = noise | {"errorCode": "AccessDenied"}
    rules = (_set("read-only-noise"), _rule({"field": "errorCode", "startsWith": ["Access"]}, action="Keep"))
    assert _decide(_dump(kept, noise, failed), *rules) == [0, 1, -2]


ROOT = {"type": "Root", "accountId": "111122223333"}
SERVICE = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
THROUGH_SERVICE = SESSION | {"invokedBy": "athena.amazonaws.com"}
CONSOLE = {"sessionCredentialFromConsole": "true", "readOnly": True}


@pytest.mark.parametrize(
    ("name", "record", "dropped"),
    [
        ("read-only-noise", make_fields("ListBuckets", "s3", readOnly=True), True),
        ("read-only-noise", make_fields("ListBuckets", "s3", readOnly=True, userIdentity=ALICE), True),
        ("read-only-noise", make_fields("ListBuckets", "s3", readOnly=True, userIdentity=None), True),
        ("read-only-noise", make_fields("ListBuckets", "s3", readOnly=True, userIdentity=ROOT), False),
        ("read-only-noise", make_fields("ListBuckets", "s3", readOnly=True, errorCode="AccessDenied"), False),
        ("read-only-noise", make_fields("GetObject", "s3", readOnly=True, eventCategory="Data"), False),
        ("read-only-noise", make_fields("GetObject", "s3", readOnly=True, managementEvent=False), False),
        ("read-only-noise", make_fields("GetSecretValue", "secretsmanager", readOnly=True), False),
        ("read-only-noise", make_fields("GetCallerIdentity", "sts", readOnly=True), False),
        ("read-only-noise", make_fields("AssumeRole", "sts", readOnly=True), False),
        ("read-only-noise", make_fields("DescribeAndChange", "ec2", readOnly=False), False),
        ("aws-service-noise", make_fields("AssumeRole", "sts", userIdentity=SERVICE), True),
        ("aws-service-noise", make_fields("AssumeRole", "sts", userIdentity=ALICE), False),
        ("aws-service-noise", make_fields("AssumeRole", "sts", userIdentity=SERVICE, errorCode="AccessDenied"), False),
        ("aws-service-noise", make_fields("GenerateDataKey", "kms", userIdentity=THROUGH_SERVICE), True),
        ("aws-service-noise", make_fields("GenerateDataKey", "kms"), False),
        ("aws-service-noise", make_fields("ScheduleKeyDeletion", "kms", userIdentity=THROUGH_SERVICE), False),
        ("aws-service-noise", make_fields("DescribeInstances", "ec2", userIdentity=SERVICE, readOnly=True), True),
        ("aws-service-noise", make_fields("RunInstances", "ec2", userIdentity=SERVICE), False),
        ("console-noise", make_fields("DescribeInstances", "ec2", **CONSOLE), True),
        ("console-noise", make_fields("DescribeInstances", "ec2", **CONSOLE, userIdentity=ROOT), False),
        ("console-noise", make_fields("RunInstances", "ec2", sessionCredentialFromConsole="true"), False),
        ("console-noise", make_fields("ListBuckets", "s3", readOnly=True, userAgent="[S3Console/0.4]"), True),
        ("console-noise", make_fields("ListBuckets", "s3", readOnly=True), False),
    ],
)
def test_what_a_rule_set_drops(name: str, record: dict[str, Any], dropped: bool) -> None:
    assert (_decide(_dump(record), _set(name)) == [1]) is dropped


def test_a_sample_keeps_the_same_part_always_and_decides_either_way() -> None:
    records = _dump(*(make_fields("Decrypt", "kms", eventID=f"{number:036d}") for number in range(2000)))
    rules = (
        _rule({"field": "eventName", "equals": ["Decrypt"]}, action="Sample", oneIn=4),
        _rule({"field": "eventName", "matches": ["."]}),
    )
    found = _decide(records, *rules)
    assert set(found) == {1, -1}
    assert 400 < found.count(-1) < 600
    assert [number for number in range(30) if found[number] == -1] == [6, 9, 12, 23, 29]
    assert _decide(records[::-1], *rules) == found[::-1]


def test_a_sample_keeps_what_has_no_id() -> None:
    record = make_fields("Decrypt", "kms")
    del record["eventID"]
    assert _decide(
        _dump(record), _rule({"field": "eventName", "equals": ["Decrypt"]}, action="Sample", oneIn=1_000_000)
    ) == [-1]


def test_a_record_is_read_whole_at_most_once_and_only_when_the_rest_holds() -> None:
    records = _dump(make_fields("A"), make_fields("B"))
    info = {"field": "ct.info", "equals": ["nobody"]}
    rules = (_rule({"field": "eventName", "equals": ["B"]}, info), _rule({"field": "eventName", "equals": ["B"]}, info))
    plan = FieldPlan(list_rule_paths(rules))
    read: list[int] = []

    def read_record(index: int) -> bytes:
        read.append(index)
        return records[index]

    assert RuleList(rules, plan).decide([plan.decode(record) for record in records], read_record) == [0, 0]
    assert read == [1]


# The naive evaluator: everything from json.loads, one operator after the other.


class _Number(str):
    __slots__ = ()


def _list_texts(value: Any, names: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _list_texts(item, names)
    elif names:
        if isinstance(value, dict) and names[0] in value:
            yield from _list_texts(value[names[0]], names[1:])
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield str(value)


def _lies_in(text: str, networks: Any) -> bool:
    try:
        return any(ipaddress.ip_address(text) in ipaddress.ip_network(network) for network in networks)
    except ValueError:
        return False


NAIVE = {
    "equals": lambda text, values: text in values,
    "starts_with": lambda text, values: any(text.startswith(value) for value in values),
    "ends_with": lambda text, values: any(text.endswith(value) for value in values),
    "matches": lambda text, values: any(re.search(value, text) for value in values),
    "cidr": _lies_in,
}


def _holds(record: Any, selector: FieldSelector) -> bool:
    texts = list(_list_texts(record, selector.field.split(".")))
    for name in OPERATORS:
        values = getattr(selector, name)
        if values is not None:
            found = any(NAIVE[name.removeprefix("not_")](text, values) for text in texts)
            if found == name.startswith("not_"):
                return False
    return True


PATHS = (
    "eventName",
    "readOnly",
    "errorCode",
    "userIdentity",
    "userIdentity.type",
    "userIdentity.invokedBy",
    "a",
    "a.b",
    "a.b.c",
    "eventVersion",
)
WORDS = (
    "",
    "true",
    "false",
    "null",
    "0",
    "1",
    "1.0",
    "1.50",
    "1e3",
    "Root",
    "é",
    '"',
    "10.0.0.1",
    "::1",
    "\ud800",
    "x" * 40,
)
scalars = (
    st.sampled_from(WORDS)
    | st.booleans()
    | st.sampled_from([0, 1, 12345678901234567890123, "RAW 1.50", "RAW 1e3", "RAW -0"])
    | st.none()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "invokedBy", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
records = st.dictionaries(st.sampled_from(["eventName", "readOnly", "errorCode", "userIdentity", "a", "other"]), values)
words = st.lists(st.sampled_from([word for word in WORDS if word != "\ud800"]), min_size=1, max_size=3)
OPERANDS = {"matches": ["^t", "1", "e$", "."], "cidr": ["10.0.0.0/8", "::1", "0.0.0.0/0"]}


@st.composite
def selectors(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(list(OPERATORS)), min_size=1, max_size=2, unique=True))
    made: dict[str, Any] = {"field": draw(st.sampled_from(PATHS))}
    for name in names:
        operands = OPERANDS.get(name.removeprefix("not_"))
        made[name] = draw(words if operands is None else st.lists(st.sampled_from(operands), min_size=1, max_size=2))
    return made


rules = st.lists(
    st.tuples(st.lists(selectors(), min_size=1, max_size=3), st.sampled_from(["Drop", "Keep"])), min_size=1, max_size=4
)


def _write(record: Any) -> bytes:
    return re.sub(
        rb'"RAW ([^"]*)"', rb"\1", json.dumps({"eventVersion": "1.11", **record}, separators=(",", ":")).encode()
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(records, min_size=1, max_size=5), rules)
def test_rules_decide_as_a_naive_reading_of_the_record(made: list[Any], drawn: list[Any]) -> None:
    parts = [_rule(*found, name=f"r{number}", action=action) for number, (found, action) in enumerate(drawn)]
    texts = [_write(record) for record in made]
    expected = []
    for text in texts:
        record = json.loads(text, parse_int=_Number, parse_float=_Number)
        matching = [
            number if part.action == "Drop" else -number
            for number, part in enumerate(parts, 1)
            if all(_holds(record, selector) for selector in part.field_selectors or ())
        ]
        expected.append(matching[0] if matching else 0)
    assert _decide(texts, *parts) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(records, min_size=1, max_size=4), st.lists(selectors(), min_size=1, max_size=3))
def test_selectors_match_as_a_rule_of_them_would(made: list[Any], drawn: list[Any]) -> None:
    parts = [FieldSelector.model_validate(one) for one in drawn]
    texts = [_write(record) for record in made]
    plan = FieldPlan(list_paths(parts))
    fields = [plan.read_slowly(text) for text in texts]
    expected = [verdict == 1 for verdict in _decide(texts, _rule(*drawn))]
    assert SelectorList(parts, plan).match(fields, texts.__getitem__) == expected


@pytest.mark.third_party_data
def test_rule_sets_drop_a_part_of_real_records_and_never_a_failure() -> None:
    texts = [text for text in read_real_records() if text.startswith(b"{")]
    parts = tuple(_set(name) for name in ("read-only-noise", "aws-service-noise", "console-noise"))
    plan = FieldPlan(list_rule_paths(parts))
    found = RuleList(parts, plan).decide([plan.read_slowly(text) for text in texts], texts.__getitem__)
    dropped = [json.loads(text) for text, verdict in zip(texts, found, strict=True) if verdict > 0]
    assert 0 < len(dropped) < len(texts)
    assert not [record for record in dropped if record.get("errorCode") is not None]
