"""A source in a namespace of its own, the operator that serves it, and short ways to look at both."""

import json
from typing import Any

from localcluster.apiserver import ApiServer
from support.operator_process import OperatorProcess
from support.pods import CollectorStub, build_report, wait_until, write_pod_status
from support.sources import build_source

Manifest = dict[str, Any]
NAME = "org-trail"
WORKLOAD = "org-trail-collector"
CHILDREN = ("serviceaccount", "configmap", "service", "deployment", "poddisruptionbudget")
OURS = "app.kubernetes.io/managed-by=cloudtrail-operator"
CONFIGURATIONS = f"{OURS},app.kubernetes.io/component=collector"
"""Selects, among ConfigMaps, those with a configuration of collectors."""


class Site:
    """A namespace, the operator that serves it, and short ways to look at both."""

    def __init__(self, server: ApiServer, namespace: str, operator: OperatorProcess) -> None:
        self.server, self.namespace, self.operator = server, namespace, operator

    def apply(self, **changes: Any) -> None:
        """Apply the source as its user does."""
        manifest = json.dumps(build_source(NAME, self.namespace, **changes))
        self.server.kubectl("apply", "--server-side", "-f", "-", input=manifest)

    def kubectl(self, *args: str) -> str:
        return self.server.kubectl("-n", self.namespace, *args).stdout

    def get(self, resource: str) -> Manifest | None:
        answer = self.server.kubectl("-n", self.namespace, "get", resource, "-o", "json", "--ignore-not-found").stdout
        return json.loads(answer) if answer else None

    def list(self, resource: str, selector: str = OURS) -> list[Manifest]:
        items: list[Manifest] = json.loads(self.kubectl("get", resource, "-l", selector, "-o", "json"))["items"]
        return items

    def source(self) -> Manifest:
        source = self.get(f"cts/{NAME}")
        assert source is not None
        return source

    def condition(self, kind: str) -> Manifest:
        found = [item for item in self.source()["status"].get("conditions", []) if item["type"] == kind]
        return found[0] if found else {"status": "absent", "reason": "absent", "message": ""}

    def wait_condition(self, kind: str, status: str, reason: str, seconds: float = 20) -> Manifest:
        def matches() -> Manifest | None:
            source, found = self.source(), self.condition(kind)
            current = source["status"]["observedGeneration"] == source["metadata"]["generation"]
            return found if current and (found["status"], found["reason"]) == (status, reason) else None

        condition: Manifest = wait_until(matches, f"{kind} is {status} because of {reason}", seconds)
        return condition

    def wait_children(self) -> None:
        wait_until(lambda: self.get(f"deployment/{WORKLOAD}"), "there is a Deployment")

    def config_hash(self) -> str:
        """Read from the pods' template which configuration they are to run."""
        deployment = self.get(f"deployment/{WORKLOAD}")
        assert deployment is not None
        annotations: dict[str, str] = deployment["spec"]["template"]["metadata"]["annotations"]
        return annotations["cloudtrail-operator.io/config-hash"]

    def newest_pod(self) -> Manifest:
        """Wait for the pod of the present configuration."""

        def find() -> Manifest | None:
            wanted = self.config_hash()
            pods = [
                pod
                for pod in self.list("pods")
                if pod["metadata"]["annotations"]["cloudtrail-operator.io/config-hash"] == wanted
                and "deletionTimestamp" not in pod["metadata"]
            ]
            return pods[0] if pods else None

        pod: Manifest = wait_until(find, "there is a pod of the present configuration")
        return pod

    def run_collector(self, stub: CollectorStub, **report: Any) -> None:
        """Let the newest pod become ready, with a collector that reports."""
        stub.report = build_report(self.config_hash(), **report)
        write_pod_status(self.server, self.newest_pod(), stub.address)

    def versions(self) -> dict[str, str]:
        """Read the resourceVersion of the source and all its children."""
        resources = [self.source(), *(item for kind in CHILDREN for item in self.list(kind))]
        return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in resources}
