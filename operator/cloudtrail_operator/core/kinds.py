"""The kinds that the operator reads and writes, and where the API server serves them."""

from enum import Enum
from typing import NamedTuple

from cloudtrail_operator.core.names import BACKFILL_LABEL, SOURCE_API_VERSION, SOURCE_LABEL
from cloudtrail_spec.crd import BACKFILL_KIND, BACKFILL_PLURAL, KIND, PLURAL


class KindFacts(NamedTuple):
    """How a kind is addressed."""

    api_version: str
    kind: str
    plural: str


class Kind(Enum):
    """A kind of resource."""

    SOURCE = KindFacts(SOURCE_API_VERSION, KIND, PLURAL)
    BACKFILL = KindFacts(SOURCE_API_VERSION, BACKFILL_KIND, BACKFILL_PLURAL)
    SERVICE_ACCOUNT = KindFacts("v1", "ServiceAccount", "serviceaccounts")
    CONFIG_MAP = KindFacts("v1", "ConfigMap", "configmaps")
    SERVICE = KindFacts("v1", "Service", "services")
    ROLE = KindFacts("rbac.authorization.k8s.io/v1", "Role", "roles")
    ROLE_BINDING = KindFacts("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
    JOB = KindFacts("batch/v1", "Job", "jobs")
    DEPLOYMENT = KindFacts("apps/v1", "Deployment", "deployments")
    DISRUPTION_BUDGET = KindFacts("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
    POD_AUTOSCALER = KindFacts("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    SCALED_OBJECT = KindFacts("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
    TRIGGER_AUTHENTICATION = KindFacts("keda.sh/v1alpha1", "TriggerAuthentication", "triggerauthentications")
    POD = KindFacts("v1", "Pod", "pods")

    @classmethod
    def of(cls, kind: str) -> "Kind":
        """Find a kind by its name in manifests."""
        return next(member for member in cls if member.value.kind == kind)

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Build the URL path of a resource, of its collection, or of the collection in all namespaces."""
        root = f"/api/{self.value.api_version}" if self.value.api_version == "v1" else f"/apis/{self.value.api_version}"
        parts = [root, f"namespaces/{namespace}" if namespace else "", self.value.plural, name or "", subresource or ""]
        return "/".join(part for part in parts if part)


CHILD_KINDS = (
    Kind.SERVICE_ACCOUNT,
    Kind.CONFIG_MAP,
    Kind.ROLE,
    Kind.ROLE_BINDING,
    Kind.SERVICE,
    Kind.DISRUPTION_BUDGET,
    Kind.DEPLOYMENT,
    Kind.JOB,
    Kind.POD_AUTOSCALER,
    Kind.SCALED_OBJECT,
    Kind.TRIGGER_AUTHENTICATION,
)
KEDA_KINDS = (Kind.SCALED_OBJECT, Kind.TRIGGER_AUTHENTICATION)
"""Not every cluster serves them; the operator does without."""
BACKFILL_KINDS = (Kind.ROLE, Kind.ROLE_BINDING, Kind.JOB)
"""Only backfills have them; where their CRD is not installed, there are none."""
AUTOSCALERS = (Kind.POD_AUTOSCALER, Kind.SCALED_OBJECT)
"""Two of them on one Deployment would fight."""


class Family(NamedTuple):
    """A kind of ours, and the label by which what belongs to one of them names it."""

    owner: Kind
    label: str


SOURCES = Family(Kind.SOURCE, SOURCE_LABEL)
BACKFILLS = Family(Kind.BACKFILL, BACKFILL_LABEL)
OWNERS = (SOURCES.owner, BACKFILLS.owner)
