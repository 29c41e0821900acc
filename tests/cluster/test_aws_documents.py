"""The ConfigMap with IAM documents beside a source, from its first moment to its last."""

import json
from pathlib import Path
from typing import Any

from cloudtrail_operator.aws_setup.documents import to_json
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.operator_process import OperatorProcess
from support.pods import CollectorStub, build_check, wait_until
from support.site import NAME, Site

MAP = f"configmap/{NAME}-aws"


def read_policy(site: Site) -> str | None:
    found = site.get(MAP)
    return None if found is None else str(found["data"]["policy.json"])


def build_wanted(site: Site) -> str:
    spec = CloudTrailSourceSpec.model_validate_json(json.dumps(site.source()["spec"]))
    return to_json(build_pod_policy(spec, Surroundings()))


def test_documents_are_there_before_anything_works_follow_the_spec_and_are_kept(
    site: Site, stub: CollectorStub
) -> None:
    site.apply()
    wait_until(lambda: read_policy(site) is not None, "there are documents")
    assert read_policy(site) == build_wanted(site)
    site.wait_children()
    denied = build_check("QueueReachable", "False", "AccessDenied", "sqs:ReceiveMessage on the queue: AccessDenied.")
    site.run_collector(stub, checks=[denied], lastReceiveAt=None)
    site.wait_condition("Ready", "False", "AccessDenied")
    assert read_policy(site) == build_wanted(site)
    site.apply(prefix="audit")
    wait_until(lambda: "audit/AWSLogs/*" in str(read_policy(site)), "the documents follow")
    assert read_policy(site) == build_wanted(site)
    site.kubectl("patch", MAP, "--type=merge", "-p", json.dumps({"data": {"policy.json": "{}"}}))
    wait_until(lambda: read_policy(site) == build_wanted(site), "the drift is repaired")
    site.kubectl("delete", MAP)
    wait_until(lambda: read_policy(site) == build_wanted(site), "it is back")
    (owner,) = (site.get(MAP) or {})["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (site.source()["metadata"]["uid"], True)


def test_where_it_is_switched_off_the_documents_go_and_the_rest_stays(site: Site, tmp_path: Path) -> None:
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    wait_until(lambda: site.get(MAP) is not None, "there are documents")
    before: dict[str, Any] = site.versions()
    site.operator.stop()
    (tmp_path / "without").mkdir()
    without = OperatorProcess(site.server, tmp_path / "without", [site.namespace], awsDocuments={"enabled": False})
    without.start()
    wait_until(lambda: site.get(MAP) is None, "they are gone")
    without.stop()
    del before[f"ConfigMap/{NAME}-aws"]
    after = site.versions()
    assert {name: after[name] for name in before if "CloudTrailSource" not in name} == {
        name: version for name, version in before.items() if "CloudTrailSource" not in name
    }
