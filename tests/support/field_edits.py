"""One edit for every field of a source's spec, and where its value must end: in the collectors' configuration or a child.

The list of fields comes from the CRD: a field without an edit makes a test fail.
"""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from support.sources import QUEUE_ARN, ROLE_ARN, build_filter, build_spec

Manifest = dict[str, Any]

CONFIG = "config"
POD = "spec.template.spec."
CONTAINER = f"{POD}containers.0."


@dataclasses.dataclass(frozen=True)
class Edit:
    """A change of one field (with others that it needs), and a value that must appear at a path of a resource."""

    field: str
    value: Any
    kind: str = CONFIG
    path: str = ""
    ends_as: Any = None
    others: Manifest = dataclasses.field(default_factory=dict)
    absent: str = ""
    """Instead: what the resource must no longer mention."""

    def build_spec(self) -> Manifest:
        """Build the edited spec."""
        spec = build_spec(**{"mode": "Paused"} | self.others)
        *parents, name = self.field.split(".")
        place = spec
        for parent in parents:
            place[parent] = dict(place.get(parent, {}))
            place = place[parent]
        place[name] = self.value
        return spec

    @property
    def expected(self) -> Any:
        """What must be found."""
        return self.value if self.ends_as is None else self.ends_as

    def has_arrived(self, resource: Any) -> bool:
        """Say whether a resource, or the configuration, shows the edit."""
        if self.absent:
            return resource is not None and self.absent not in json.dumps(resource)
        return contains(dig(resource, self.where), self.expected)

    @property
    def where(self) -> str:
        """The path at which it must be found, in steps between dots."""
        return self.path or self.field


def list_fields(schema: Manifest, prefix: str = "") -> Iterator[str]:
    """List the fields of a schema by their paths: those of objects one by one, but not the settings of single sinks."""
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if "properties" in part and not prefix.startswith("deadLetterSink."):
            yield from list_fields(part, f"{path}.")
        else:
            yield path


def dig(place: Any, path: str) -> Any:
    """Find what is at a path; None where there is nothing."""
    for step in path.split("."):
        if isinstance(place, list):
            place = place[int(step)] if int(step) < len(place) else None
        elif isinstance(place, dict):
            place = place.get(step)
        if place is None:
            return None
    return place


def contains(found: Any, wanted: Any) -> bool:
    """Say whether a value has everything of another one. The API server adds defaults."""
    match wanted:
        case dict():
            return isinstance(found, dict) and all(contains(found.get(key), value) for key, value in wanted.items())
        case list():
            return isinstance(found, list) and all(any(contains(one, item) for one in found) for item in wanted)
        case _:
            return bool(found == wanted)


def _dead(kind: str, settings: Manifest) -> Edit:
    return Edit(f"deadLetterSink.{kind}", settings, others={"deadLetterSink": {"name": "dead"}})


def _dead_stdout(name: str, value: Any) -> Edit:
    return Edit(f"deadLetterSink.{name}", value, others={"deadLetterSink": {"name": "dead", "stdout": {}}})


def _pod(name: str, value: Any, path: str = "", ends_as: Any = None, **others: Any) -> Edit:
    return Edit(f"collector.{name}", value, "deployment", path or f"{POD}{name}", ends_as, others)


def _scale(name: str, value: Any, path: str, ends_as: Any = None, **scaling: Any) -> Edit:
    others = {"mode": "Active", "scaling": {"min": 1, "max": 3} | scaling}
    return Edit(f"scaling.{name}", value, "hpa", path, ends_as, others)


PUBLIC_KEY = {"fingerprint": "47aaa19f7eec22e9bdbb5eab7a3b6f4c", "value": "MIIBCgKC" + "A" * 352}
SECRET = {"secretKeyRef": {"name": "siem", "key": "token"}}
_AFFINITY = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
]}}  # fmt: skip
_SPREAD = [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}]
_VOLUME = [{"name": "certs", "emptyDir": {}}]

