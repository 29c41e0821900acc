"""Fields that are a part of the record as it is: objects and lists as compact JSON, with the digits of their numbers."""

from cloudtrail_collector.core.falco.values import Record, read_list, read_path, read_text
from cloudtrail_collector.core.formats.document import encode_text


def extract_json(record: Record, path: str) -> str | None:
    """Return what is at a path: JSON of an object or a list, the text of a scalar."""
    value = read_path(record, path)
    return encode_text(value) if isinstance(value, dict | list) else read_text(value)


def extract_resources(record: Record) -> str | None:
    """Return the elements of resources as JSON, with commas between them."""
    return ",".join(encode_text(resource) for resource in read_list(record.get("resources"))) or None
