"""References in texts to what a template creates or is told: made here, replaced by the language that it is written in.

A reference is a name between two NUL characters, which no field of a source can hold: all other text is literal.
"""

import json
import re
from collections.abc import Callable
from typing import Any


def _refer(name: str) -> str:
    return f"\0{name}\0"


PARTITION = _refer("partition")
ACCOUNT = _refer("account")
REGION = _refer("region")
DNS_SUFFIX = _refer("dns_suffix")

BUCKET = _refer("bucket")
QUEUE = _refer("queue")
TRAIL = _refer("trail")
ROLE = _refer("role")
VISIBILITY = _refer("visibility")
MAX_RECEIVES = _refer("max_receives")

QUEUE_ARN = _refer("queue_arn")
DEAD_LETTER_ARN = _refer("dead_letter_arn")
TOPIC_ARN = _refer("topic_arn")
KEY_ARN = _refer("key_arn")
ROLE_ARN = _refer("role_arn")

# By name, where a reference to the resource would be a circle.
BUCKET_ARN = f"arn:{PARTITION}:s3:::{BUCKET}"
NAMED_QUEUE_ARN = f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:{QUEUE}"
NAMED_TOPIC_ARN = f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:{QUEUE}"
NAMED_RULE_ARN = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:rule/{QUEUE}"
NAMED_TRAIL_ARN = f"arn:{PARTITION}:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}"

_REFERENCE = re.compile("\0([a-z_]+)\0")


def has_references(text: str) -> bool:
    """Tell whether anything in a text is to be replaced."""
    return _REFERENCE.search(text) is not None


def find_whole(text: str) -> str | None:
    """Return the name when a text is one reference and nothing else."""
    match = _REFERENCE.fullmatch(text)
    return match[1] if match else None


def replace(text: str, refer: Callable[[str], str], literal: Callable[[str], str]) -> str:
    """Write the references and the text between them in another language."""
    parts = _REFERENCE.split(text)
    return "".join(refer(part) if index % 2 else literal(part) for index, part in enumerate(parts))


def dump_json(value: Any) -> str:
    """Render a value as JSON in which references stay references."""
    return json.dumps(value, ensure_ascii=False).replace("\\u0000", "\0")