PIPELINE = (
    Edit("mode", "Active"),
    Edit("bucket", "acme-other"),
    Edit("extraBuckets", ["acme-more"]),
    Edit("prefix", "audit/"),
    Edit("queueArn", QUEUE_ARN + "-2"),
    Edit("region", "eu-west-1", others={"queueArn": QUEUE_ARN.replace("us-east-1", "eu-west-1")}),
    Edit("endpointUrl", "http://127.0.0.1:4566"),
    *(Edit(f"endpoints.{name}", f"https://{name}.example.com") for name in ("sqs", "s3", "sts", "cloudtrail")),
    Edit("assumeRole.roleArn", ROLE_ARN + "-2"),
    Edit("assumeRole.externalId", "seven-of-nine", others={"assumeRole": {"roleArn": ROLE_ARN}}),
    Edit("filters", [build_filter()]),
    Edit("mask", [{"preset": "UserNames"}]),
    Edit("format", "ECS"),
    Edit("raw.metadata", True),
    Edit("raw.jsonStrings", True),
    Edit("metrics", [{"name": "cis", "preset": "cis-aws-foundations", "labels": ["Region"]}]),
    Edit("sinks", [{"name": "siem", "http": {"url": "https://siem.example.com/in"}, "batch": {"maxEvents": 7}}]),
    Edit("deadLetterSink.name", "rejects", others={"deadLetterSink": {"stdout": {}}}),
    _dead_stdout("batch", {"maxEvents": 5}),
    _dead_stdout("retry", {"maxAttempts": 5}),
    _dead_stdout("timeoutSeconds", 7),
    _dead("stdout", {}),
    _dead("file", {"path": "/data/dead/x.ndjson"}),
    _dead("http", {"url": "https://dead.example.com/in"}),
    _dead("splunkHec", {"url": "https://splunk.example.com:8088", "token": SECRET}),
    _dead("elasticsearch", {"url": "https://search.example.com", "index": "dead"}),
    _dead("otlpHttp", {"url": "https://otlp.example.com"}),
    _dead("kafka", {"brokers": ["kafka.example.com:9092"], "topic": "dead"}),
    _dead("s3", {"bucket": "acme-archive", "region": "us-east-1", "roleArn": ROLE_ARN}),
    _dead("discard", {}),
    Edit("objects.classes", ["Insight"]),
    Edit("objects.accountIds", ["111122223333"]),
    Edit("objects.regions", ["us-east-1"]),
    Edit("objects.missing", "Drop"),
    Edit("objects.maxUncompressedBytes", 2**29),
    Edit("dedupe.windowSize", 5000),
    Edit("integrity.mode", "Enforce"),
    Edit("integrity.publicKeys", [PUBLIC_KEY], others={"integrity": {"mode": "Report"}}),
    Edit("test.maxMessages", 7),
    Edit("visibilityTimeoutSeconds", 77),
)
CREDENTIALS = (
    Edit(
        "roleArn", ROLE_ARN + "-2", "serviceaccount", "metadata.annotations",
        {"eks.amazonaws.com/role-arn": ROLE_ARN + "-2"},
    ),
    Edit("credentials.type", "PodIdentity", "deployment", others={"roleArn": None}, absent="AWS_ROLE_ARN"),
    Edit(
        "credentials.audience", "sts.example.com", "deployment",
        f"{POD}volumes.2.projected.sources.0.serviceAccountToken.audience",
    ),
    Edit(
        "credentials.secretRef.name", "aws-keys", "deployment", f"{POD}volumes.2.secret.secretName",
        others={"roleArn": None, "credentials": {"type": "Secret"}},
    ),
)  # fmt: skip
PODS = (
    Edit("collector.replicas", 3, "deployment", "spec.replicas", others={"mode": "Active"}),
    _pod("image", "example.com/other:3", f"{CONTAINER}image"),
    _pod("imagePullPolicy", "Never", f"{CONTAINER}imagePullPolicy"),
    _pod("imagePullSecrets", [{"name": "registry"}]),
    _pod("logLevel", "Debug", f"{CONTAINER}env.1.value"),
    _pod("resources.requests.cpu", "300m", f"{CONTAINER}resources.requests.cpu"),
    _pod("resources.requests.memory", "300Mi", f"{CONTAINER}resources.requests.memory"),
    _pod("resources.limits.cpu", "700m", f"{CONTAINER}resources.limits.cpu"),
    _pod("resources.limits.memory", "700Mi", f"{CONTAINER}resources.limits.memory"),
    _pod("terminationGracePeriodSeconds", 77),
    _pod("labels", {"team": "security"}, "spec.template.metadata.labels"),
    _pod("annotations", {"example.com/a": "b"}, "spec.template.metadata.annotations"),
    _pod("nodeSelector", {"disk": "ssd"}),
    _pod("tolerations", [{"key": "own", "operator": "Exists"}]),
    _pod("affinity", _AFFINITY),
    _pod("topologySpreadConstraints", _SPREAD),
    _pod("priorityClassName", "high"),
    _pod("extraEnv", [{"name": "NO_PROXY", "value": "x"}], f"{CONTAINER}env"),
    _pod("extraVolumes", _VOLUME, f"{POD}volumes", [{"name": "extra-certs"}]),
    _pod(
        "extraVolumeMounts", [{"name": "certs", "mountPath": "/mnt/certs"}], f"{CONTAINER}volumeMounts",
        [{"name": "extra-certs", "mountPath": "/mnt/certs"}], collector={"extraVolumes": _VOLUME},
    ),
)  # fmt: skip
SCALING = (
    _scale("min", 2, "spec.minReplicas"),
    _scale("max", 5, "spec.maxReplicas"),
    _scale("targetMessages", 50, "spec.metrics.0.external.target.averageValue", "50"),
    _scale("targetCPUPercent", 60, "spec.metrics.1.resource.target.averageUtilization"),
)
EDITS = (*PIPELINE, *CREDENTIALS, *PODS, *SCALING)
