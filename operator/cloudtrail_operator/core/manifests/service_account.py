"""The ServiceAccount that a source's role trusts: one per source, so that no other source can use the role."""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import ROLE_ANNOTATION, Manifest, workload_name
from cloudtrail_operator.core.workload import Workload


def build_service_account(workload: Workload) -> Manifest:
    """Build the ServiceAccount. Its token opens nothing in Kubernetes and is not mounted."""
    role = workload.spec.role_arn
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": build_metadata(
            workload.source, workload_name(workload.name), {ROLE_ANNOTATION: role} if role else None
        ),
        "automountServiceAccountToken": False,
    }
