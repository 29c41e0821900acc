import json
from functools import partial
from typing import Any

import pytest

from cloudtrail_collector.core.masking import Masker, compile_masks, refuse_keys
from cloudtrail_collector.core.masking.literals import build_probes
from cloudtrail_spec.masks import MaskPreset, MaskRule

KEY = "AKIAIOSFODNN7EXAMPLE"
HASH = {"key": {"secretKeyRef": {"name": "masks", "key": "hmac"}}}
ROLE = "AROACKCEVSQ6C2EXAMPLE"
TOKEN = "FwoGZXIvYXdz" + "aB3/" * 20
UUID = "e5446dd4-552b-42f6-be3e-111122223333"
DEEP = json.dumps({"a": json.dumps({"b": json.dumps({"sessionToken": "secret-1", "keys": [KEY]})})})


def _return_key(key: bytes, _value: object) -> bytes:
    return key


def _masker(*rules: dict[str, Any], key: bytes = b"k" * 32) -> Masker:
    masker = compile_masks([MaskRule.model_validate(rule) for rule in rules], partial(_return_key, key))
    assert masker is not None
    return masker


def _mask(record: Any, *rules: dict[str, Any]) -> Any:
    result = _masker(*rules).mask([json.dumps(record).encode()])
    assert result.refused == []
    return json.loads(result.records[0])


