"""What a Pod may rely on under the node agent, seen through the API server and through its programs' output."""

import base64
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from localcluster.cluster import LocalCluster, Manifest

T = TypeVar("T")

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ.get("ANSWER", "hello").encode())
print("serving", os.environ.get("ANSWER"), flush=True)
http.server.HTTPServer((os.environ["CLOUDTRAIL_LISTEN_HOST"], 8080), Answer).serve_forever()
"""
SLEEP = "import time; time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("asked to stop", flush=True))
print("started", flush=True)
while True: time.sleep(600)
"""


def build_container(script: str, **fields: Any) -> Manifest:
    return {"name": "main", "image": "example.org/python:3", "command": ["python", "-c", script], **fields}


def build_pod(name: str, *containers: Manifest, annotations: dict[str, str] | None = None, **spec: Any) -> Manifest:
    metadata = {"name": name, "labels": {"app": name}, "annotations": annotations or {}}
    fields = {"containers": list(containers), "terminationGracePeriodSeconds": 1, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": fields}


def build_deployment(name: str, container: Manifest, replicas: int = 1) -> Manifest:
    template = build_pod(name, container, annotations={"cloudtrail-operator.io/split-stdout": "true"})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {key: template["metadata"][key] for key in ("labels", "annotations")},
                "spec": template["spec"],
            },
        },
    }


def wait_until(ask: Callable[[], T], timeout: float = 20) -> T:
    """Ask until the answer is true; returns it."""
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {timeout} s"
        time.sleep(0.1)
    return answer


def read_state(pod: Manifest) -> Manifest:
    """The state of a Pod's only container."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    state: Manifest = statuses[0].get("state") or {}
    return state


def run_to_end(cluster: LocalCluster, namespace: str, pod: Manifest) -> tuple[str, str]:
    """Run a Pod that ends by itself; returns its phase and its log."""
    cluster.apply(pod, namespace=namespace)
    name = f"pod/{pod['metadata']['name']}"

    def find_ended() -> Manifest | None:
        found = cluster.get(name, namespace=namespace)
        return found if found["status"].get("phase") in ("Succeeded", "Failed") else None

    ended = wait_until(find_ended)
    assert ended is not None
    return ended["status"]["phase"], cluster.pod_logs(ended)


def test_deployment_becomes_available_and_each_pod_answers_at_its_own_address(
    local_cluster: LocalCluster, namespace: str
) -> None:
    container = build_container(
        SERVER,
        ports=[{"name": "http", "containerPort": 8080}],
        readinessProbe={"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 1},
    )
    local_cluster.apply(build_deployment("web", container, replicas=2), namespace=namespace)
    local_cluster.wait("deployment/web", "condition=Available", namespace=namespace)
    local_cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=30s")
    addresses = {pod["status"]["podIP"] for pod in local_cluster.pods(namespace, "app=web")}
    assert len(addresses) == 2
    for address in addresses:
        with urllib.request.urlopen(f"http://{address}:8080/", timeout=5) as response:
            assert response.read() == b"hello"


def test_name_of_a_service_in_a_command_is_the_address_of_a_ready_pod(
    local_cluster: LocalCluster, namespace: str
) -> None:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    local_cluster.apply(build_pod("named", build_container(SERVER, readinessProbe=probe)), namespace=namespace)
    local_cluster.wait("pod/named", "condition=Ready", namespace=namespace)
    metadata, ports = {"name": "front"}, [{"port": 8080}]
    spec = {"clusterIP": "None", "selector": {"app": "named"}, "ports": ports}
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, namespace=namespace
    )
    asks = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), sys.argv[2:])"
    url, unknown = f"http://front.{namespace}.svc.cluster.local:8080/", f"other.{namespace}.svc"
    container = build_container(asks, args=[url, unknown])
    phase, log = run_to_end(local_cluster, namespace, build_pod("asks", container, restartPolicy="Never"))
    assert (phase, log.split()) == ("Succeeded", ["hello", f"['{unknown}']"])


def test_environment_comes_from_values_fields_config_maps_and_secrets(
    local_cluster: LocalCluster, namespace: str
) -> None:
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "green"}},
        namespace=namespace,
    )
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "s3cret"}},
        namespace=namespace,
    )
    fields = {
        "IP": "status.podIP", "NAME": "metadata.name", "NAMESPACE": "metadata.namespace", "ID": "metadata.uid",
        "LABEL": "metadata.labels['app']", "NODE": "spec.nodeName", "ACCOUNT": "spec.serviceAccountName",
    }  # fmt: skip
    container = build_container(
        "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))",
        args=["$(GREETING)", "$$(GREETING)", "$(UNKNOWN)"],
        resources={"limits": {"memory": "64Mi", "cpu": "250m"}},
        envFrom=[
            {"configMapRef": {"name": "settings"}, "prefix": "MY_"},
            {"secretRef": {"name": "no", "optional": True}},
        ],
        env=[
            {"name": "WHO", "value": "world"},
            {"name": "GREETING", "value": "hello $(WHO)"},
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
            {"name": "NOTHING", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no", "optional": True}}},
        ],
    )
    phase, log = run_to_end(local_cluster, namespace, build_pod("show", container, restartPolicy="Never"))
    arguments, environment = json.loads(log)
    pod = local_cluster.get("pod/show", namespace=namespace)
    assert phase == "Succeeded"
    assert arguments == ["hello world", "$(GREETING)", "$(UNKNOWN)"]
    expected = {
        "IP": pod["status"]["podIP"], "NAME": "show", "NAMESPACE": namespace, "ID": pod["metadata"]["uid"],
        "LABEL": "show", "NODE": "local", "ACCOUNT": "default", "MEMORY": "64", "CPU": "1", "TOKEN": "s3cret",
        "COLOUR": "green", "MY_colour": "green", "CLOUDTRAIL_LISTEN_HOST": pod["status"]["podIP"],
    }  # fmt: skip
    assert {name: environment.get(name) for name in expected} == expected
    assert "NOTHING" not in environment
    assert "VIRTUAL_ENV" not in environment, "the environment of the agent must not leak"


def test_volumes_are_found_where_arguments_and_environment_name_their_mount_paths(
    local_cluster: LocalCluster, namespace: str
) -> None:
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "A", "b": "B"}},
        namespace=namespace,
    )
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "K"}},
        namespace=namespace,
    )
    script = """
