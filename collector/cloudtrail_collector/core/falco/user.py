"""Who called: the identity of a record → the names and the account that Falco's rules speak of."""

from cloudtrail_collector.core.falco.values import Record, read_object, read_path, read_text

_NAMED_BY = {"Root": "userName", "IAMUser": "userName", "AWSService": "invokedBy"}
_NAMED_BY_TYPE = ("AWSAccount", "FederatedUser")


def extract_user(record: Record) -> str | None:
    """Return the user's, role's or service's name; None for identity types that Falco does not know."""
    identity = read_object(record.get("userIdentity"))
    kind = read_text(identity.get("type"))
    if kind == "AssumedRole":
        issuer = read_text(read_path(identity, "sessionContext.sessionIssuer.userName"))
        return kind if issuer is None else issuer
    if kind in _NAMED_BY_TYPE:
        return kind
    return read_text(identity.get(_NAMED_BY[kind])) if kind in _NAMED_BY else None


def extract_original_user(record: Record) -> str | None:
    """Return the session name of an assumed role, the user name of everybody else."""
    identity = read_object(record.get("userIdentity"))
    if read_text(identity.get("type")) != "AssumedRole":
        return read_text(identity.get("userName"))
    for member, separator, count in (("arn", "/", 3), ("principalId", ":", 2)):
        parts = (read_text(identity.get(member)) or "").split(separator)
        if len(parts) == count:
            return parts[-1]
    return None


def extract_account_id(record: Record) -> str | None:
    """Return the caller's account, else the one that received the event."""
    account = read_text(read_path(record, "userIdentity.accountId"))
    return read_text(record.get("recipientAccountId")) if account is None else account
