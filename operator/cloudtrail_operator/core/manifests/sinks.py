"""What sinks and masks need in a pod: the Secrets that they refer to, as files, and a volume for each file sink."""

from collections import defaultdict
from posixpath import dirname

from cloudtrail_operator.core.manifests.parts import PodParts
from cloudtrail_operator.core.names import SECRETS_DIRECTORY, Manifest
from cloudtrail_spec.secrets import find_secret_refs
from cloudtrail_spec.source import CloudTrailSourceSpec

SECRETS_VOLUME = "secrets"
SECRETS_MODE = 0o440  # the kubelet gives the files to the pod's fsGroup


def build_secret_parts(spec: CloudTrailSourceSpec) -> PodParts:
    """Mount the keys that the spec names, each at `<Secret>/<key>`, and nothing else of these Secrets.

    They are optional, so that a pod starts without: its collector says what is missing, and goes on when that comes.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for reference in find_secret_refs(spec):
        wanted[reference.name].add(reference.key)
    if not wanted:
        return PodParts()
    sources: list[Manifest] = [
        {
            "secret": {
                "name": name,
                "items": [{"key": key, "path": f"{name}/{key}"} for key in sorted(keys)],
                "optional": True,
            }
        }
        for name, keys in sorted(wanted.items())
    ]
    return PodParts(
        env=({"name": "CLOUDTRAIL_SECRETS_DIRECTORY", "value": SECRETS_DIRECTORY},),
        volumes=({"name": SECRETS_VOLUME, "projected": {"defaultMode": SECRETS_MODE, "sources": sources}},),
        mounts=({"name": SECRETS_VOLUME, "mountPath": SECRETS_DIRECTORY, "readOnly": True},),
    )


def build_file_parts(spec: CloudTrailSourceSpec) -> PodParts:
    """Mount a volume at the folder of each file sink: its claim, or an emptyDir."""
    parts = PodParts()
    for number, sink in enumerate(spec.all_sinks):
        if sink.file is None:
            continue
        claim = sink.file.persistent_volume_claim
        kind: Manifest = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
        name = f"file-{number}"
        parts += PodParts(
            volumes=({"name": name, **kind},), mounts=({"name": name, "mountPath": dirname(sink.file.path)},)
        )
    return parts
