"""Format Falco: a record → one flat JSON object with the fields of Falco's CloudTrail plugin that have a value.

`{"eventID":"x","eventName":"GetObject",…}` becomes `{"ct.id":"x","ct.name":"GetObject",…,"s3.cnt.get":1}`.
"""

import msgspec

from cloudtrail_collector.core.falco import extract_all
from cloudtrail_collector.core.formats import FormatError, FormatEvent, Place
from cloudtrail_collector.core.formats.document import decode_record

_encode = msgspec.json.Encoder().encode


def build_falco() -> FormatEvent:
    """Build what writes records as Falco's fields."""

    def format_falco(record: bytes, _place: Place) -> bytes:
        try:
            return _encode(extract_all(decode_record(record)))
        except RecursionError as error:
            raise FormatError("the record is nested too deeply") from error

    return format_falco
