"""The rules of the kubectl plugin that need neither kubectl nor a cluster."""

import json
import subprocess
import sys
from typing import Any

import pytest

from cloudtrail_operator.plugin import modes
from cloudtrail_operator.plugin.arguments import build_parser
from cloudtrail_operator.plugin.connection import list_options
from cloudtrail_operator.plugin.errors import ChangedError, InputError, MissingError, PluginError, RefusedError
from cloudtrail_operator.plugin.kubectl import explain_failure
from cloudtrail_operator.plugin.managers import find_manager
from cloudtrail_operator.plugin.samples import merge_samples, parse_samples, render_samples
from cloudtrail_operator.plugin.source_page import MODES
from cloudtrail_operator.plugin.sources import describe_suggestions
from cloudtrail_operator.plugin.views import KIND, RESOURCE, view_pod, view_source
from cloudtrail_operator.plugin.waiting import judge_progress
from cloudtrail_spec import crd
from cloudtrail_spec.base import API_GROUP
from cloudtrail_spec.pipeline import Mode
from support.plugin_views import build_condition, build_observed, build_pod
from support.sources import build_source

FORBIDDEN = (
    'Error from server (Forbidden): pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the'
    ' namespace "security"'
)
FORBIDDEN_CLUSTER = (
    'Error from server (Forbidden): cloudtrailsources.cloudtrail-operator.io is forbidden: User "eve" cannot list resource'
    ' "cloudtrailsources" in API group "cloudtrail-operator.io" at the cluster scope'
)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            FORBIDDEN,
            RefusedError,
            "eve may not list pods in namespace security: ask for a Role with the verb list on pods",
        ),
        (
            FORBIDDEN_CLUSTER,
            RefusedError,
            "eve may not list cloudtrailsources (cloudtrail-operator.io) in all namespaces",
        ),
        ('error: the server doesn\'t have a resource type "cloudtrailsources"', MissingError, "the CRD is missing"),
        (
            'Error from server (NotFound): cloudtrailsources.cloudtrail-operator.io "x" not found',
            MissingError,
            'cloudtrailsources.cloudtrail-operator.io "x" not found',
        ),
        (
            """E1121 12:00:00.1 1 memcache.go:265] couldn't get current server API group list
            The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?
            """,
            PluginError,
            "no cluster answers: The connection to the server 127.0.0.1:1 was refused",
        ),
        ("error: You must be logged in to the server (Unauthorized)", RefusedError, "does not accept your credentials"),
        (
            "Error in configuration: context was not found for specified context: prod",
            InputError,
            "the kubeconfig has no context prod",
        ),
        ('error: context "prod" does not exist', InputError, "the kubeconfig has no context prod"),
        (
            "The request is invalid: the server rejected our request due to an error in our request",
            ChangedError,
            "the server rejected our request",
        ),
        ("Please enter Username: error: EOF", RefusedError, "has no credentials for its user"),
        ("error: something new", PluginError, "something new"),
        ("", PluginError, "kubectl ended with code 1"),
    ],
)
def test_failure_of_kubectl_becomes_words_for_people(text: str, kind: type[PluginError], words: str) -> None:
    error = explain_failure(text, 1)
    assert type(error) is kind
    assert words in str(error)


def test_names_are_those_of_the_api() -> None:
    assert (f"{crd.PLURAL}.{API_GROUP}", crd.KIND) == (RESOURCE, KIND)
    assert sorted(modes.COMMANDS.values()) == sorted(MODES) == sorted(Mode)


def test_program_starts_without_the_models_and_without_a_server() -> None:
    """People wait for it, and completions run at a keystroke."""
    script = "import sys, cloudtrail_operator.plugin.__main__; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )
    assert loaded.isdisjoint({"kopf", "aiohttp", "boto3", "yaml", "prometheus_client", "cloudtrail_spec.source"})


@pytest.mark.parametrize(
    ("name", "places", "words"),
    [
        ("org-trial", {"org-trail": ["security"], "billing": ["a"]}, "; did you mean org-trail (-n security)?"),
        ("org-trial", {"org-trail": ["b", "a"]}, "; did you mean org-trail (-n a) or org-trail (-n b)?"),
        ("org-trail", {"org-trail": ["security"]}, "; there is one in namespace security (-n security)"),
        (
            "org-trail",
            {"org-trail": list("ebadc")},
            "; there is one in namespace a (-n a) and namespace b (-n b) and namespace c (-n c) and 2 more",
        ),
        ("x", {"org-trail": ["security"]}, ""),
    ],
)
def test_similar_names_are_suggested(name: str, places: dict[str, list[str]], words: str) -> None:
    assert describe_suggestions(name, places) == words


def _build_managed(**metadata: Any) -> dict[str, Any]:
    source = build_source()
    source["metadata"] |= metadata
    return source


