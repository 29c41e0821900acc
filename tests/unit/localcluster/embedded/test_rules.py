from datetime import UTC, datetime, timedelta

import pytest

from localcluster.embedded.crds import check
from localcluster.embedded.errors import ApiError
from localcluster.embedded.jsontypes import Json, timestamp
from localcluster.embedded.protobuf import MAGIC, decode_body
from localcluster.embedded.rules import broken_rules, evaluate
from localcluster.embedded.tables import render_age
from localcluster.embedded.validation import validate


def rule(text: str, **more: str) -> Json:
    return {"x-kubernetes-validations": [{"rule": text, **more}]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("self.x +", "compilation failed"),
        ("isURL(self.x)", "no CEL function isURL"),
        ("quantity(self.x).isGreaterThan(quantity('1'))", "no CEL function"),
    ],
)
def test_rule_that_cannot_be_enforced_is_reported(text: str, problem: str) -> None:
    schema: Json = {"properties": {"spec": {"type": "object", **rule(text)}}}
    (finding,) = broken_rules(schema, "schema")
    assert finding.field == "schema.properties[spec].x-kubernetes-validations"
    assert problem in finding.message


def test_number_is_a_double_where_the_schema_says_so() -> None:
    schema: Json = {"type": "object", "properties": {"ratio": {"type": "number"}}, **rule("self.ratio < 1.5")}
    assert list(evaluate({"ratio": 1}, schema)) == []
    assert [cause.message for cause in evaluate({"ratio": 2}, schema)] == [
        "Invalid value: failed rule: self.ratio < 1.5"
    ]


def test_error_in_a_rule_is_a_refusal() -> None:
    (cause,) = evaluate({}, {"type": "object", **rule("self.missing == 1")})
    assert "rule evaluation error" in cause.message


def test_message_expression_and_field_path() -> None:
    schema = rule(
        "self.a < self.b", messageExpression="'a is ' + string(self.a)", fieldPath=".a", reason="FieldValueForbidden"
    )
    (cause,) = evaluate({"a": 2, "b": 1}, schema, path="spec")
    assert (cause.field, cause.message) == ("spec.a", "Forbidden: a is 2")


def test_transition_rule_follows_list_items_by_key() -> None:
    items: Json = {
        "type": "object",
        "properties": {"v": {"type": "string", **rule("self == oldSelf", message="fixed")}},
    }
    schema: Json = {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    }
    old = [{"k": "1", "v": "a"}, {"k": "2", "v": "b"}]
    assert list(evaluate([{"k": "2", "v": "b"}, {"k": "3", "v": "x"}], schema, old)) == []
    (cause,) = evaluate([{"k": "2", "v": "c"}], schema, old)
    assert (cause.field, cause.message) == ("[0].v", 'Invalid value: "c": fixed')


def test_crd_must_be_structural_and_named_after_itself() -> None:
    schema = {"type": "object", "properties": {"spec": {"properties": {}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": "g.example",
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [version],
    }
    findings = check({"metadata": {"name": "wrong"}, "spec": spec})
    assert [finding.field for finding in findings] == [
        "metadata.name",
        "spec.versions[0].schema.openAPIV3Schema.properties[spec].type",
    ]


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, '"spec" must validate one and only one schema (oneOf)'),
        ({"anyOf": [{"required": ["c"]}]}, '"spec" must validate at least one schema (anyOf)'),
        ({"not": {"required": ["a"]}}, '"spec" must not validate the schema (not)'),
    ],
)
def test_combined_schemas(branches: Json, message: str) -> None:
    schema: Json = {"properties": {"spec": {"type": "object", **branches}}}
    (finding,) = validate({"spec": {"a": 1, "b": 1}}, schema)
    assert message in finding.message


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (720, "12m"), (3 * 3600 + 60, "3h1m"), (49 * 3600, "2d1h")],
)
def test_age(seconds: int, shown: str) -> None:
    assert render_age(timestamp(datetime.now(UTC) - timedelta(seconds=seconds))) == shown


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(version: bytes, kind: bytes, raw: bytes) -> bytes:
    return MAGIC + field(1, field(1, version) + field(2, kind)) + field(2, raw)


def test_protobuf_config_map() -> None:
    metadata = field(1, field(1, b"c") + field(8, b""))
    raw = metadata + field(2, field(1, b"a") + field(2, b"1")) + field(3, field(1, b"b") + field(2, b"\x00"))
    assert decode_body(envelope(b"v1", b"ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"a": "1"},
        "binaryData": {"b": "AA=="},
    }


@pytest.mark.parametrize(
    "body", [envelope(b"v1", b"Pod", b""), envelope(b"v1", b"Namespace", field(2, field(1, b"kubernetes"))), b"other"]
)
def test_protobuf_that_would_lose_something_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode_body(body)
    assert refused.value.code == 415
