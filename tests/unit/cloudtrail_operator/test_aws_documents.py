"""The ConfigMap with a source's IAM documents, held against files, and against what `aws policy` and `aws trust` print.

`UPDATE_GOLDEN=1 pytest tests/unit/cloudtrail_operator` writes the files anew.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.aws_setup.documents import to_json
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy
from cloudtrail_operator.aws_setup.published import UNKNOWN_ISSUER, UNKNOWN_NAME, build_documents
from cloudtrail_operator.aws_setup.trust import Identity, ServiceAccount, build_pod_trust
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import parse_spec
from cloudtrail_operator.settings import SettingsError, read_settings
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.aws_setups import ARCHIVE, CLUSTER, ISSUER, POD_IDENTITY, READER, SECRET, SETUPS, STDOUT
from support.observations import observe_source

GOLDEN = Path(__file__).parents[2] / "golden" / "aws-documents"
KNOWN = Identity(f"https://{ISSUER}", CLUSTER)
CASES: dict[str, tuple[dict[str, Any], Identity]] = {
    "irsa": ({}, KNOWN),
    "irsa-unknown-issuer": ({}, Identity()),
    "pod-identity-chained-archive": (
        {**POD_IDENTITY, "assumeRole": {"roleArn": READER, "externalId": "acme"}, "sinks": [STDOUT, ARCHIVE]},
        Identity(),
    ),
    "secret": (SECRET, KNOWN),
}


def build(identity: Identity, **changes: Any) -> tuple[CloudTrailSourceSpec, Manifest]:
    source = observe_source(**changes)
    spec = parse_spec(source.spec)
    assert isinstance(spec, CloudTrailSourceSpec)
    return spec, build_documents(source, spec, identity)


@pytest.mark.parametrize("name", CASES)
def test_documents_are_as_reviewed(name: str) -> None:
    changes, identity = CASES[name]
    text = yaml.safe_dump(build(identity, **changes)[1], sort_keys=False, width=120)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_documents_are_those_that_the_command_prints() -> None:
    spec, manifest = build(KNOWN)
    source = observe_source()
    assert manifest["data"]["policy.json"] == to_json(build_pod_policy(spec, Surroundings()))
    assert manifest["data"]["trust.json"] == to_json(build_pod_trust(spec, ServiceAccount.of_source(source.key), KNOWN))
    assert set(manifest["data"]) == {"README", "policy.json", "trust.json"}


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.parametrize("identity", [Identity(), KNOWN], ids=["unknown", "known"])
def test_every_source_has_documents_in_which_placeholders_are_explained(name: str, identity: Identity) -> None:
    _, manifest = build(identity, **SETUPS[name].changes)
    documents = {key: text for key, text in manifest["data"].items() if key != "README"}
    readme = manifest["data"]["README"]
    assert all(json.loads(text)["Version"] == "2012-10-17" for text in documents.values())
    assert all(key in readme for key in documents)
    for placeholder in (UNKNOWN_ISSUER, UNKNOWN_NAME):
        assert any(placeholder in text for text in documents.values()) == (f"Replace {placeholder}" in readme) or (
            f"/{placeholder} with" in readme
        )


def test_a_user_has_no_trust() -> None:
    assert set(build(KNOWN, **SECRET)[1]["data"]) == {"README", "policy.json"}


def test_nothing_selects_it_as_a_collector() -> None:
    labels = build(KNOWN)[1]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "aws-documents"
    assert labels["cloudtrail-operator.io/source"] == "org-trail"


def build_token(claims: object) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{encoded}.signature"


@pytest.mark.parametrize(
    ("token", "issuer"),
    [
        (build_token({"iss": f"https://{ISSUER}"}), ISSUER),
        (build_token({"iss": "https://kubernetes.default.svc.cluster.local"}), "kubernetes.default.svc.cluster.local"),
        (build_token({"iss": "kubernetes/serviceaccount"}), None),
        (build_token({"iss": "https://No_Host"}), None),
        (build_token({}), None),
        (build_token([]), None),
        ("opaque", None),
        ("a.%.c", None),
        (None, None),
    ],
)
def test_the_issuer_is_read_off_the_operators_own_token(token: str | None, issuer: str | None) -> None:
    assert Access("https://127.0.0.1", fixed_token=token).find_issuer() == issuer


def test_settings_say_whether_and_with_what() -> None:
    image = {"CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE": "example.com/c:1"}
    settings = read_settings(image)
    assert (settings.aws_documents, settings.oidc_issuer, settings.eks_cluster) == (True, None, None)
    off = read_settings(image | {"CLOUDTRAIL_OPERATOR_AWS_DOCUMENTS": "false"})
    assert off.aws_documents is False
    bad = {
        "CLOUDTRAIL_OPERATOR_AWS_DOCUMENTS": "maybe",
        "CLOUDTRAIL_OPERATOR_OIDC_ISSUER": "ftp://x",
        "CLOUDTRAIL_OPERATOR_EKS_CLUSTER": "prod",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(image | bad)
    assert [problem.split(":")[0] for problem in caught.value.problems] == list(bad)
