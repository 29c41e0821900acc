"""The operator's own settings, from environment variables. Every mistake is reported, not only the first."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.trust import read_cluster, read_issuer
from cloudtrail_operator.core.allow_list import AllowList, parse_allow_list
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.pod_extras import ExtraVariable

PREFIX = "CLOUDTRAIL_OPERATOR_"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LEASE = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """Settings that cannot be used; `problems` has a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class LeaseName(NamedTuple):
    """Which Lease the replicas of the operator compete for."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's settings. Variables are named CLOUDTRAIL_OPERATOR_<FIELD>, but for the two of listening."""

    collector_image: str
    """COLLECTOR_IMAGE: image of collectors whose source names none."""
    watch_namespaces: tuple[str, ...]
    """WATCH_NAMESPACES: names, separated by commas; empty means all, and needs a ClusterRole."""
    poll_seconds: float
    """POLL_SECONDS: how often a collector is asked for its report (15)."""
    status_seconds: float
    """STATUS_SECONDS: how often figures in a status are written at most (60)."""
    stall_seconds: float
    """STALL_SECONDS: how long denied access lasts before the source counts as stalled (300)."""
    lag_seconds: float
    """LAG_SECONDS: how long messages may wait in the queue before a source counts as lagging (900)."""
    collector_node_selector: dict[str, str]
    """COLLECTOR_NODE_SELECTOR: JSON object, for every collector."""
    collector_tolerations: tuple[dict[str, Any], ...]
    """COLLECTOR_TOLERATIONS: JSON array, for collectors whose source names none."""
    collector_pod_annotations: dict[str, str]
    """COLLECTOR_POD_ANNOTATIONS: JSON object, for every collector pod."""
    collector_extra_env: tuple[dict[str, Any], ...]
    """COLLECTOR_EXTRA_ENV: JSON array of variables as in spec.collector.extraEnv, for every collector."""
    aws_documents: bool
    """AWS_DOCUMENTS: publish the IAM policies of each source in a ConfigMap beside it (true)."""
    oidc_issuer: str | None
    """OIDC_ISSUER: the cluster's, for the trust policies among them (that of the operator's own token)."""
    eks_cluster: str | None
    """EKS_CLUSTER: ARN of the cluster, for the trust policies of Pod Identity among them."""
    allow_list: AllowList
    """ALLOW_LIST: JSON array of rules that bound what namespaces may use; none allows everything."""
    lease: LeaseName | None
    """LEASE: namespace/name of the Lease that replicas compete for; empty: this is the only one, it acts at once."""
    instance: str
    """INSTANCE: name of this replica, in the Lease and in Kubernetes Events (the host's name)."""
    log_level: str
    """LOG_LEVEL: DEBUG, INFO, WARNING or ERROR (INFO)."""
    listen_host: str | None
    """CLOUDTRAIL_LISTEN_HOST: address for probes and metrics (all addresses)."""
    listen_port: int
    """CLOUDTRAIL_OPERATOR_LISTEN_PORT: their port (8080)."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingsError."""
    problems: list[str] = []

    def read(name: str, default: str, convert: Callable[[str], Any]) -> Any:
        try:
            return convert(environment.get(PREFIX + name, "") or default)
        except ValueError as error:
            problems.append(f"{PREFIX}{name}: {error}")
            return None

    settings = Settings(
        collector_image=read("COLLECTOR_IMAGE", "", _image),
        watch_namespaces=read("WATCH_NAMESPACES", "", _namespaces),
        poll_seconds=read("POLL_SECONDS", "15", _seconds),
        status_seconds=read("STATUS_SECONDS", "60", _seconds),
        stall_seconds=read("STALL_SECONDS", "300", _seconds),
        lag_seconds=read("LAG_SECONDS", "900", _seconds),
        collector_node_selector=read("COLLECTOR_NODE_SELECTOR", "{}", _string_map),
        collector_tolerations=read("COLLECTOR_TOLERATIONS", "[]", _objects),
        collector_pod_annotations=read("COLLECTOR_POD_ANNOTATIONS", "{}", _string_map),
        collector_extra_env=read("COLLECTOR_EXTRA_ENV", "[]", _variables),
        aws_documents=read("AWS_DOCUMENTS", "true", _switch),
        oidc_issuer=read("OIDC_ISSUER", "", _issuer),
        eks_cluster=read("EKS_CLUSTER", "", _cluster),
        allow_list=read("ALLOW_LIST", "[]", parse_allow_list),
        lease=read("LEASE", "", _lease),
        instance=read("INSTANCE", socket.gethostname(), str),
        log_level=read("LOG_LEVEL", "INFO", _level),
        listen_host=environment.get("CLOUDTRAIL_LISTEN_HOST") or None,
        listen_port=read("LISTEN_PORT", "8080", _port),
    )
    if problems:
        raise SettingsError(problems)
    return settings


def _image(text: str) -> str:
    if not text:
        raise ValueError("is needed: the image of the collectors")
    return text


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    bad = [name for name in names if not _NAMESPACE.fullmatch(name)]
    if bad:
        raise ValueError(f"not names of namespaces: {', '.join(bad)}")
    return names


def _lease(text: str) -> LeaseName | None:
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not _NAMESPACE.fullmatch(namespace) or not _LEASE.fullmatch(name):
        raise ValueError(f"{text!r} is not namespace/name of a Lease")
    return LeaseName(namespace, name)


def _switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _issuer(text: str) -> str | None:
    return _check_setup(read_issuer, text)


def _cluster(text: str) -> str | None:
    return _check_setup(read_cluster, text)


def _check_setup(check: Callable[[str], Any], text: str) -> str | None:
    try:
        return text if text and check(text) else None
    except SetupError as error:
        raise ValueError(error.problems[0].partition(": ")[2]) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86400:
        raise ValueError(f"{text!r} is not a number of seconds from 0.1 to 86400")
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def _level(text: str) -> str:
    if text.upper() not in _LEVELS:
        raise ValueError(f"{text!r} is not one of {', '.join(_LEVELS)}")
    return text.upper()


def _string_map(text: str) -> dict[str, str]:
    value = _json(text)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError("is not a JSON object of strings")
    return value


def _objects(text: str) -> tuple[dict[str, Any], ...]:
    value = _json(text)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("is not a JSON array of objects")
    return tuple(value)


def _variables(text: str) -> tuple[dict[str, Any], ...]:
    try:
        variables = TypeAdapter(tuple[ExtraVariable, ...]).validate_python(_json(text))
    except ValidationError as error:
        raise ValueError("; ".join(line.lstrip(": ") for line in describe_errors(error, root=""))) from error
    return tuple(variable.model_dump(mode="json", by_alias=True, exclude_defaults=True) for variable in variables)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
