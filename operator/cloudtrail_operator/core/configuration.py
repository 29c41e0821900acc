"""A source's spec becomes the configuration file that its collectors load."""

from cloudtrail_spec.source import CloudTrailSourceSpec

LARGEST_BYTES = 1024 * 1024  # what the API server takes as the values of one ConfigMap


def render_config(spec: CloudTrailSourceSpec) -> str:
    """Render the file, with only what differs from the defaults.

    What a later version adds to the spec has a default: the file of a source that does not use it stays the same to the
    byte, and an upgrade of the operator replaces no pod.
    """
    return spec.to_pipeline().model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


def find_excess(spec: CloudTrailSourceSpec) -> str | None:
    """Say in a sentence that the file is too large for a ConfigMap; None when it is not."""
    size = len(render_config(spec).encode())
    if size <= LARGEST_BYTES:
        return None
    return (
        f"spec: the collectors' configuration has {size:,} bytes, and a ConfigMap holds {LARGEST_BYTES:,}:"
        " use fewer or shorter values in filters, fieldSelectors and metrics"
    )
