"""A backfill's progress in a ConfigMap, through the Kubernetes API, as a pod reaches it."""

import base64
import json
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from cloudtrail_collector.adapters.kube_api import KubeAccess, KubeApi, find_access
from cloudtrail_collector.adapters.progress_config_map import ProgressConfigMap
from cloudtrail_collector.errors import (
    ConfigurationError,
    ProgressConflictError,
    ProgressRefusedError,
    ProgressUnreachableError,
    ShareLostError,
)
from cloudtrail_collector.pipeline.checkpoint import Checkpoint
from cloudtrail_spec.backfill_task import BackfillProgress, Position
from localcluster.apiserver import ApiServer

NAME = "january-progress-0"


@pytest.fixture
def access(api_server: ApiServer, namespace: str, tmp_path: Path) -> KubeAccess:
    """What the pod of a ServiceAccount has that may read and patch just this ConfigMap; the operator has made it."""
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get", "patch"]}]
    group = "rbac.authorization.k8s.io"
    manifests = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "labels": {"a": "b"}}},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "worker"}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "worker"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "worker"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        },
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    api_server.kubectl("-n", namespace, "apply", "-f", "-", input=listed)
    cluster = yaml.safe_load(api_server.kubeconfig.read_text())["clusters"][0]["cluster"]
    (tmp_path / "token").write_text(api_server.kubectl("-n", namespace, "create", "token", "default").stdout)
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (tmp_path / "namespace").write_text(namespace)
    url = urlsplit(cluster["server"])
    environment = {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}
    return find_access(environment, tmp_path)


@pytest.fixture
def store(access: KubeAccess, namespace: str) -> ProgressConfigMap:
    return ProgressConfigMap(KubeApi(access), namespace, NAME)


def test_progress_is_noted_in_place_of_what_was_read_only(store: ProgressConfigMap, access: KubeAccess) -> None:
    empty = store.read()
    assert empty.progress is None
    progress = BackfillProgress(task_hash="a", share=0, position=Position(unit="s3://trail/x/", last_key="k"))
    version = store.write(progress, empty.version)
    assert (store.read().progress, store.read().version) == (progress, version)
    with pytest.raises(ProgressConflictError):
        store.write(progress.model_copy(update={"holder": "late"}), empty.version)
    found = KubeApi(access).get(f"/api/v1/namespaces/{access.namespace}/configmaps/{NAME}")
    assert found["metadata"]["labels"] == {"a": "b"}, "what others have written stays"
    assert list(found["data"]) == ["progress"]


def test_a_worker_minds_its_successor_and_nobody_else(
    store: ProgressConfigMap, api_server: ApiServer, namespace: str
) -> None:
    old = Checkpoint(store, "old", threading.Event())
    progress = old.claim("hash", 0)
    api_server.kubectl("-n", namespace, "label", "configmap", NAME, "seen=yes")
    old.save(progress.model_copy(update={"units_done": 1}))
    assert Checkpoint(store, "new", threading.Event()).claim("hash", 0).units_done == 1
    with pytest.raises(ShareLostError):
        old.save(progress.model_copy(update={"units_done": 2}))


def test_a_config_map_that_is_not_there_or_not_for_us_is_named(access: KubeAccess, namespace: str) -> None:
    other = ProgressConfigMap(KubeApi(access), namespace, "other")
    with pytest.raises(ProgressRefusedError, match=f"ConfigMap {namespace}/other: .*forbidden"):
        other.read()


def test_an_api_server_that_does_not_answer_is_asked_again_later(access: KubeAccess, namespace: str) -> None:
    nobody = KubeAccess("https://127.0.0.1:9", access.namespace, access.tls, access.token_file)
    with pytest.raises(ProgressUnreachableError, match=NAME):
        ProgressConfigMap(KubeApi(nobody), namespace, NAME).read()


def test_kubeconfig_gives_the_same_access(api_server: ApiServer, namespace: str) -> None:
    admin = find_access({"KUBECONFIG": str(api_server.kubeconfig)})
    assert KubeApi(admin).get(f"/api/v1/namespaces/{namespace}")["metadata"]["name"] == namespace


def test_without_access_it_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="--progress FILE"):
        find_access({})
