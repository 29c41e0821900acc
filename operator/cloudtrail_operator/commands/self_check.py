"""`cloudtrail-operator selfcheck`: an installation → a line for each thing that must hold. `helm test` runs it.

It runs with the operator's settings and ServiceAccount: what it may not do, the operator may not either.
"""

import asyncio
import sys
from dataclasses import dataclass

import aiohttp

from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.adapters.api_client import ApiClient, check
from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.adapters.lease import KubernetesLease
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.rights import Right, build_review, list_rights
from cloudtrail_operator.errors import ClusterError
from cloudtrail_operator.settings import LeaseName, Settings

LOOK_SECONDS = 0.5
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is wrong with it; empty when it is well."""

    subject: str
    problem: str = ""

    def __str__(self) -> str:
        """Say it in a line."""
        return f"FAIL  {self.subject}: {self.problem}" if self.problem else f"ok    {self.subject}"


def run_self_check(settings: Settings, access: Access, url: str, wait_seconds: float) -> int:
    """Look at everything; return the exit code: 1 when anything is wrong."""
    findings = asyncio.run(check_installation(settings, access, url, wait_seconds))
    sys.stdout.write("".join(f"{finding}\n" for finding in findings))
    return 1 if any(finding.problem for finding in findings) else 0


async def check_installation(settings: Settings, access: Access, url: str, wait_seconds: float) -> list[Finding]:
    """Ask the operator and the API server. A release may be asked the moment that it is installed: some wait helps."""
    clock = SystemClock()
    deadline = clock.monotonic() + wait_seconds
    async with ApiClient(access, clock) as client:
        namespaces = settings.watch_namespaces or ("",)
        return [
            await _check_answers(url, clock, deadline),
            *([await _check_lease(client, settings.lease, clock, deadline)] if settings.lease else []),
            *[await _check_served(client, namespace) for namespace in namespaces],
            *[await _check_rights(client, namespace) for namespace in namespaces],
        ]


async def _check_answers(url: str, clock: SystemClock, deadline: float) -> Finding:
    """Ask /readyz until it says yes."""
    subject = f"the operator is ready at {url}"
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    problem = "" if answer.status == 200 else (await answer.text())[:1000]
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            if not problem or clock.monotonic() > deadline:
                return Finding(subject, problem)
            await asyncio.sleep(LOOK_SECONDS)


async def _check_lease(client: ApiClient, name: LeaseName, clock: SystemClock, deadline: float) -> Finding:
    """Watch the Lease until it is renewed: whoever renews it is at work now, whatever its clock says."""
    subject = f"a replica leads by Lease {name.name} of namespace {name.namespace}"
    reader = KubernetesLease(client, name.namespace, name.name)
    first = ""
    problem = "nobody renews it"
    while clock.monotonic() <= deadline:
        try:
            lease = await reader.read()
        except ClusterError as error:
            problem = str(error)
        else:
            if lease and lease.holder and first and lease.renewed != first:
                return Finding(f"{subject}: {lease.holder}")
            first = lease.renewed if lease else ""
        await asyncio.sleep(LOOK_SECONDS)
    return Finding(subject, problem)


async def _check_served(client: ApiClient, namespace: str) -> Finding:
    """List one source."""
    source = Kind.SOURCE
    subject = f"{source.value.plural} of {source.value.api_version} are served{_place(namespace)}"
    try:
        answer = await client.request("GET", source.path(namespace or None), params={"limit": "1"})
        if answer.status == 404:
            return Finding(subject, "the API server does not know them; install the CRD (crds.install of the chart)")
        check(answer)
    except ClusterError as error:
        return Finding(subject, str(error))
    return Finding(subject)


async def _check_rights(client: ApiClient, namespace: str) -> Finding:
    """Ask for each right whether we have it."""
    subject = f"the operator has its rights{_place(namespace)}"
    rights = list(list_rights())
    try:
        granted = await asyncio.gather(*(_has(client, right, namespace) for right in rights))
    except ClusterError as error:
        return Finding(subject, str(error))
    missing = [str(right) for right, has in zip(rights, granted, strict=True) if not has]
    return Finding(subject, f"it may not {', '.join(missing)}; apply the chart's roles anew" if missing else "")


async def _has(client: ApiClient, right: Right, namespace: str) -> bool:
    review = check(await client.request("POST", REVIEWS, body=build_review(right, namespace)))
    return bool(review["status"]["allowed"])


def _place(namespace: str) -> str:
    return f" in namespace {namespace}" if namespace else " in every namespace"
