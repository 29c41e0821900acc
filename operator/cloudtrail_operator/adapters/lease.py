"""The operator's Lease over the Kubernetes API. A Lease that changed in between is not overwritten."""

from cloudtrail_operator.adapters.api_client import ApiClient, check
from cloudtrail_operator.core.lease import LEASE_API_VERSION, Lease, build_lease, parse_lease

# A connection that has died silently is noticed early enough for another attempt before the lease runs out.
ATTEMPT_SECONDS = 2.5


class KubernetesLease:
    """One Lease, by its name."""

    def __init__(self, client: ApiClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    async def read(self) -> Lease | None:
        """Read it; None when there is none."""
        answer = await self._client.request("GET", self._build_path(self._name), seconds=ATTEMPT_SECONDS)
        return None if answer.status == 404 else parse_lease(check(answer))

    async def write(self, lease: Lease) -> Lease | None:
        """Create it, or replace the version that `lease` names. None: another was faster."""
        method, path = ("PUT", self._build_path(self._name)) if lease.version else ("POST", self._build_path())
        body = build_lease(self._namespace, self._name, lease)
        answer = await self._client.request(method, path, body=body, seconds=ATTEMPT_SECONDS)
        # It was made, changed or deleted since it was read.
        is_late = answer.status == 409 or (method == "PUT" and answer.status == 404)
        return None if is_late else parse_lease(check(answer))

    def _build_path(self, name: str = "") -> str:
        path = f"/apis/{LEASE_API_VERSION}/namespaces/{self._namespace}/leases"
        return f"{path}/{name}" if name else path
