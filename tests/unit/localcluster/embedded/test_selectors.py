import pytest

from localcluster.embedded.errors import ApiError
from localcluster.embedded.selectors import matches_label_selector, parse_fields, parse_labels

LABELS = {"tier": "front", "app.kubernetes.io/name": "web"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("tier=front", True),
        ("tier==front,app.kubernetes.io/name=web", True),
        ("tier!=front", False),
        ("absent!=front", True),
        ("tier in (front,back)", True),
        ("tier in (back), tier", False),
        ("tier notin (back)", True),
        ("tier", True),
        ("!tier", False),
    ],
)
def test_label_selector(text: str, expected: bool) -> None:
    assert parse_labels(text)(LABELS) is expected


def test_unreadable_label_selector_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="unable to parse requirement"):
        parse_labels("a b c")


def test_label_selector_object_with_expressions() -> None:
    selector = {
        "matchLabels": {"tier": "front"},
        "matchExpressions": [{"key": "env", "operator": "DoesNotExist"}, {"key": "tier", "operator": "Exists"}],
    }
    assert matches_label_selector(selector, LABELS)
    assert not matches_label_selector(selector, {**LABELS, "env": "prod"})


def test_field_selector_knows_only_what_is_selectable() -> None:
    matches = parse_fields("spec.nodeName=,status.phase!=Failed", frozenset({"spec.nodeName", "status.phase"}))
    assert matches({"spec": {}, "status": {"phase": "Pending"}})
    assert not matches({"spec": {"nodeName": "n"}, "status": {"phase": "Pending"}})
    with pytest.raises(ApiError, match=r"field label not supported: spec\.image"):
        parse_fields("spec.image=x", frozenset())
