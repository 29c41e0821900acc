"""What every child has in common: labels, one controller, and a hash that tells whether it is up to date."""

import hashlib
import json

from cloudtrail_operator.core.names import (
    ARGO_IGNORE_ANNOTATION,
    MANIFEST_HASH_ANNOTATION,
    SOURCE_API_VERSION,
    Manifest,
)
from cloudtrail_operator.core.source import Owner


def build_metadata(owner: Owner, name: str, annotations: dict[str, str] | None = None) -> Manifest:
    """Build a child's metadata. The controller reference makes Kubernetes delete the child with its owner."""
    return {
        "name": name,
        "namespace": owner.key.namespace,
        "labels": owner.labels,
        "annotations": {ARGO_IGNORE_ANNOTATION: "true"} | (annotations or {}),
        "ownerReferences": [
            {
                "apiVersion": SOURCE_API_VERSION,
                "kind": owner.kind,
                "name": owner.key.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def hash_manifest(manifest: Manifest) -> str:
    """Hash a manifest, independently of the order of its keys."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seal(manifest: Manifest) -> Manifest:
    """Return the manifest with its own hash among its annotations."""
    metadata = manifest["metadata"]
    annotations = metadata["annotations"] | {MANIFEST_HASH_ANNOTATION: hash_manifest(manifest)}
    return manifest | {"metadata": metadata | {"annotations": annotations}}
