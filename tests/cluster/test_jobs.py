"""What Jobs do, asserted literally on both API servers; the test plays the node."""

import json
import time
from typing import Any

from cluster.conformance.harness import Cluster, poll
from localcluster.apiserver import ApiServer
from localcluster.cluster import Manifest

INDEX = "batch.kubernetes.io/job-completion-index"
# The real controller waits ten seconds before it replaces a pod that failed.
BACK_OFF_SECONDS = 30


def build_job(name: str = "work", *, restart: str = "Never", command: list[str] | None = None, **spec: Any) -> Manifest:
    container = {"name": "main", "image": "img:1", **({"command": command} if command else {})}
    pod = {"restartPolicy": restart, "terminationGracePeriodSeconds": 1, "containers": [container]}
    fields = {"completionMode": "Indexed", "completions": 3, "parallelism": 2, "backoffLimit": 4, **spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {**fields, "template": {"metadata": {"labels": {"app": name}}, "spec": pod}},
    }


def read_pods(cluster: Cluster) -> dict[int, Manifest]:
    """The newest pod of each index."""
    pods = cluster.get("pods")["items"]
    pods.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], int(pod["metadata"]["resourceVersion"])))
    return {
        int(pod["metadata"]["annotations"][INDEX]): pod for pod in pods if "deletionTimestamp" not in pod["metadata"]
    }


def wait_for_pods(cluster: Cluster, *indexes: int, seconds: float = 20) -> dict[int, Manifest]:
    """Wait until exactly these indexes have pods that have not ended."""

    def look() -> dict[int, Manifest] | None:
        active = {
            index: pod
            for index, pod in read_pods(cluster).items()
            if pod["status"]["phase"] not in ("Succeeded", "Failed")
        }
        return active if sorted(active) == sorted(indexes) else None

    return poll(look, seconds)


