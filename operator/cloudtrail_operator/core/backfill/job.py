"""The Job of a backfill: one pod for each share of the work, like the source's collectors but for what it runs.

It is made suspended and then let go by another field manager, which owns what may change: a Job's template cannot. So a
changed source, or an upgraded operator, never touches a Job that is there.
"""

from cloudtrail_operator.core.backfill.resource import Backfill
from cloudtrail_operator.core.backfill.work import Work
from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.manifests.overrides import merge_annotations
from cloudtrail_operator.core.manifests.pod import build_pod_template
from cloudtrail_operator.core.names import (
    CONFIG_DIRECTORY,
    CONTAINER,
    FIXED_HASH_ANNOTATION,
    TASK_FILE,
    Manifest,
    backfill_name,
    task_name,
)
from cloudtrail_spec.backfill import CloudTrailBackfillSpec

MOST_ATTEMPTS = 6  # of a share; a pod that was evicted, preempted or drained away does not count
HOPELESS_EXIT_CODES = (2, 3)
"""How workers end that only a person can help: their task makes no sense to them, or they have no access."""


def build_job(work: Work) -> Manifest:
    """Build the Job, suspended."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": build_metadata(work.backfill, backfill_name(work.name), {FIXED_HASH_ANNOTATION: work.fixed_hash}),
        "spec": {
            "completionMode": "Indexed",
            "completions": work.spec.shares,
            "suspend": True,
            "backoffLimitPerIndex": MOST_ATTEMPTS,
            "podReplacementPolicy": "Failed",  # two pods of one share would stop each other
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailIndex",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "In",
                            "values": list(HOPELESS_EXIT_CODES),
                        },
                    },
                ]
            },
            "template": _build_template(work),
        },
    }


def build_control(backfill: Backfill, spec: CloudTrailBackfillSpec) -> Manifest:
    """Build what may change in the Job while it is not at its end. Its time to live is not said before."""
    return _build_control(backfill, {"suspend": spec.suspend, "parallelism": spec.parallelism})


def build_last_control(backfill: Backfill, spec: CloudTrailBackfillSpec, job: Manifest) -> Manifest:
    """Build what may change in a Job that has ended, which is its time to live. The status has recorded the end."""
    ttl = spec.ttl_seconds_after_finished
    kept = {name: job["spec"].get(name) for name in ("suspend", "parallelism")}
    return _build_control(backfill, kept | ({} if ttl is None else {"ttlSecondsAfterFinished": ttl}))


def _build_control(backfill: Backfill, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": backfill_name(backfill.key.name), "namespace": backfill.key.namespace},
        "spec": spec,
    }


def is_under_control(job: Manifest, control: Manifest) -> bool:
    """Say whether a Job has what may change as it should be."""
    names = ("suspend", "parallelism", "ttlSecondsAfterFinished")
    return all(job["spec"].get(name) == control["spec"].get(name) for name in names)


def is_of_other_spec(job: Manifest, work: Work) -> bool:
    """Say whether a Job was made for other settings than the backfill's spec has now."""
    annotations = job["metadata"].get("annotations") or {}
    return annotations.get(FIXED_HASH_ANNOTATION) != work.fixed_hash


def find_task_name(job: Manifest) -> str:
    """Find the name of the ConfigMap with the task that a Job's pods are given."""
    volumes = job["spec"]["template"]["spec"]["volumes"]
    return str(next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "config"))


def _build_template(work: Work) -> Manifest:
    """Build the pods' template from that of the source's collectors."""
    spec = build_pod_template(work.workload)["spec"]
    task = {"name": task_name(work.name, work.task_hash), "defaultMode": 420}
    volumes = [volume | {"configMap": task} if volume["name"] == "config" else volume for volume in spec["volumes"]]
    settings = work.workload.spec.collector_settings
    return {
        "metadata": {
            "labels": settings.labels | work.backfill.labels,
            "annotations": merge_annotations(work.workload, {}),
        },
        "spec": spec
        | {
            "serviceAccountName": work.account,
            "automountServiceAccountToken": True,  # to note the progress
            "restartPolicy": "Never",
            "containers": [_build_container(work, spec["containers"][0])],
            "volumes": volumes,
            "topologySpreadConstraints": [
                spread | {"labelSelector": {"matchLabels": work.backfill.labels}}
                for spread in spec["topologySpreadConstraints"]
            ],
        },
    }


def _build_container(work: Work, collector: Manifest) -> Manifest:
    """Build the container. Its number among the shares it has from Kubernetes, in JOB_COMPLETION_INDEX."""
    own = {"name": "CLOUDTRAIL_SOURCE", "value": str(work.backfill.key)}
    env = [own if variable["name"] == own["name"] else variable for variable in collector["env"]]
    kept = {name: value for name, value in collector.items() if name != "readinessProbe"}  # nothing waits for it
    return kept | {
        "command": ["cloudtrail-collector", "backfill", "--task", f"{CONFIG_DIRECTORY}/{TASK_FILE}"],
        "env": env,
    }
