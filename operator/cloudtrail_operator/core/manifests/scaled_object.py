"""The ScaledObject of a source, for clusters with KEDA, and the TriggerAuthentication with which KEDA asks the queue."""

from typing import assert_never

from cloudtrail_operator.core.manifests.autoscaler import BEHAVIOR, build_target
from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import Manifest, workload_name
from cloudtrail_operator.core.workload import Workload
from cloudtrail_spec.arn import build_queue_url
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType, Scaling

API_VERSION = "keda.sh/v1alpha1"
KEY_PARAMETERS = {
    "awsAccessKeyID": "AWS_ACCESS_KEY_ID",
    "awsSecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "awsSessionToken": "AWS_SESSION_TOKEN",
}
"""KEDA's names of what stands in a Secret with keys."""


def build_trigger_authentication(workload: Workload) -> Manifest:
    """Build the TriggerAuthentication. It names identities and Secrets, and holds nothing secret itself."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TriggerAuthentication",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": _build_identity(workload.spec),
    }


def _build_identity(spec: CloudTrailSourceSpec) -> Manifest:
    """Build who KEDA is to AWS. A chained role it assumes by itself, since it cannot chain what the pods have."""
    if spec.assume_role is not None:
        external_id = {"externalID": spec.assume_role.external_id} if spec.assume_role.external_id else {}
        return {"podIdentity": {"provider": "aws", "roleArn": spec.assume_role.role_arn, **external_id}}
    match spec.credentials_in_force.type:
        case CredentialsType.IRSA:
            return {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}  # the role of the ServiceAccount
        case CredentialsType.POD_IDENTITY:
            return {"podIdentity": {"provider": "aws", "identityOwner": "keda"}}
        case CredentialsType.SECRET:
            reference = spec.credentials_in_force.secret_ref
            name = reference.name if reference else ""
            return {
                "secretTargetRef": [
                    {"parameter": parameter, "name": name, "key": key} for parameter, key in KEY_PARAMETERS.items()
                ]
            }
        case other:
            assert_never(other)


def build_scaled_object(workload: Workload, scaling: Scaling) -> Manifest:
    """Build the ScaledObject. When KEDA cannot ask the queue, what runs goes on."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ScaledObject",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": {
            "scaleTargetRef": build_target(workload),
            "minReplicaCount": scaling.min,
            "maxReplicaCount": scaling.max,
            "pollingInterval": 30,
            "cooldownPeriod": BEHAVIOR["scaleDown"]["stabilizationWindowSeconds"],  # from one collector to none
            "fallback": {
                "failureThreshold": 3,
                "replicas": max(scaling.min, 1),
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR}},
            "triggers": _build_triggers(workload, scaling),
        },
    }


def _build_triggers(workload: Workload, scaling: Scaling) -> list[Manifest]:
    """Build the triggers; the one that asks for most decides."""
    spec = workload.spec
    endpoint = (spec.endpoints and spec.endpoints.sqs) or spec.endpoint_url
    backlog: Manifest = {
        "type": "aws-sqs-queue",
        "metricType": "AverageValue",
        "useCachedMetrics": True,  # otherwise every look of Kubernetes at the metric is a call to SQS
        "authenticationRef": {"name": workload_name(workload.name)},
        "metadata": {
            "queueURL": build_queue_url(spec.queue_arn, endpoint),
            "queueLength": str(scaling.target_messages),
            "awsRegion": spec.region,
            "scaleOnInFlight": "true",  # a collector that works on messages must not look idle
        }
        | ({"awsEndpoint": endpoint} if endpoint else {}),
    }
    if scaling.target_cpu_percent is None:
        return [backlog]
    value = {"value": str(scaling.target_cpu_percent)}
    return [backlog, {"type": "cpu", "metricType": "Utilization", "metadata": value}]
