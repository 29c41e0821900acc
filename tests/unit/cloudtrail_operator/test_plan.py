"""Desired against observed: what is applied, what is deleted, what is left alone."""

import copy
from typing import Any

import pytest

from cloudtrail_operator.core.plan import covers, identify, plan_changes
from cloudtrail_operator.core.quantities import equal_quantities
from support.observations import UID, build_wanted

DESIRED = build_wanted(collector={"replicas": 2}).manifests


def _observe() -> list[dict[str, Any]]:
    """Return the children as the API server has them: with fields that it filled in."""
    observed = copy.deepcopy(list(DESIRED))
    for manifest in observed:
        manifest["metadata"] |= {"uid": "u", "resourceVersion": "7"}
        manifest["status"] = {}
    return observed


def test_up_to_date_children_need_nothing() -> None:
    plan = plan_changes(DESIRED, _observe(), owner_uid=UID)
    assert (plan.apply, plan.delete) == ((), ())


def test_missing_child_is_applied() -> None:
    plan = plan_changes(DESIRED, _observe()[1:], owner_uid=UID)
    assert [identify(item) for item in plan.apply] == [identify(DESIRED[0])]


def test_field_that_the_manifest_lost_is_noticed() -> None:
    slimmer = build_wanted(collector={"replicas": 2}).manifests
    richer = build_wanted(collector={"replicas": 2, "annotations": {"a": "b"}}).manifests
    plan = plan_changes(slimmer, copy.deepcopy(richer), owner_uid=UID)
    assert [item["kind"] for item in plan.apply] == ["Deployment"]


def test_unwanted_child_goes_unless_it_belongs_to_another_source_of_the_name() -> None:
    fewer = build_wanted().manifests
    observed = [item for item in _observe() if item["kind"] != "Deployment"]
    assert [item["kind"] for item in plan_changes(fewer, observed, owner_uid=UID).delete] == ["PodDisruptionBudget"]
    assert plan_changes(fewer, observed, owner_uid="another").delete == ()


@pytest.mark.parametrize(
    ("observed", "desired", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({}, {"a": {}, "b": [], "c": ""}, True),
        ({}, {"a": False}, False),
        ({"a": 0}, {"a": False}, True),
        ([{"name": "x", "value": "1"}, {"name": "y"}], [{"name": "x", "value": "1"}], True),
        ([{"name": "x", "value": "2"}], [{"name": "x", "value": "1"}], False),
        (["ALL", "more"], ["ALL"], False),
        ({"cpu": "1500m", "memory": "1Gi"}, {"cpu": "1.5", "memory": "1024Mi"}, True),
        (None, {"a": 1}, False),
        ("x", ["x"], False),
    ],
)
def test_observed_covers_desired(observed: Any, desired: Any, expected: bool) -> None:
    assert covers(observed, desired) is expected


@pytest.mark.parametrize(("left", "right"), [("1", "1000m"), ("1Ki", "1024"), ("0.5", "500m"), ("1G", "1000M")])
def test_equal_quantities(left: str, right: str) -> None:
    assert equal_quantities(left, right)


@pytest.mark.parametrize(("left", "right"), [("1", "1m"), ("1Gi", "1G"), ("x", "x1"), ("", "m")])
def test_different_quantities(left: str, right: str) -> None:
    assert not equal_quantities(left, right)
