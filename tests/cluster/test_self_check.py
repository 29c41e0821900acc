"""`cloudtrail-operator selfcheck`, which `helm test` runs: it tells what works, and names what does not."""

import json

from support.operator_process import NAMESPACE, RELEASE
from support.site import Site

CRD = "cloudtrailsources.cloudtrail-operator.io"


def test_what_works_is_said_line_by_line(site: Site) -> None:
    done = site.operator.check_self(30)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok    ") for line in lines)
    assert f"Lease {RELEASE} of namespace {NAMESPACE}: operator" in lines[1]
    assert f"cloudtrailsources of cloudtrail-operator.io/v1alpha1 are served in namespace {site.namespace}" in lines[2]
    assert f"the operator has its rights in namespace {site.namespace}" in lines[-1]


def test_each_thing_that_does_not_work_is_named(site: Site) -> None:
    """All of it at once: nobody leads, the CRD is gone, and a role lacks something."""
    site.operator.stop()
    role = site.get(f"role/{RELEASE}")
    assert role is not None
    rules = [rule for rule in role["rules"] if rule["resources"] != ["pods"]]
    site.kubectl("patch", "role", RELEASE, "--type=merge", "-p", json.dumps({"rules": rules}))
    site.server.kubectl("delete", "crd", CRD)
    done = site.operator.check_self(2)
    assert done.returncode == 1
    answers, lease, served, rights = done.stdout.splitlines()
    assert answers.startswith("FAIL  the operator is ready at http://127.0.0.1:")
    assert lease.startswith("FAIL  a replica leads by Lease")
    assert lease.endswith(": nobody renews it")
    assert served.endswith("the API server does not know them; install the CRD (crds.install of the chart)")
    assert rights.endswith(": it may not get pods, list pods, watch pods; apply the chart's roles anew")
