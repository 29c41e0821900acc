import pytest

from localcluster.embedded.apply import apply_configuration, undeclared_field
from localcluster.embedded.coretypes import schema_of
from localcluster.embedded.errors import ApiError
from localcluster.embedded.fieldsets import compare, decode, encode, paths_in, show
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.managers import Manager, read_owners

SERVICE = schema_of("V1Service")
EMPTY: Json = {"metadata": {}}


def manager(name: str) -> Manager:
    return Manager(name, "Apply", "v1")


def service(*ports: Json, **labels: str) -> Json:
    return {"metadata": {"labels": dict(labels)}, **({"spec": {"ports": list(ports)}} if ports else {})}


def apply(live: Json, config: Json, name: str, *, force: bool = False) -> Json:
    return apply_configuration(live, config, SERVICE, manager(name), force=force)


def test_paths_survive_encoding() -> None:
    obj = service({"port": 80, "name": "http"}, a="1")
    paths = set(paths_in(obj, SERVICE))
    assert ("f:metadata", "f:labels", "f:a") in paths
    assert ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name") in paths
    assert decode(encode(paths)) == paths


def test_path_is_shown_as_in_conflict_messages() -> None:
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name")
    assert show(path) == '.spec.ports[port=80,protocol="TCP"].name'


def test_two_managers_share_a_list_and_take_back_only_their_own() -> None:
    live = apply(EMPTY, service({"port": 80}, a="1"), "one")
    live = apply(live, service({"port": 443}, b="2"), "two")
    assert [port["port"] for port in live["spec"]["ports"]] == [80, 443]
    live = apply(live, {"spec": {"ports": []}}, "one")
    assert [port["port"] for port in live["spec"]["ports"]] == [443]
    assert live["metadata"]["labels"] == {"b": "2"}


def test_same_value_is_owned_together_and_stays_when_one_leaves() -> None:
    live = apply(EMPTY, service(a="1"), "one")
    live = apply(live, service(a="1"), "two")
    live = apply(live, service(), "one")
    assert live["metadata"]["labels"] == {"a": "1"}
    live = apply(live, {}, "two")
    assert "labels" not in live["metadata"]


def test_conflicts_name_every_manager_and_field() -> None:
    live = apply(apply(EMPTY, service(a="1"), "one"), service(b="1"), "two")
    with pytest.raises(ApiError) as refused:
        apply(live, service(a="2", b="2"), "three")
    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .metadata.labels.a\n'
        'conflicts with "two":\n- .metadata.labels.b'
    )
    forced = apply(live, service(a="2", b="2"), "three", force=True)
    assert {owner.name for owner in read_owners(forced)} == {"three"}


def test_same_apply_again_changes_nothing_at_all() -> None:
    live = apply(EMPTY, service({"port": 80}, a="1"), "one")
    assert apply(live, service({"port": 80}, a="1"), "one") == live


def test_live_object_is_not_changed_by_a_removal() -> None:
    live = apply(EMPTY, service({"port": 80, "name": "http"}), "one")
    apply(live, service({"port": 80}), "one")
    assert live["spec"]["ports"] == [{"port": 80, "name": "http"}]


def test_undeclared_field_is_named() -> None:
    assert undeclared_field({"spec": {"ports": [{"port": 80, "prot": "TCP"}]}}, SERVICE) == ".spec.ports[0].prot"


def test_difference_tells_added_modified_and_removed_apart() -> None:
    before, after = service({"port": 80}, a="1", c="1"), service({"port": 80}, a="2", b="1")
    difference = compare(before, after, SERVICE)
    labels = ("f:metadata", "f:labels")
    assert difference.modified == {(*labels, "f:a")}
    assert difference.added == {(*labels, "f:b")}
    assert difference.removed == {(*labels, "f:c")}
