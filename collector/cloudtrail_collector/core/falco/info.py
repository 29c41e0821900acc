"""ct.info: one line about a record, and whether it read or wrote, which the line shows."""

from cloudtrail_collector.core.falco.resources import build_byte_count, extract_uri
from cloudtrail_collector.core.falco.user import extract_user
from cloudtrail_collector.core.falco.values import Record, read_path, read_text

# First words of calls that change something.
_CHANGING = (
    *("Activate", "Add", "Admin", "Assign", "Associate", "Attach", "Cancel", "Close", "Create", "Delete", "Deregister"),
    *("Destroy", "Detach", "Disable", "Disassociate", "Enable", "Initialize", "Modify", "Open", "Purchase", "Put"),
    *("Reboot", "Register", "Remove", "Run", "Set", "Start", "Stop", "Suspend", "Terminate", "Unassign", "Unlink"),
    *("Update", "Upgrade", "Wipe"),
)
_ACCESS_BLOCK = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_OBJECTS = (("Bucket", "bucketName"), ("Key", "key"), ("Host", "Host"))
_count_bytes = build_byte_count("bytesTransferredIn", "bytesTransferredOut")


def extract_read_only(record: Record) -> str | None:
    """Return true or false; told by the call's name where the record does not say."""
    said = read_text(record.get("readOnly"))
    name = read_text(record.get("eventName"))
    if said is not None or name is None:
        return said
    return "false" if name.startswith(_CHANGING) else "true"


def extract_info(record: Record) -> str:
    """Return who did what from where, with ! for a failure, an arrow for reading or writing, and the object."""
    user, address = extract_user(record), read_text(record.get("sourceIPAddress"))
    name = read_text(record.get("eventName"))
    for member, value in (("userIdentity", user), ("sourceIPAddress", address), ("eventName", name)):
        if value is None:
            return f"<invalid cloudtrail event: {member} field missing>"
    failed = "" if read_text(record.get("errorCode")) is None else "!"
    arrow = "→" if extract_read_only(record) == "false" else "←"
    who = f"{user}" if user == address else f"{user} via {address}"
    return f"{who} {failed}{arrow} {name}{_describe_object(record, name)}"


def _describe_object(record: Record, name: str | None) -> str:
    if name == "PutBucketPublicAccessBlock":
        return _describe_access_block(record)
    count = _count_bytes(record)
    size = "" if count is None else f" Size={count}"
    uri = extract_uri(record)
    if uri is not None:
        return f"{size} URI={uri}"
    for word, member in _OBJECTS:
        value = read_text(read_path(record, f"requestParameters.{member}"))
        if value is not None:
            return f"{size} {word}={value}"
    return size


def _describe_access_block(record: Record) -> str:
    block = read_path(record, "requestParameters.PublicAccessBlockConfiguration")
    if not isinstance(block, dict):
        return ""
    return "".join(f" {member}={read_text(block.get(member)) or 'false'}" for member in _ACCESS_BLOCK)
