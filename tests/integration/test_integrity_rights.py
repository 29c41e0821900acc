"""Digest files are checked under exactly the policy that `cloudtrail-operator aws policy` prints, with IAM enforced."""

import json

import pytest

from integration.collector_process import wait_until
from integration.strict_account import Account, create_empty_storage, give_generated
from support.digest_chain import DigestChain, build_integrity


@pytest.mark.parametrize("mode", ["Report", "Enforce"])
def test_t52_what_is_gone_is_told_from_what_may_not_be_read(mode: str, account: Account) -> None:
    """T-52: where a right to list has a condition, S3 may answer AccessDenied for what is not there."""
    storage = create_empty_storage(account)
    spec = account.build_spec(storage, integrity=build_integrity(mode))
    give_generated(account, spec)
    chain = DigestChain(bucket=storage.bucket).add_hours(5)
    gone = chain.logs[2]
    chain.delete(gone, chain.digests[2], chain.digests[3])
    chain.upload(account.aws.client("s3"))
    collector = account.start(spec)
    wait_until(lambda: collector.read_status()["integrity"]["verified"] == 5, "all digest files to be checked", 40)
    lines = [json.loads(line) for line in collector.stderr.read_text().splitlines()]
    found = {(line["finding"], line["key"]) for line in lines if "finding" in line}
    assert {
        ("log_missing", gone),
        ("digest_missing", chain.digests[3]),
        ("digests_missing", chain.digests[4]),
        ("chain_started", chain.digests[0]),
    } == {one for one in found if one[0] != "log_not_covered"}
    assert collector.read_status()["integrity"]["failure"] is None