def end_pod(cluster: Cluster, pod: Manifest, code: int, *conditions: Manifest) -> None:
    """Do what a node does when the container ends."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": now, "finishedAt": now}
    container = {"name": "main", "ready": False, "restartCount": 0, "image": "i", "imageID": ""}
    status = {
        "phase": "Failed" if code else "Succeeded",
        "conditions": [{"lastTransitionTime": now, **condition} for condition in conditions],
        "containerStatuses": [{**container, "state": {"terminated": terminated}}],
    }
    patch = json.dumps({"status": status})
    cluster.ok("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch)


def wait_for_condition(cluster: Cluster, kind: str, status: str = "True", seconds: float = 20) -> Manifest:
    """Wait for a condition of the Job; returns the Job."""

    def look() -> Manifest | None:
        job = cluster.get("job", "work")
        found = {one["type"]: one["status"] for one in job["status"].get("conditions") or []}
        return job if found.get(kind) == status else None

    return poll(look, seconds)


def reasons_of(job: Manifest) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in job["status"]["conditions"] if one["status"] == "True"}


def test_each_index_gets_a_pod_that_knows_it_until_all_are_done(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    cluster.apply(build_job())
    pods = wait_for_pods(cluster, 0, 1)
    metadata, spec = pods[1]["metadata"], pods[1]["spec"]
    uid = cluster.get("job", "work")["metadata"]["uid"]
    assert metadata["name"].startswith("work-1-")
    assert metadata["labels"] == {
        "app": "work",
        INDEX: "1",
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "work",
        "controller-uid": uid,
        "job-name": "work",
    }
    assert metadata["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert spec["hostname"] == "work-1"
    (variable,) = spec["containers"][0]["env"]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{INDEX}']"
    running = poll(lambda: (job := cluster.get("job", "work"))["status"].get("active") == 2 and job)
    assert "startTime" in running["status"]
    end_pod(cluster, pods[0], 0)
    end_pod(cluster, wait_for_pods(cluster, 1, 2)[2], 0)
    end_pod(cluster, pods[1], 0)
    status = wait_for_condition(cluster, "Complete")["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (3, "0-2")
    assert "active" not in status
    assert "completionTime" in status
    done = reasons_of(cluster.get("job", "work"))
    assert done == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    kept = poll(lambda: all(not pod["metadata"].get("finalizers") for pod in cluster.get("pods")["items"]))
    assert kept, "pods that are counted are let go"
    header, row = cluster.ok("get", "job", "work").splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["work", "Complete", "3/3"]


def test_suspended_job_has_no_pods_and_what_it_stops_is_no_failure(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    cluster.apply(build_job(suspend=True, backoffLimit=0))
    assert reasons_of(wait_for_condition(cluster, "Suspended")) == {"Suspended": "JobSuspended"}
    assert cluster.get("pods")["items"] == []
    cluster.ok("patch", "job", "work", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    wait_for_pods(cluster, 0, 1)
    wait_for_condition(cluster, "Suspended", "False")
    cluster.ok("patch", "job", "work", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    job = wait_for_condition(cluster, "Suspended")
    assert poll(lambda: not cluster.get("pods")["items"])
    assert "failed" not in job["status"]
    assert "startTime" not in job["status"]
    cluster.ok("patch", "job", "work", "--type=merge", "-p", '{"spec":{"suspend":false,"parallelism":1}}')
    end_pod(cluster, wait_for_pods(cluster, 0)[0], 0)
    wait_for_pods(cluster, 1)
    assert cluster.get("job", "work")["status"]["completedIndexes"] == "0"


def test_an_index_has_failures_of_its_own_and_the_others_go_on(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    job = build_job(backoffLimitPerIndex=1, completions=2)
    del job["spec"]["backoffLimit"]
    cluster.apply(job)
    first = wait_for_pods(cluster, 0, 1)
    end_pod(cluster, first[1], 1)
    again = poll(
        lambda: (pod := read_pods(cluster)[1])["metadata"]["name"] != first[1]["metadata"]["name"] and pod,
        BACK_OFF_SECONDS,
    )
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    end_pod(cluster, again, 1)
    poll(lambda: cluster.get("job", "work")["status"].get("failedIndexes") == "1")
    assert reasons_of({"status": {"conditions": [], **cluster.get("job", "work")["status"]}}) == {}
    end_pod(cluster, first[0], 0)
    ended = wait_for_condition(cluster, "Failed")
    assert reasons_of(ended) == {"FailureTarget": "FailedIndexes", "Failed": "FailedIndexes"}
    assert (ended["status"]["failed"], ended["status"]["completedIndexes"]) == (2, "0")


def test_pod_failure_policy_forgives_disruptions_and_gives_an_index_up(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "In", "values": [3]}},
    ]
    job = build_job(podFailurePolicy={"rules": rules}, backoffLimitPerIndex=2, completions=2)
    del job["spec"]["backoffLimit"]
    cluster.apply(job)
    first = wait_for_pods(cluster, 0, 1)
    end_pod(cluster, first[0], 143, {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"})
    end_pod(cluster, first[1], 3)
    again = poll(
        lambda: (pod := read_pods(cluster)[0])["metadata"]["name"] != first[0]["metadata"]["name"] and pod,
        BACK_OFF_SECONDS,
    )
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "0"
    end_pod(cluster, again, 0)
    ended = wait_for_condition(cluster, "Failed")
    assert (ended["status"]["failedIndexes"], ended["status"]["failed"]) == ("1", 1)


def test_a_job_fails_when_its_pods_have_failed_too_often(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    cluster.apply(build_job(backoffLimit=0))
    end_pod(cluster, wait_for_pods(cluster, 0, 1)[0], 1)
    ended = wait_for_condition(cluster, "Failed", seconds=BACK_OFF_SECONDS)
    assert reasons_of(ended)["Failed"] == "BackoffLimitExceeded"
    assert poll(lambda: all(pod["status"]["phase"] == "Failed" for pod in cluster.get("pods")["items"]))


def test_a_finished_job_goes_with_its_pods_when_its_time_is_over(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    cluster.apply(build_job(completions=1, parallelism=1, ttlSecondsAfterFinished=1))
    end_pod(cluster, wait_for_pods(cluster, 0)[0], 0)
    cluster.gone("job", "work")
    assert poll(lambda: not cluster.get("pods")["items"])


def test_deleted_job_takes_its_pods_along(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)
    cluster.apply(build_job())
    wait_for_pods(cluster, 0, 1)
    cluster.ok("delete", "job", "work")
    assert poll(lambda: not cluster.get("pods")["items"], 60)


def test_what_a_job_may_not_be_or_become_is_refused(api_server: ApiServer, namespace: str) -> None:
    cluster = Cluster(api_server, namespace)

    def refuse(**changes: Any) -> str:
        return cluster.refused("apply", "-f", "-", stdin=json.dumps(build_job(**changes)))

    required = 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    assert required in refuse(restart="Always")
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    assert 'only "Never" is supported when podFailurePolicy' in refuse(restart="OnFailure", podFailurePolicy=policy)
    assert "spec.completions: Required value: when completion mode is Indexed" in refuse(completions=None)
    cluster.apply(build_job(parallelism=1))
    defaults = cluster.get("job", "work")["spec"]
    assert defaults["podReplacementPolicy"] == "TerminatingOrFailed"
    assert (defaults["suspend"], defaults["completions"]) == (False, 3)
    assert "spec.completions: Invalid value: 5: can only be modified in tandem with" in refuse(completions=5)
    for change in ({"command": ["other"]}, {"backoffLimitPerIndex": 1}, {"completionMode": "NonIndexed"}):
        assert "field is immutable" in refuse(**change)
    assert "configured" in cluster.apply(build_job(parallelism=2, ttlSecondsAfterFinished=100))