def _build_fields(manager: str, *fields: str) -> list[dict[str, Any]]:
    return [{"manager": manager, "fieldsV1": {"f:spec": {f"f:{field}": {} for field in fields}}}]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "trails:cloudtrail-operator.io/x"}}, "Application trails"),
        ({"labels": {"argocd.argoproj.io/instance": "trails"}}, "Argo CD (Application trails)"),
        (
            {
                "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }
            },
            "Flux (Kustomization flux-system/apps)",
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "trails"}}, "Flux (HelmRelease trails)"),
        ({"annotations": {"meta.helm.sh/release-name": "trails"}}, "Helm (release trails): the next `helm upgrade`"),
        ({"managedFields": _build_fields("kustomize-controller", "mode", "bucket")}, "Flux, which sets what Git says"),
    ],
)
def test_tool_that_would_undo_a_change_is_named(metadata: dict[str, Any], words: str) -> None:
    manager = find_manager(_build_managed(**metadata))
    assert manager is not None
    assert words in manager.describe()


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {"app.kubernetes.io/instance": "x"}},
        {"managedFields": _build_fields("kubectl", "mode")},
        {"managedFields": _build_fields("helm", "bucket")},
    ],
)
def test_who_does_not_write_the_mode_is_not_named(metadata: dict[str, Any]) -> None:
    assert find_manager(_build_managed(**metadata)) is None


READY = build_condition("Ready", "True", "Testing")


@pytest.mark.parametrize(
    ("conditions", "status", "expected"),
    [
        ([READY], {}, (True, False)),
        ([READY], {"observedGeneration": 2}, (False, False)),
        ([READY], {"mode": "Paused"}, (False, False)),
        ([READY, build_condition("Reconciling", "True", "RollingOut")], {}, (False, False)),
        ([build_condition("Ready", "False", "RollingOut")], {}, (False, False)),
        (
            [build_condition("Ready", "False", "InvalidSpec"), build_condition("Stalled", "True", "InvalidSpec")],
            {},
            (False, True),
        ),
        ([], {}, (False, False)),
    ],
)
def test_waiting_ends_when_the_present_spec_is_ready_or_stalled(
    conditions: list[dict[str, Any]], status: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    progress = judge_progress(view_source(build_observed(*conditions, **status)))
    assert (progress.done, progress.hopeless) == expected


def _build_record(time: str, **fields: Any) -> str:
    return json.dumps({"eventTime": time, "eventName": "CreateUser"} | fields)


def test_samples_of_all_pods_come_in_order_and_once() -> None:
    first = [_build_record(f"2026-11-21T10:00:0{second}Z") for second in (1, 4, 9)]
    second = [_build_record(f"2026-11-21T10:00:0{second}Z") for second in (2, 4, 8)]
    pods = [parse_samples("\n".join([*lines, ""])) for lines in (first, second)]
    assert [sample.line for sample in merge_samples(pods)] == [
        first[0], second[0], first[1], second[2], first[2],
    ]  # fmt: skip
    assert merge_samples([]) == []


def test_samples_without_a_time_or_of_another_form_are_kept() -> None:
    lines = ["not json", '{"eventTime": 5}', "[1]", '{"eventTime": "soon"}', _build_record("2026-11-21T10:00:00Z")]
    samples = merge_samples([parse_samples("\n".join(lines))])
    assert [sample.line for sample in samples] == lines
    assert len(render_samples(samples)) == 6


def test_table_says_who_did_what_and_cannot_be_steered() -> None:
    record = _build_record(
        "2026-11-21T10:00:00Z",
        eventSource="iam.amazonaws.com",
        userIdentity={"arn": "arn:aws:sts::111122223333:assumed-role/admin/eve"},
        sourceIPAddress="203.0.113.7\x1b[31m",
        awsRegion="us-east-1",
        errorCode="A" * 500,
    )
    row = render_samples(parse_samples(record))[1]
    assert row.startswith("2026-11-21T10:00:00Z  iam:CreateUser  assumed-role/admin/eve  203.0.113.7")
    assert "\x1b" not in row
    assert len(row) < 200


@pytest.mark.parametrize(
    ("identity", "who"),
    [
        ({"type": "IAMUser", "userName": "bob"}, "bob"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com"),
        ({"type": "Root"}, "Root"),
        ("***", "-"),
        (None, "-"),
    ],
)
def test_actor_without_an_arn_is_named_by_what_there_is(identity: object, who: str) -> None:
    record = _build_record("2026-11-21T10:00:00Z", userIdentity=identity)
    assert render_samples(parse_samples(record))[1].split()[2] == who


def test_samples_are_asked_at_the_collectors_own_port() -> None:
    pod = view_pod(build_pod())
    assert (pod.port, pod.address, pod.restarts) == (8080, "10.1.2.3", 0)


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Failed"},
        {"podIP": None},
        {"containerStatuses": [{"name": "collector", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
    ],
)
def test_pod_that_does_not_run_is_not_asked(status: dict[str, Any]) -> None:
    assert view_pod(build_pod(**status)).address is None


def test_options_of_the_connection_go_to_kubectl_as_they_are() -> None:
    words = "status x --context=prod --kubeconfig /k --as eve --as-group a --as-group=b --request-timeout 5s -n team"
    options = build_parser().parse_args(words.split())
    assert list_options(options) == [
        "--kubeconfig=/k", "--context=prod", "--as=eve", "--request-timeout=5s", "--as-group=a", "--as-group=b",
    ]  # fmt: skip
    assert options.namespace == "team"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("sample x -c 0", "'0' is not a number from 1 to 100"),
        ("sample x -c 101", "'101' is not a number from 1 to 100"),
        ("pause x --timeout soon", "'soon' is not a time such as 90s, 5m or 1h"),
        ("stats", "invalid choice: 'stats'"),
    ],
)
def test_wrong_arguments_are_named(words: str, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        build_parser().parse_args(words.split())
    assert ending.value.code == 2
    assert mistake in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("7", 7)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert build_parser().parse_args(["pause", "x", "--timeout", text]).timeout == seconds
