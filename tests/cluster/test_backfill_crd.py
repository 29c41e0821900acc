"""The CRD of backfills on an API server: what it accepts, refuses and lets change. Nothing but the API server runs."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.apiserver import ApiServer
from support.backfills import build_backfill, build_inline_source
from support.bad_backfills import BAD_BACKFILLS
from support.bad_specs import BadSpec

CRD = Path(__file__).parents[2] / "crds" / "cloudtrailbackfills.yaml"
NAMESPACE = "backfill-crd-test"
GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "backfill").glob("*.yaml"))


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    api_server.kubectl("apply", "--server-side", "-f", str(CRD))
    api_server.wait_kind("cloudtrailbackfills", "cloudtrail-operator.io")
    api_server.kubectl("create", "namespace", NAMESPACE)
    yield api_server
    api_server.kubectl("delete", "namespace", NAMESPACE)


def _apply(server: ApiServer, manifest: dict[str, Any]) -> str:
    """Apply as a user does; return what was refused, if it was."""
    text = json.dumps(manifest)
    return server.kubectl("apply", "--server-side", "-f", "-", input=text, check=False).stderr


@pytest.mark.parametrize("case", BAD_BACKFILLS, ids=lambda case: case.name)
def test_broken_spec_is_refused_with_the_field_and_the_rule(server: ApiServer, case: BadSpec) -> None:
    manifest = build_backfill("probe", NAMESPACE) | {"spec": case.spec}
    refused = server.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(manifest), check=False)
    assert refused.returncode == 1
    assert case.field in refused.stderr
    assert case.words in refused.stderr


def test_only_what_a_job_can_follow_may_change(server: ApiServer) -> None:
    spec = {"accounts": ["111122223333"], "shares": 4}
    assert _apply(server, build_backfill("changed", NAMESPACE, **spec)) == ""
    changeable = {"suspend": True, "parallelism": 4, "ttlSecondsAfterFinished": 60}
    assert _apply(server, build_backfill("changed", NAMESPACE, **spec, **changeable)) == ""
    others: dict[str, Any] = {
        "sourceRef": {"name": "other"},
        "interval": "6d",
        "accounts": None,
        "regions": ["us-east-1"],
        "classes": ["Insight"],
        "shares": 5,
    }
    for field, value in others.items():
        refused = _apply(server, build_backfill("changed", NAMESPACE, **spec | {field: value}))
        assert f"{field} cannot be changed: make a new backfill" in refused


def test_settings_of_its_own_cannot_be_changed(server: ApiServer) -> None:
    assert _apply(server, build_backfill("own", NAMESPACE, sourceRef=None, source=build_inline_source())) == ""
    other = build_backfill("own", NAMESPACE, sourceRef=None, source=build_inline_source(prefix="org/"))
    assert "source cannot be changed: make a new backfill" in _apply(server, other)


def test_backfill_shows_what_matters_in_columns(server: ApiServer) -> None:
    _apply(server, build_backfill("columns", NAMESPACE))
    narrow = server.kubectl("get", "ctb", "columns", "-n", NAMESPACE).stdout.splitlines()
    wide = server.kubectl("get", "ctb", "columns", "-n", NAMESPACE, "-o", "wide").stdout.splitlines()
    assert narrow[0].split() == ["NAME", "INTERVAL", "READY", "REASON", "PROGRESS", "EVENTS", "AGE"]
    assert wide[0].split()[7:] == ["SOURCE", "OBJECTS", "PER-SECOND", "ESTIMATED-END", "USD", "LAST-ERROR"]
    assert narrow[1].split()[:2] == ["columns", "5d-2d"]
    assert (
        "cloudtrailbackfill.cloudtrail-operator.io/columns"
        in server.kubectl("get", "cloudtrail", "-n", NAMESPACE, "-o", "name", check=False).stdout.split()
    )


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reviewed_manifests_fit_a_restricted_namespace(server: ApiServer, path: Path) -> None:
    """The API server accepts each, strictly, and its Pod Security admission has nothing to warn about."""
    name = f"restricted-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", name)
    server.kubectl("label", "namespace", name, "pod-security.kubernetes.io/warn=restricted")
    *made, _ = yaml.safe_load_all(path.read_text(encoding="utf-8").replace("namespace: default", f"namespace: {name}"))
    applied = server.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=yaml.safe_dump_all(made)
    )
    assert applied.stderr == ""
    server.kubectl("delete", "namespace", name, "--wait=false")


def test_name_from_which_no_pod_can_be_called_is_refused(server: ApiServer) -> None:
    for name in ("x" * 51, "1st", "a.b"):
        refused = server.kubectl(
            "create", "--dry-run=server", "-f", "-", input=json.dumps(build_backfill(name, NAMESPACE)), check=False
        )
        assert "metadata.name" in refused.stderr
