import pytest

from localcluster.embedded.coretypes import schema_of
from localcluster.embedded.errors import ApiError
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.patches import apply_json_patch, apply_merge_patch, apply_strategic_patch

POD_SPEC = schema_of("V1PodSpec")


def pod_spec() -> Json:
    return {"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}


def test_failed_test_of_a_json_patch_is_invalid() -> None:
    with pytest.raises(ApiError) as refused:
        apply_json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
    assert refused.value.code == 422


def test_json_patch_leaves_the_original_alone() -> None:
    original = {"a": {"b": 1}}
    assert apply_json_patch(original, [{"op": "replace", "path": "/a/b", "value": 2}]) == {"a": {"b": 2}}
    assert original == {"a": {"b": 1}}


def test_merge_patch_removes_nulls_and_replaces_lists() -> None:
    assert apply_merge_patch({"a": {"x": 1, "y": 2}, "l": [1]}, {"a": {"x": None}, "l": [2]}) == {
        "a": {"y": 2},
        "l": [2],
    }


def test_strategic_patch_merges_containers_and_environment_by_name() -> None:
    patch = {"containers": [{"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}]}
    patched = apply_strategic_patch(pod_spec(), patch, POD_SPEC)
    assert [container["name"] for container in patched["containers"]] == ["a", "b"]
    assert patched["containers"][0]["image"] == "2"
    assert [item["name"] for item in patched["containers"][0]["env"]] == ["X", "Y"]


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ({"containers": [{"name": "a", "$patch": "delete"}]}, ["b"]),
        ({"containers": [{"$patch": "replace"}, {"name": "c"}]}, ["c"]),
        ({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "c"}]}, ["a", "b", "c"]),
    ],
)
def test_strategic_directives(patch: Json, names: list[str]) -> None:
    patched = apply_strategic_patch(pod_spec(), patch, POD_SPEC)
    assert [container["name"] for container in patched["containers"]] == names


def test_strategic_patch_removes_from_a_list_of_scalars() -> None:
    schema = schema_of("V1ObjectMeta")
    patched = apply_strategic_patch({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, schema)
    assert patched == {"finalizers": ["b"]}