import os, pathlib, sys
for path in [*sys.argv[1:], os.environ["KEY_FILE"]]:
    print(pathlib.Path(path).read_text(), oct(os.stat(path).st_mode & 0o777))
print(os.environ["NOT_MINE"])
"""
    container = build_container(
        script,
        args=["/etc/all/b", "/etc/one/deep/x", "/etc/all/sub", "/scratch/note", "/etc/pod/labels", "/mix/who"],
        env=[{"name": "KEY_FILE", "value": "/etc/keys/key"}, {"name": "NOT_MINE", "value": "/etc/all-else"}],
        volumeMounts=[
            {"name": "all", "mountPath": "/etc/all"},
            {"name": "all", "mountPath": "/etc/all/sub", "subPath": "a"},
            {"name": "one", "mountPath": "/etc/one/"},
            {"name": "keys", "mountPath": "/etc/keys"},
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "pod", "mountPath": "/etc/pod"},
            {"name": "mix", "mountPath": "/mix"},
        ],
    )
    writer = build_container(
        "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('from init')",
        name="writer",
        args=["/notes/note"],
        volumeMounts=[{"name": "scratch", "mountPath": "/notes"}],
    )
    name_item = {"path": "who", "fieldRef": {"fieldPath": "metadata.name"}}
    volumes = [
        {"name": "all", "configMap": {"name": "c"}},
        {"name": "one", "configMap": {"name": "c", "items": [{"key": "a", "path": "deep/x", "mode": 0o600}]}},
        {"name": "keys", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "pod", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "mix", "projected": {"sources": [{"downwardAPI": {"items": [name_item]}}, {"secret": {"name": "s"}}]}},
    ]
    pod = build_pod("v", container, volumes=volumes, initContainers=[writer], restartPolicy="Never")
    phase, log = run_to_end(local_cluster, namespace, pod)
    assert (phase, log.splitlines()) == (
        "Succeeded",
        ["B 0o644", "A 0o600", "A 0o644", "from init 0o644", 'app="v" 0o644', "v 0o644", "K 0o400", "/etc/all-else"],
    )


def test_projected_token_is_for_its_audience_and_bound_to_the_pod(local_cluster: LocalCluster, namespace: str) -> None:
    token = {"serviceAccountToken": {"path": "token", "audience": "sts.amazonaws.com", "expirationSeconds": 900}}
    container = build_container(
        "import sys; print(open(sys.argv[1]).read())",
        args=["/var/run/secrets/eks.amazonaws.com/serviceaccount/token"],
        volumeMounts=[{"name": "token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}],
    )
    volumes = [{"name": "token", "projected": {"sources": [token]}}]
    pod = build_pod("token", container, volumes=volumes, restartPolicy="Never")
    _, log = run_to_end(local_cluster, namespace, pod)
    payload = log.strip().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["sts.amazonaws.com"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:default"
    assert claims["kubernetes.io"]["pod"]["name"] == "token"
    assert claims["exp"] - claims["iat"] == 900


def test_program_reaches_the_api_as_its_service_account_and_no_further(
    local_cluster: LocalCluster, namespace: str
) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    group = "rbac.authorization.k8s.io"
    for manifest in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    ):
        local_cluster.apply(manifest, namespace=namespace)
    script = """
