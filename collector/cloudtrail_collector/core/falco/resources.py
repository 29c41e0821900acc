"""What the call was about: buckets and objects, transferred bytes, counts of calls, instances and their images."""

from collections.abc import Callable
from typing import Any

import msgspec

from cloudtrail_collector.core.falco.values import Record, read_list, read_object, read_path, read_text

MAX_UINT64 = 2**64 - 1
_IMAGES_IN_REQUESTS = (
    "requestParameters.imageId",
    "requestParameters.DescribeFastLaunchImagesRequest.ImageId.content",
    "requestParameters.launchSpecification.imageId",
)


def extract_uri(record: Record) -> str | None:
    """Return s3://bucket/key of the request when it has both."""
    bucket = read_text(read_path(record, "requestParameters.bucketName"))
    key = read_text(read_path(record, "requestParameters.key"))
    return None if bucket is None or key is None else f"s3://{bucket}/{key}"


def build_byte_count(*members: str) -> Callable[[Record], int | None]:
    """Build what adds up members of additionalEventData; None when there is none of them."""

    def extract(record: Record) -> int | None:
        data = read_object(record.get("additionalEventData"))
        counts = [count for member in members if (count := _read_count(data.get(member))) is not None]
        total = sum(counts)
        return total if counts and total <= MAX_UINT64 else None

    return extract


def _read_count(value: Any) -> int | None:
    """Read a whole number of 64 bits; CloudTrail writes 33.0 too."""
    if isinstance(value, msgspec.Raw):
        try:
            value = int(float(bytes(value)))
        except (ValueError, OverflowError):
            return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MAX_UINT64 else None


def build_call_count(*names: str, others: bool = False) -> Callable[[Record], int | None]:
    """Build what counts a call of these names, or of any other: 1 or None."""

    def extract(record: Record) -> int | None:
        return 1 if (read_text(record.get("eventName")) in names) != others else None

    return extract


def extract_instance_name(record: Record) -> str | None:
    """Return the tag Name that the request gives to instances, the last when there are several."""
    found = None
    for item in read_list(read_path(record, "requestParameters.tagSpecificationSet.items")):
        if read_text(read_object(item).get("resourceType")) == "instance":
            found = _find_name(read_list(read_object(item).get("tags"))) or found
    return found


def _find_name(tags: list[Any]) -> str | None:
    names = (read_text(tag.get("value")) for tag in map(read_object, tags) if read_text(tag.get("key")) == "Name")
    return next(names, None)


def extract_image_id(record: Record) -> str | None:
    """Return the image of the first instance in the response; without instances there, that of the request."""
    instances = read_path(record, "responseElements.instancesSet.items")
    if instances is not None:
        return read_text(read_object(next(iter(read_list(instances)), None)).get("imageId"))
    found = (read_text(read_path(record, path)) for path in _IMAGES_IN_REQUESTS)
    return next((image for image in found if image is not None), None)
