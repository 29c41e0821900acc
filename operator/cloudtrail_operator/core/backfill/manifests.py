"""What a backfill's pods need beside the Job: the task, a place for each one's notes, and the right to write them there."""

from dataclasses import dataclass

from cloudtrail_operator.core.backfill.job import build_job
from cloudtrail_operator.core.backfill.work import Work
from cloudtrail_operator.core.manifests.metadata import build_metadata, seal
from cloudtrail_operator.core.names import (
    ROLE_ANNOTATION,
    TASK_FILE,
    Manifest,
    backfill_name,
    progress_prefix,
    task_name,
)

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class DesiredBackfill:
    """The children that a backfill should have."""

    supports: tuple[Manifest, ...]
    """What is kept as it should be, in the order in which it must exist."""
    start: tuple[Manifest, ...]
    """What is made once, and stays as it was made: the task, and last the Job."""


def build_desired_backfill(work: Work) -> DesiredBackfill:
    """Build everything. The places for notes come before the right to write them: one that another owns is not given."""
    account = [] if work.spec.source_ref else [_build_account(work)]
    supports = [*account, *build_progress_maps(work), _build_role(work), _build_binding(work)]
    return DesiredBackfill(
        supports=tuple(map(seal, supports)), start=(seal(_build_task_map(work)), seal(build_job(work)))
    )


def build_progress_maps(work: Work) -> list[Manifest]:
    """Build a ConfigMap for each share. They are made empty, so that a worker needs no right to make any."""
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": build_metadata(work.backfill, name)}
        for name in _name_progress_maps(work)
    ]


def _name_progress_maps(work: Work) -> list[str]:
    return [f"{progress_prefix(work.name)}-{share}" for share in range(work.spec.shares)]


def _build_account(work: Work) -> Manifest:
    role = work.workload.spec.role_arn
    annotations = {ROLE_ANNOTATION: role} if role else None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": build_metadata(work.backfill, work.account, annotations),
        "automountServiceAccountToken": False,
    }


def _build_role(work: Work) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": build_metadata(work.backfill, backfill_name(work.name)),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": _name_progress_maps(work),
                "verbs": ["get", "patch"],
            }
        ],
    }


def _build_binding(work: Work) -> Manifest:
    name = backfill_name(work.name)
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": build_metadata(work.backfill, name),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [
            {"kind": "ServiceAccount", "name": work.account, "namespace": work.backfill.key.namespace},
        ],
    }


def _build_task_map(work: Work) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata(work.backfill, task_name(work.name, work.task_hash)),
        "immutable": True,
        "data": {TASK_FILE: work.task},
    }