PRESET_CASES = [
    ("AccessKeyIds", {"x": KEY}, {"x": "AKIA****************"}),
    ("AccessKeyIds", {"x": ["ASIA" + "Q" * 16]}, {"x": ["ASIA****************"]}),
    ("AccessKeyIds", {"x": f"credential={KEY}/20260102"}, {"x": "credential=AKIA****************/20260102"}),
    ("AccessKeyIds", {"x": f"%22{KEY}%22"}, {"x": "%22AKIA****************%22"}),
    ("AccessKeyIds", {KEY: 1}, {"AKIA****************": 1}),
    ("AccessKeyIds", {"x": "AKIA is how ids of keys begin"}, None),
    ("AssumedRoleIds", {"principalId": f"{ROLE}:alice@example.com"}, {"principalId": "AROA****************"}),
    ("AssumedRoleIds", {"id": ROLE, "x": f"({ROLE}:s)"}, {"id": "AROA" + "*" * 16, "x": "(AROA" + "*" * 16 + ")"}),
    ("SessionTokens", {"credentials": {"sessionToken": "x y"}}, {"credentials": {"sessionToken": "****"}}),
    ("SessionTokens", {"X-Amz-Security-Token": "x"}, {"X-Amz-Security-Token": "****"}),
    ("SessionTokens", {"secretAccessKey": 'a"b\\c/d'}, {"secretAccessKey": "****"}),
    ("SessionTokens", {"secretAccessKey": {"a": "b", "c": [1]}}, {"secretAccessKey": {"a": "****", "c": ["****"]}}),
    ("SessionTokens", {"sessionToken": None, "SessionToken": ""}, None),
    ("SessionTokens", {"x": f"use {TOKEN} now"}, {"x": "use FwoGZXIvYXdz**** now"}),
    ("SessionTokens", {"url": "https://x/?X-Amz-Security-Token=ab%2F&y=1"}, {"url": "https://x/?X-Amz-Security-Token=****&y=1"}),
    ("SessionTokens", {"x": '{"sessionToken":"cut off in the mid'}, {"x": '{"sessionToken":"****'}),
    ("SessionTokens", {"nextToken": "x", "clientToken": "y"}, None),
    ("SourceIPs", {"sourceIPAddress": "203.0.113.7", "x": {"clientIp": "2001:db8::7"}, "y": "[2001:db8::7]"},
     {"sourceIPAddress": "0.0.0.0", "x": {"clientIp": "0.0.0.0"}, "y": "[0.0.0.0]"}),
    ("SourceIPs", {"sourceIPAddress": "203.0.113.7", "x": "from 203.0.113.7. 1203.0.113.7 203.0.113.78 203.0.113.7.9"},
     {"sourceIPAddress": "0.0.0.0", "x": "from 0.0.0.0. 1203.0.113.7 203.0.113.78 203.0.113.7.9"}),
    ("SourceIPs", {"sourceIPAddress": "203.0.113.7", "x": "ip-203-0-113-7.ec2.internal"},
     {"sourceIPAddress": "0.0.0.0", "x": "ip-0.0.0.0.ec2.internal"}),
    ("SourceIPs", {"sourceIPAddress": "10.0.0.1, 10.0.0.2"}, {"sourceIPAddress": "0.0.0.0, 0.0.0.0"}),
    ("SourceIPs", {"sourceIPAddress": "AWS Internal", "cidrIp": "10.0.0.0/8"}, None),
    ("SourceIPs", {"sourceIPAddress": "ec2.amazonaws.com", "x": "ec2.amazonaws.com"}, None),
    ("UserNames", {"userIdentity": {"userName": "alice", "arn": "arn:aws:iam::111122223333:user/ops/alice"}},
     {"userIdentity": {"userName": "masked", "arn": "arn:aws:iam::111122223333:user/ops/masked"}}),
    ("UserNames",
     {"arn": "arn:aws:sts::111122223333:assumed-role/Admin/bob@example.com", "x": f"{ROLE}:bob@example.com", "y": "Admin"},
     {"arn": "arn:aws:sts::111122223333:assumed-role/masked/masked", "x": f"{ROLE}:masked", "y": "masked"}),
    ("UserNames", {"userName": "s3", "eventSource": "s3.amazonaws.com", "x": "s3-logs is s3"},
     {"userName": "masked", "eventSource": "s3.amazonaws.com", "x": "s3-logs is masked"}),
    ("UserNames", {"userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "userNames": ["x"]}, None),
    ("AccountIds", {"accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root", "bucket": "logs-111122223333"},
     {"accountId": "000000000000", "arn": "arn:aws:iam::000000000000:root", "bucket": "logs-000000000000"}),
    ("AccountIds", {"ownerId": 111122223333, "size": 111122223333}, {"ownerId": "000000000000", "size": 111122223333}),
    ("AccountIds", {"eventID": UUID, "x": "1111222233334 a111122223333"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "record", "masked"), PRESET_CASES)
def test_preset(preset: str, record: Any, masked: Any) -> None:
    assert _mask(record, {"preset": preset}) == (record if masked is None else masked)


@pytest.mark.parametrize(("preset", "record", "masked"), PRESET_CASES)
def test_preset_reaches_json_in_a_string(preset: str, record: Any, masked: Any) -> None:
    inside = _mask({"x": json.dumps(json.dumps(record)), "y": json.dumps(record)}, {"preset": preset})
    expected = record if masked is None else masked
    assert json.loads(inside["y"]) == expected


def test_masks_reach_json_in_strings_in_strings() -> None:
    masked = _mask({"x": DEEP}, {"preset": "SessionTokens"}, {"preset": "AccessKeyIds"})
    inner = json.loads(json.loads(json.loads(masked["x"])["a"])["b"])
    assert inner == {"sessionToken": "****", "keys": ["AKIA****************"]}


@pytest.mark.parametrize(
    "text",
    [
        rb'{"x":"\u0041KIAIOSFODNN7EXAMPLE"}',
        rb'{"x":"{\"y\":\"\\u0041KIAIOSFODNN7EXAMPLE\"}"}',
        rb'{"session\u0054oken":"AKIAIOSFODNN7EXAMPLE"}',
        rb'{"url":"https:\/\/x\/AKIAIOSFODNN7EXAMPLE"}',
    ],
)
def test_escapes_hide_nothing(text: bytes) -> None:
    (masked,) = _masker({"preset": "AccessKeyIds"}, {"preset": "SessionTokens"}).mask([text]).records
    assert b"7EXAMPLE" not in masked
    assert json.loads(masked)


def test_only_the_hidden_values_change() -> None:
    text = (
        rb'{ "b" :12345678901234567890.0100e+2,"a":"\u00e9\/x","unknown":{"k":[1 ,null]},"id":"'
        + KEY.encode()
        + rb'","'
        rb'p":"{\"n\": 1.50, \"\u00e4\":\"" }'
    )
    text = text.replace(rb'\"\u00e4\":\"" }', rb"\"\u00e4\":\"" + KEY.encode() + rb'\"}" }')
    (masked,) = _masker({"preset": "AccessKeyIds"}).mask([text]).records
    assert masked == text.replace(KEY.encode(), b"AKIA****************")


def test_a_record_without_anything_to_hide_is_left_as_it_is() -> None:
    text = rb'{"a" : 1.0,"b":"\u00e9"}'
    result = _masker(*({"preset": preset} for preset in ("AccessKeyIds", "UserNames", "AccountIds"))).mask([text])
    assert (result.records, result.masked) == ([text], 0)


@pytest.mark.parametrize("text", [b'{"sessionToken":', rb'{"a":"\u001"}', b"[" * 20_000 + b'"\\u0041"' + b"]" * 20_000])
def test_what_cannot_be_taken_apart_is_refused(text: bytes) -> None:
    good = json.dumps({"x": KEY}).encode()
    result = _masker({"preset": "SessionTokens"}, {"preset": "AccessKeyIds"}).mask([good, text, good])
    assert result.refused == [1]
    assert len(result.records) == result.masked == 2


def test_bytes_that_are_no_utf8_and_half_surrogates_do_not_help_to_hide() -> None:
    masker = _masker({"preset": "SessionTokens"})
    text = b'{"x":"\xff\\ud800","sessionToken":"\xff/secret"}'
    assert masker.mask([text]).records == [b'{"x":"\xff\\ud800","sessionToken":"****"}']


def test_hashes_keep_equal_values_joinable_and_depend_on_the_key() -> None:
    rules = [MaskRule.model_validate({"preset": "UserNames", "hash": HASH})]
    record = json.dumps({"userName": "alice", "x": {"userName": "bob"}, "y": "alice"}).encode()
    first, second = (compile_masks(rules, partial(_return_key, key)) for key in (b"1" * 16, b"2" * 16))
    assert first is not None
    assert second is not None
    masked, other = (json.loads(masker.mask([record]).records[0]) for masker in (first, second))
    assert masked["userName"] == masked["y"]
    assert len({masked["y"], masked["x"]["userName"], other["y"], "alice"}) == 4
    assert len(masked["y"]) == 32


def test_hashes_need_a_key_that_is_long_enough() -> None:
    with pytest.raises(
        ValueError, match=r"mask\[0\] \(UserNames\): the key of a hash needs at least 16 bytes, this one has 3"
    ):
        _masker({"preset": "UserNames", "hash": HASH}, key=b"abc")
    with pytest.raises(ValueError, match=r"mask\[0\] \(UserNames\): hash needs a key, and Secret masks is not at hand"):
        compile_masks([MaskRule.model_validate({"preset": "UserNames", "hash": HASH})], refuse_keys)


def test_no_rules_no_masker() -> None:
    assert compile_masks([], refuse_keys) is None


@pytest.mark.parametrize(
    ("path", "record", "masked"),
    [
        ("a", {"a": "x", "b": {"a": "x"}}, {"a": "-", "b": {"a": "x"}}),
        ("a.b", {"a": {"b": "x", "c": "x"}, "b": "x"}, {"a": {"b": "-", "c": "x"}, "b": "x"}),
        ("a.b", {"a": [{"b": 1}, {"b": True}, {"b": None}]}, {"a": [{"b": "-"}, {"b": "-"}, {"b": None}]}),
        ("a", {"a": {"b": [1, "x", {"c": "y"}]}}, {"a": {"b": ["-", "-", {"c": "-"}]}}),
        ("a.b", {"a": json.dumps({"b": "x", "c": 1})}, {"a": json.dumps({"b": "-", "c": 1})}),
        ("a.b", {"a": {"c": {"b": "x"}, "b": "y"}}, {"a": {"c": {"b": "x"}, "b": "-"}}),
        ("a.b", {"a": {"c": {"b": "x"}}}, None),
        ("a.b", {"b": "x"}, None),
        ("a", {"a": ""}, {"a": "-"}),
        ("a", {"a": 'quote " and \n'}, {"a": "-"}),
    ],
)
def test_own_field(path: str, record: Any, masked: Any) -> None:
    assert _mask(record, {"name": "x", "field": path, "replacement": "-"}) == (record if masked is None else masked)


def test_a_name_that_stands_twice_in_an_object_is_hidden_twice() -> None:
    masker = _masker({"name": "x", "field": "a.b", "replacement": "-"})
    texts = [b'{"a":{"b":"1","c":0,"b":"2"}}', b'{"a":{"b":"1"},"a":{"c":"2"}}', b'{"a":{"b":"1"},"c":0,"a":{"b":"2"}}']
    assert masker.mask(texts).records == [
        b'{"a":{"b":"-","c":0,"b":"-"}}',
        b'{"a":{"b":"-"},"a":{"c":"2"}}',
        b'{"a":{"b":"-"},"c":0,"a":{"b":"-"}}',
    ]


@pytest.mark.parametrize(
    ("pattern", "record", "masked"),
    [
        ("[a-z]+@example[.]com", {"x": "to bob@example.com", "y": ["eve@example.com"]}, {"x": "to -", "y": ["-"]}),
        ("^bob$", {"x": "bob", "y": "bob and eve"}, {"x": "-", "y": "bob and eve"}),
        (r"a\tb", {"x": "a\tb", "y": json.dumps("a\tb")}, {"x": "-", "y": json.dumps("a\tb")}),
        (r"a\tb", {"x": json.dumps({"y": "a\tb"})}, {"x": json.dumps({"y": "-"})}),
        ("[0-9]{4}", {"x": 12345.5, "y": 12}, {"x": "-5.5", "y": 12}),
        ("(?i)SECRET|caf.", {"Secret": "caf\u00e9"}, {"-": "-"}),
        ('x":"y', {"x": "y"}, None),
        (r"\b", {"x": "y"}, None),
    ],
)
def test_own_pattern(pattern: str, record: Any, masked: Any) -> None:
    assert _mask(record, {"name": "x", "pattern": pattern, "replacement": "-"}) == (
        record if masked is None else masked
    )


def test_a_pattern_that_would_take_for_ever_elsewhere_does_not() -> None:
    record = {"x": "a" * 20_000 + "!"}
    assert _mask(record, {"name": "x", "pattern": "(a+)+$", "replacement": "-"}) == record


def test_a_replacement_is_escaped_as_deep_as_it_stands() -> None:
    replacement = 'a "b" \\ \u00e9'
    record = {"x": json.dumps({"y": json.dumps({"z": KEY})}), "w": KEY}
    masked = _mask(record, {"preset": "AccessKeyIds", "replacement": replacement})
    assert masked["w"] == replacement
    assert json.loads(json.loads(masked["x"])["y"])["z"] == replacement


def test_of_rules_that_overlap_the_first_value_stands_for_all() -> None:
    record = {"principalId": f"{ROLE}:alice", "sessionToken": KEY, "userName": "alice"}
    rules = (
        {"preset": "AccessKeyIds"},
        {"preset": "SessionTokens"},
        {"preset": "AssumedRoleIds"},
        {"preset": "UserNames"},
    )
    assert _mask(record, *rules) == {"principalId": "AROA" + "*" * 16, "sessionToken": "****", "userName": "masked"}


def test_no_literal_can_hide_another_one() -> None:
    """Of literals that overlap only the first is found. A at the end of AKIA stands for nothing that could follow."""
    literals = [
        probe.literal
        for preset in ("AccessKeyIds", "AssumedRoleIds", "SessionTokens")
        for probe in build_probes(MaskPreset(preset), lambda value: value, keeps_shape=True, is_constant=False)
    ]
    overlaps = [
        (first, second)
        for first in literals
        for second in literals
        for size in range(2, len(second))
        if first.endswith(second[:size]) or (first != second and second in first)
    ]
    assert len(literals) == 24
    assert overlaps == []
    assert {literal[:1] for literal in literals if any(other.endswith(literal[:1]) for other in literals)} == {b"A"}
