"""Filters over whole files. Every case is read in the usual form, which is cut at literals, and in others."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.fields import FieldPlan
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import compile_masks, refuse_keys
from cloudtrail_collector.core.record_split import FIRST_KEY, UsualDocuments
from cloudtrail_collector.core.selection import RecordSelector, Selection, SelectionRules
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.masks import MaskRule

RECORD = {
    "eventVersion": "1.11",
    "eventName": "DescribeInstances",
    "readOnly": True,
    "count": 12,
    "large": 2**70,
    "share": 1.50,
    "errorCode": None,
    "quoted": 'a"b\u00e9',
    "eventTime": "2026-01-02T03:04:05Z",
    "userIdentity": {"sessionContext": {"sessionIssuer": {"userName": "ci"}}},
    "requestParameters": {"maxResults": 1000, "isOn": False},
    "resources": [{"ARN": "x"}],
}


def _rule(*selectors: dict[str, Any], name: str = "rule", action: str = "Drop") -> FilterRule:
    return FilterRule.model_validate({"name": name, "action": action, "fieldSelectors": selectors})


def _select(text: bytes, selector: RecordSelector) -> Selection:
    (selection,) = selector.select(LogFile(b"", len(text), text))
    return selection


def _build_document(*records: bytes) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def _dump(record: Any) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _find_dropping(record: Any, *rules: FilterRule) -> str | None:
    """Say which rule drops a record; the ways to read it must agree."""
    selector = RecordSelector(SelectionRules(rules))
    texts = (_build_document(_dump(record)), json.dumps({"Records": [record]}, indent=1).encode())
    (usual, spread) = ([*_select(text, selector).dropped] for text in texts)
    assert usual == spread
    return usual[0] if usual else None


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({"field": "eventName", "equals": ["X", "DescribeInstances"]}, True),
        ({"field": "eventName", "equals": ["Describe"]}, False),
        ({"field": "eventName", "notEquals": ["X"]}, True),
        ({"field": "eventName", "startsWith": ["Describe", "List"]}, True),
        ({"field": "eventName", "notStartsWith": ["List", "Describe"]}, False),
        ({"field": "eventName", "endsWith": ["Instances"]}, True),
        ({"field": "eventName", "notEndsWith": ["Instances"]}, False),
        ({"field": "eventName", "startsWith": ["Describe"], "notEndsWith": ["Instances"]}, False),
        ({"field": "readOnly", "equals": ["true"]}, True),
        ({"field": "readOnly", "equals": ["1", "false"]}, False),
        ({"field": "readOnly", "startsWith": ["tr"]}, True),
        ({"field": "requestParameters.isOn", "equals": ["false"]}, True),
        ({"field": "requestParameters.isOn", "equals": ["0", "true"]}, False),
        ({"field": "count", "equals": ["12"]}, True),
        ({"field": "count", "equals": ["true"]}, False),
        ({"field": "requestParameters.maxResults", "equals": ["1000"]}, True),
        ({"field": "requestParameters.maxResults", "endsWith": ["000"]}, True),
        ({"field": "large", "equals": [str(2**70)]}, True),
        ({"field": "share", "equals": ["1.5"]}, True),
        ({"field": "quoted", "equals": ['a"b\u00e9']}, True),
        ({"field": "userIdentity.sessionContext.sessionIssuer.userName", "equals": ["ci"]}, True),
        ({"field": "userIdentity.invokedBy", "equals": ["ci"]}, False),
        ({"field": "userIdentity.invokedBy", "notEquals": ["ci"]}, True),
        ({"field": "eventName.inner", "notStartsWith": ["x"]}, True),
        ({"field": "absent", "startsWith": [""]}, False),
        ({"field": "errorCode", "equals": ["null"]}, False),
        ({"field": "errorCode", "notEquals": ["null"]}, True),
        ({"field": "userIdentity", "startsWith": ["{"]}, False),
        ({"field": "resources.ARN", "equals": ["x"]}, True),
        ({"field": "resources.ARN", "notEquals": ["x"]}, False),
    ],
)
def test_operators(selector: dict[str, Any], matches: bool) -> None:
    assert (_find_dropping(RECORD, _rule(selector)) == "rule") is matches


def test_a_whole_number_is_not_a_truth() -> None:
    assert _find_dropping(RECORD | {"readOnly": 1}, _rule({"field": "readOnly", "equals": ["true"]})) is None
    assert _find_dropping(RECORD | {"readOnly": 1}, _rule({"field": "readOnly", "equals": ["1"]})) == "rule"


def test_a_field_may_be_wanted_itself_and_for_its_members() -> None:
    itself = _rule({"field": "userIdentity", "equals": ["root"]}, name="itself")
    member = _rule({"field": "userIdentity.type", "equals": ["Root"]}, name="member")
    assert _find_dropping(RECORD | {"userIdentity": "root"}, itself, member) == "itself"
    assert _find_dropping(RECORD | {"userIdentity": {"type": "Root"}}, itself, member) == "member"


def test_all_selectors_of_a_rule_must_hold() -> None:
    read_only = {"field": "readOnly", "equals": ["true"]}
    twelve, one = {"field": "count", "equals": ["12"]}, {"field": "count", "equals": ["1"]}
    described = {"field": "eventName", "startsWith": ["Describe"]}
    assert _find_dropping(RECORD, _rule(read_only, one)) is None
    assert _find_dropping(RECORD, _rule(read_only, twelve)) == "rule"
    assert _find_dropping(RECORD, _rule(read_only, twelve, described)) == "rule"
    assert _find_dropping(RECORD, _rule(read_only, described, one)) is None


def test_the_first_rule_that_matches_decides() -> None:
    keep = _rule({"field": "eventName", "endsWith": ["Instances"]}, name="keep", action="Keep")
    drop = _rule({"field": "readOnly", "equals": ["true"]}, name="drop")
    assert _find_dropping(RECORD, keep) is None
    assert _find_dropping(RECORD, keep, drop) is None
    assert _find_dropping(RECORD, drop, keep) == "drop"


@pytest.mark.parametrize("record", [b"[" * 50_000 + b"]" * 50_000, b"12", b'"x"', b'{"a":NaN}', b'{"a":\xff}'])
def test_t14_one_unreadable_record_costs_one_record(record: bytes) -> None:
    good = _dump(RECORD)
    selection = _select(_build_document(good, record, good), RecordSelector(SelectionRules()))
    assert (selection.payload, selection.kept, selection.read) == ((good + b"\n") * 2, 2, 3)
    assert [(one.index, one.record) for one in selection.broken] == [(1, record)]


def test_a_lone_surrogate_is_readable_and_leaves_as_it_is() -> None:
    record = b'{"eventVersion":"1.11","eventName":"DescribeX","note":"\\ud800"}'
    rule = _rule({"field": "eventName", "startsWith": ["Describe"]})
    assert _select(_build_document(record), RecordSelector(SelectionRules())).payload == record + b"\n"
    assert _select(_build_document(record), RecordSelector(SelectionRules([rule]))).dropped == {"rule": 1}


def test_what_cannot_be_read_is_not_shown_where_masks_are_set() -> None:
    masker = compile_masks([MaskRule.model_validate({"preset": "AccessKeyIds"})], refuse_keys)
    secret = b'{"eventVersion":"1.11","key":"AKIAIOSFODNN7EXAMPLE","broken":truth}'
    good = b'{"eventVersion":"1.11","key":"AKIAIOSFODNN7EXAMPLE"}'
    selection = _select(_build_document(secret, good, good), RecordSelector(SelectionRules(), masker))
    assert [(one.index, one.record) for one in selection.broken] == [(0, None)]
    assert (selection.kept, selection.masked) == (2, 2)
    assert b"AKIAIOSFODNN7EXAMPLE" not in selection.payload


def test_t24_what_was_delivered_before_and_what_stands_twice_is_left_out() -> None:
    ids = ["a", "b", "a", "c", None]
    records = [_dump({"eventVersion": "1", "n": n} | ({"eventID": i} if i else {})) for n, i in enumerate(ids)]
    aggregated = _dump({"eventVersion": "1", "eventId": "c"})
    selector = RecordSelector(SelectionRules(), None, {"b"}.__contains__)
    selection = _select(_build_document(*records, aggregated), selector)
    assert selection.payload.splitlines() == [records[0], records[3], records[4]]
    assert (selection.kept, selection.repeated, selection.event_ids) == (3, 3, ["a", "c"])


_text = st.text(alphabet=st.sampled_from('ab}{,[]":\\/ \u00e9') | st.characters(codec="utf-8"), max_size=12)
_leaf = (
    _text
    | st.sampled_from(["eventVersion", '},{"eventVersion":"1', "\\u0065ventVersion"])
    | st.integers()
    | st.booleans()
)
_inner: Any = st.recursive(
    _leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_text | st.just("eventVersion"), inner, max_size=3)
        | st.builds(lambda value: [{}, {"eventVersion": value}], inner)
    ),
    max_leaves=8,
)
_records = st.lists(
    st.builds(
        lambda first, rest: ({"eventVersion": "1.11"} if first else {}) | rest,
        st.sampled_from([True, True, True, False]),
        st.dictionaries(_text | st.sampled_from(["eventName", "readOnly", "eventVersion"]), _inner, max_size=4),
    ),
    max_size=5,
)


@settings(max_examples=500)
@given(
    _records,
    st.booleans(),
    st.sampled_from([b"", b',"more":[{"eventVersion":"1"}]', b',"Records":[{"eventVersion":"1"}]']),
)
def test_any_document_is_split_as_a_parser_would(records: list[Any], escapes: bool, more: bytes) -> None:
    """Whatever is inside of records: nothing may be cut in the wrong place, nothing changed."""
    lines = [json.dumps(record, separators=(",", ":"), ensure_ascii=escapes).encode() for record in records]
    text = b'{"Records":[' + b",".join(lines) + b"]" + more + b"}"
    expected = [_dump(one) for one in json.loads(text)["Records"]]
    selection = _select(text, RecordSelector(SelectionRules()))
    assert [_dump(json.loads(line)) for line in selection.payload.split(b"\n")[:-1]] == expected
    assert selection.kept == selection.read == len(expected)
    if not more:
        assert selection.payload == b"".join(line + b"\n" for line in lines)


def test_the_usual_form_is_cut_without_a_second_parse() -> None:
    usual = UsualDocuments(FieldPlan([]).build_strict(FIRST_KEY))
    record = _dump(RECORD)
    assert usual.split(_build_document(record, record)) is not None
    for other in (
        b'{"eventVersion":"1.11","nested":[{},{"eventVersion":"1"}]}',
        b'{"event\\u0056ersion":"1.11"}',
        b'{"eventVersion":"1.11","text":"a\nb"}',
        b'{"eventID":"1","eventVersion":"1.11"}',
        b'{"eventVersion":11}',
    ):
        assert usual.split(_build_document(record, other)) is None


@given(st.lists(st.sampled_from("abcdef"), max_size=20), st.integers(0, 3))
def test_t43_what_leaves_of_a_record_depends_on_it_alone(names: list[str], drop: int) -> None:
    records = [_dump({"eventVersion": "1", "eventName": name, "n": n}) for n, name in enumerate(names)]
    selector = RecordSelector(SelectionRules([_rule({"field": "eventName", "equals": list("abcd")[: drop + 1]})]))
    forward = _select(_build_document(*records), selector)
    backward = _select(_build_document(*reversed(records)), selector)
    assert sorted(forward.payload.splitlines()) == sorted(backward.payload.splitlines())
    assert forward.dropped == backward.dropped