import subprocess
for kind in ("configmaps", "secrets"):
    done = subprocess.run(["kubectl", "get", kind, "-o", "name"], capture_output=True, text=True)
    print(done.returncode, done.stdout.split(), done.stderr)
"""
    pod = build_pod("reader", build_container(script), serviceAccountName="reader", restartPolicy="Never")
    _, log = run_to_end(local_cluster, namespace, pod)
    allowed, forbidden = log.splitlines()[0], log.split("\n", 1)[1]
    assert allowed.startswith("0 ['configmap/kube-root-ca.crt']"), log
    assert f'User "system:serviceaccount:{namespace}:reader" cannot list resource "secrets"' in forbidden


def test_pod_without_token_has_no_access(local_cluster: LocalCluster, namespace: str) -> None:
    container = build_container("import os; print(os.environ.get('KUBECONFIG'))")
    pod = build_pod("none", container, automountServiceAccountToken=False, restartPolicy="Never")
    assert run_to_end(local_cluster, namespace, pod) == ("Succeeded", "None\n")


def test_readiness_follows_its_probe_in_both_directions(local_cluster: LocalCluster, namespace: str) -> None:
    container = build_container(
        SLEEP,
        readinessProbe={
            "exec": {"command": ["test", "-e", "/scratch/ready"]},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
        volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}],
    )
    pod = build_pod("probe", container, volumes=[{"name": "scratch", "emptyDir": {}}])
    local_cluster.apply(pod, namespace=namespace)
    local_cluster.wait("pod/probe", "jsonpath={.status.phase}=Running", namespace=namespace)
    found = local_cluster.get("pod/probe", namespace=namespace)
    assert found["status"]["containerStatuses"][0]["ready"] is False
    flag = local_cluster.node_layout.pod(found["metadata"]["uid"]) / "volumes" / "scratch" / "ready"
    flag.touch()
    local_cluster.wait("pod/probe", "condition=Ready", namespace=namespace)
    flag.unlink()
    local_cluster.wait("pod/probe", "condition=Ready=false", namespace=namespace)
    assert local_cluster.get("pod/probe", namespace=namespace)["status"]["containerStatuses"][0]["restartCount"] == 0


def test_container_that_fails_its_liveness_probe_is_restarted(local_cluster: LocalCluster, namespace: str) -> None:
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    local_cluster.apply(build_pod("dead", build_container(STUBBORN, livenessProbe=probe)), namespace=namespace)
    local_cluster.wait(
        "pod/dead", "jsonpath={.status.containerStatuses[0].restartCount}=1", namespace=namespace, timeout=30
    )
    status = local_cluster.get("pod/dead", namespace=namespace)["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 137
    previous = local_cluster.pod_logs(local_cluster.get("pod/dead", namespace=namespace), previous=True)
    assert previous.splitlines() == ["started", "asked to stop"]


def test_startup_probe_holds_the_liveness_probe_back(local_cluster: LocalCluster, namespace: str) -> None:
    slow = f"import time; time.sleep(3)\n{SERVER}"
    get = {"httpGet": {"port": 8080, "path": "/"}}
    container = build_container(
        slow,
        startupProbe={**get, "periodSeconds": 1, "failureThreshold": 20},
        livenessProbe={**get, "periodSeconds": 1, "failureThreshold": 1},
    )
    local_cluster.apply(build_pod("slow", container), namespace=namespace)
    local_cluster.wait("pod/slow", "condition=Ready", namespace=namespace)
    assert local_cluster.get("pod/slow", namespace=namespace)["status"]["containerStatuses"][0]["restartCount"] == 0


def test_crashing_container_is_restarted_with_growing_delay_and_says_why(
    local_cluster: LocalCluster, namespace: str
) -> None:
    script = "import sys; sys.exit('the configuration is broken')"
    container = build_container(script, terminationMessagePolicy="FallbackToLogsOnError")
    local_cluster.apply(build_pod("crash", container), namespace=namespace)
    path = "jsonpath={.status.containerStatuses[0].restartCount}=2"
    local_cluster.wait("pod/crash", path, namespace=namespace)

    def find_waiting() -> Manifest | None:
        pod = local_cluster.get("pod/crash", namespace=namespace)
        return pod if read_state(pod).get("waiting") else None

    pod = wait_until(find_waiting)
    assert pod is not None
    assert read_state(pod)["waiting"]["reason"] == "CrashLoopBackOff"
    assert pod["status"]["phase"] == "Running"
    last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (1, "Error")
    assert last["message"].strip() == "the configuration is broken"


def test_killed_process_is_restarted_at_once(local_cluster: LocalCluster, namespace: str) -> None:
    local_cluster.apply(build_pod("victim", build_container(SLEEP)), namespace=namespace)
    local_cluster.wait("pod/victim", "condition=Ready", namespace=namespace)
    pod = local_cluster.get("pod/victim", namespace=namespace)
    local_cluster.kill_pod_process(pod, signal.SIGKILL)
    local_cluster.wait("pod/victim", "jsonpath={.status.containerStatuses[0].restartCount}=1", namespace=namespace)
    local_cluster.wait("pod/victim", "condition=Ready", namespace=namespace)
    status = local_cluster.get("pod/victim", namespace=namespace)["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 137


def test_deleted_pod_runs_its_hook_gets_sigterm_and_its_grace_period_before_sigkill(
    local_cluster: LocalCluster, namespace: str
) -> None:
    touch = "import sys, pathlib; pathlib.Path(sys.argv[1]).touch()"
    container = build_container(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('hook ran:', os.path.exists(sys.argv[1]), flush=True))\n"
        "print('started', flush=True)\nwhile True: time.sleep(600)",
        args=["/scratch/hook"],
        lifecycle={"preStop": {"exec": {"command": ["python", "-c", touch, "/scratch/hook"]}}},
        volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}],
    )
    pod = build_pod(
        "stubborn", container, volumes=[{"name": "scratch", "emptyDir": {}}], terminationGracePeriodSeconds=3
    )
    local_cluster.apply(pod, namespace=namespace)
    local_cluster.wait("pod/stubborn", "condition=Ready", namespace=namespace)
    running = local_cluster.get("pod/stubborn", namespace=namespace)
    wait_until(lambda: "started" in local_cluster.pod_logs(running))
    started = time.monotonic()
    local_cluster.kubectl("delete", "pod", "stubborn", "-n", namespace)
    assert 2 < time.monotonic() - started < 10
    assert local_cluster.pod_logs(running).splitlines() == ["started", "hook ran: True"]


def test_forced_deletion_ends_the_process(local_cluster: LocalCluster, namespace: str) -> None:
    local_cluster.apply(build_pod("forced", build_container(STUBBORN)), namespace=namespace)
    local_cluster.wait("pod/forced", "condition=Ready", namespace=namespace)
    uid = local_cluster.get("pod/forced", namespace=namespace)["metadata"]["uid"]
    process_id = local_cluster.node_layout.read_process_id(uid, "main")
    local_cluster.kubectl("delete", "pod", "forced", "-n", namespace, "--force", "--grace-period=0")
    wait_until(lambda: not is_alive(process_id))
    wait_until(lambda: not local_cluster.node_layout.pod(uid).exists())


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_container_waits_for_a_missing_config_map_and_starts_when_it_comes(
    local_cluster: LocalCluster, namespace: str
) -> None:
    environment = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]
    local_cluster.apply(build_pod("early", build_container(SLEEP, env=environment)), namespace=namespace)
    path = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError"
    local_cluster.wait("pod/early", path, namespace=namespace)
    pod = local_cluster.get("pod/early", namespace=namespace)
    assert read_state(pod)["waiting"]["message"] == 'configmap "late" not found'
    assert pod["status"]["phase"] == "Pending"
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"a": "A"}}, namespace=namespace
    )
    local_cluster.wait("pod/early", "condition=Ready", namespace=namespace)


def test_pod_waits_for_the_secret_of_a_volume_and_an_event_names_it(
    local_cluster: LocalCluster, namespace: str
) -> None:
    volumes = [{"name": "late", "secret": {"secretName": "late"}}]
    local_cluster.apply(build_pod("early", build_container(SLEEP), volumes=volumes), namespace=namespace)

    def find_event() -> list[str]:
        listed = json.loads(local_cluster.kubectl("get", "events", "-n", namespace, "-o", "json").stdout)
        return [event["message"] for event in listed["items"] if event["reason"] == "FailedMount"]

    assert wait_until(find_event) == ['MountVolume.SetUp failed: secret "late" not found']
    pod = local_cluster.get("pod/early", namespace=namespace)
    assert read_state(pod)["waiting"]["reason"] == "ContainerCreating"
    local_cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"a": "A"}},
        namespace=namespace,
    )
    local_cluster.wait("pod/early", "condition=Ready", namespace=namespace)


def test_pod_that_ends_shows_how(local_cluster: LocalCluster, namespace: str) -> None:
    failing = build_pod("fails", build_container("raise SystemExit(3)"), restartPolicy="Never")
    assert run_to_end(local_cluster, namespace, failing)[0] == "Failed"
    terminated = read_state(local_cluster.get("pod/fails", namespace=namespace))["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (3, "Error")
    second_try = (
        "import pathlib, sys; path = pathlib.Path(sys.argv[1]); done = path.exists(); path.touch(); sys.exit(not done)"
    )
    mounts = [{"name": "scratch", "mountPath": "/scratch"}]
    container = build_container(second_try, args=["/scratch/tried"], volumeMounts=mounts)
    again = build_pod("again", container, restartPolicy="OnFailure", volumes=[{"name": "scratch", "emptyDir": {}}])
    assert run_to_end(local_cluster, namespace, again)[0] == "Succeeded"
    status = local_cluster.get("pod/again", namespace=namespace)["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1


def test_failing_init_container_keeps_the_others_from_starting(local_cluster: LocalCluster, namespace: str) -> None:
    init = build_container("raise SystemExit(1)", name="init")
    pod = build_pod("init", build_container(SLEEP), initContainers=[init], restartPolicy="Never")
    assert run_to_end(local_cluster, namespace, pod) == ("Failed", "")
    assert "waiting" in read_state(local_cluster.get("pod/init", namespace=namespace))


def test_command_that_does_not_exist_is_named(local_cluster: LocalCluster, namespace: str) -> None:
    pod = build_pod("typo", build_container("") | {"command": ["no-such-program"]}, restartPolicy="Never")
    assert run_to_end(local_cluster, namespace, pod)[0] == "Failed"
    terminated = read_state(local_cluster.get("pod/typo", namespace=namespace))["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("StartError", 128)
    assert "no-such-program" in terminated["message"]


def test_pod_for_another_node_is_left_alone_and_says_why(local_cluster: LocalCluster, namespace: str) -> None:
    pod = build_pod("elsewhere", build_container(SLEEP), nodeSelector={"zone": "moon"})
    local_cluster.apply(pod, namespace=namespace)
    local_cluster.wait("pod/elsewhere", "condition=PodScheduled=false", namespace=namespace)
    found = local_cluster.get("pod/elsewhere", namespace=namespace)
    assert "nodeName" not in found["spec"]
    assert found["status"]["conditions"][0]["reason"] == "Unschedulable"


def test_rolling_update_starts_the_new_pod_before_the_old_one_ends_and_keeps_the_output_of_both(
    local_cluster: LocalCluster, namespace: str
) -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    for answer in ("one", "two"):
        environment = [{"name": "ANSWER", "value": answer}]
        container = build_container(SERVER, env=environment, readinessProbe=probe)
        local_cluster.apply(build_deployment("web", container), namespace=namespace)
        local_cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=30s")
    wait_until(lambda: len(local_cluster.pods(namespace, "app=web")) == 1)
    written = local_cluster.pod_stdout(namespace, "app=web")
    assert list(written.values()) == [["serving one"], ["serving two"]]
    (pod,) = local_cluster.pods(namespace, "app=web")
    assert list(written)[-1] == pod["metadata"]["name"]
    assert "GET / HTTP" in local_cluster.pod_logs(pod), "standard error goes to the log"


def test_kubectl_logs_shows_and_follows_the_log(local_cluster: LocalCluster, namespace: str) -> None:
    script = "import time; [(print(number, flush=True), time.sleep(0.2)) for number in range(5)]"
    local_cluster.apply(build_pod("logs", build_container(script), restartPolicy="Never"), namespace=namespace)
    local_cluster.wait("pod/logs", "jsonpath={.status.phase}=Running", namespace=namespace)
    followed = local_cluster.kubectl("logs", "-f", "pod/logs", "-n", namespace, timeout=20).stdout
    assert followed.split() == ["0", "1", "2", "3", "4"]
    assert local_cluster.kubectl("logs", "pod/logs", "-n", namespace, "--tail=2").stdout.split() == ["3", "4"]


def test_programs_of_a_job_know_their_index_and_leave_a_message(local_cluster: LocalCluster, namespace: str) -> None:
    script = """
import os, pathlib, sys
index = os.environ["JOB_COMPLETION_INDEX"]
print(index, os.environ["HOSTNAME"], flush=True)
if index == "1":
    pathlib.Path(os.environ["CLOUDTRAIL_TERMINATION_LOG"]).write_text("no right to read")
    sys.exit(3)
"""
    rules = [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}]
    template = build_pod("work", build_container(script), restartPolicy="Never")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work"},
        "spec": {
            "completionMode": "Indexed",
            "completions": 2,
            "parallelism": 2,
            "backoffLimitPerIndex": 5,
            "podFailurePolicy": {"rules": rules},
            "template": {"metadata": {"labels": {"app": "work"}}, "spec": template["spec"]},
        },
    }
    local_cluster.apply(job, namespace=namespace)
    local_cluster.wait("job/work", "condition=Failed", namespace=namespace)
    status = local_cluster.get("job/work", namespace=namespace)["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1")
    logs = {}
    for pod in local_cluster.pods(namespace, "app=work"):
        logs[pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]] = local_cluster.pod_logs(
            pod
        ).split()
        ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["exitCode"], ended.get("message")) in [(0, None), (3, "no right to read")]
    assert logs == {"0": ["0", "work-0"], "1": ["1", "work-1"]}
