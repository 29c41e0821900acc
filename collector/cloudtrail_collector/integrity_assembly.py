"""Builds what checks digest files, for a source that asks for it. Loads cryptography, which others can do without."""

import json

from cloudtrail_collector.adapters.aws import AwsClients, choose_endpoint
from cloudtrail_collector.adapters.evidence import BucketEvidence
from cloudtrail_collector.adapters.public_keys import GivenKeys, RememberedKeys
from cloudtrail_collector.core.integrity.signature import PublicKeyError, parse_public_keys
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.core.object_key import KeySelection
from cloudtrail_collector.pipeline.auditors import Auditors
from cloudtrail_collector.pipeline.digest_audit import Archive, DigestAudit
from cloudtrail_collector.pipeline.integrity import Integrity
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.proof_gate import ProofGate
from cloudtrail_collector.pipeline.proofs import ProofStore
from cloudtrail_collector.pipeline.read_hashes import ReadHashes
from cloudtrail_collector.ports import KeySource
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.integrity import IntegrityMode
from cloudtrail_spec.pipeline import PipelineSpec

# Nobody waits for an answer here, and one that is given up is a find.
ATTEMPTS = 6


def build_integrity(
    spec: PipelineSpec, clients: AwsClients, ledger: Ledger, telemetry: Telemetry, look_seconds: float
) -> Integrity:
    """Build it; nothing runs yet. Raises ValueError where a given public key is none."""
    partition = Arn.parse(spec.queue_arn).partition
    s3 = clients.build_s3(ATTEMPTS)
    stores = {bucket: BucketEvidence(s3, partition, bucket) for bucket in spec.buckets}
    archive = Archive(stores, _find_keys(spec, clients))
    selection = KeySelection(spec.prefix, spec.objects_policy)
    hashes = ReadHashes()
    gate = None
    if spec.integrity is not None and spec.integrity.mode is IntegrityMode.ENFORCE:

        def is_wanted(reference: ObjectRef) -> bool:
            return reference.bucket in stores and selection.find_skip_reason(reference.key) is None

        gate = ProofGate(is_wanted, ProofStore(archive), ledger, telemetry, look_seconds=look_seconds)
    audit = DigestAudit(archive, selection, hashes, telemetry)
    auditors = Auditors(audit, gate.tell if gate else _ignore, telemetry)
    return Integrity(selection, hashes, auditors, gate, telemetry)


def _find_keys(spec: PipelineSpec, clients: AwsClients) -> KeySource:
    given = spec.integrity.public_keys if spec.integrity else ()
    if not given:
        return RememberedKeys(lambda: clients, choose_endpoint(spec, "cloudtrail"))
    answer = {"PublicKeyList": [{"Fingerprint": key.fingerprint, "Value": key.value} for key in given]}
    try:
        return GivenKeys(parse_public_keys(json.dumps(answer)))
    except PublicKeyError as error:
        raise ValueError(f"integrity.publicKeys: {error}") from error


def _ignore(_bucket: str, _key: object) -> None:
    """Mode Report: nobody waits for a digest file."""
