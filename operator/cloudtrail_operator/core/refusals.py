"""What an answer to an applied manifest means: a defect of the manifest, or something that passes."""

_NOT_AS_IT_IS = frozenset({400, 413, 422})
_DENIED = "denied the request"  # how admission webhooks and policies begin their refusals, whatever their code


def is_rejection(status: int, message: str) -> bool:
    """Say whether the API server, or an admission rule, will never take this manifest as it is."""
    if not 400 <= status < 500:
        return False
    if status in _NOT_AS_IT_IS or _DENIED in message:
        return True
    return status == 403 and not (_lacks_permission(message) or _namespace_goes(message))


def _lacks_permission(message: str) -> bool:
    """RBAC says: User "…" cannot patch resource "…" in API group "…"."""
    return 'User "' in message and " cannot " in message


def _namespace_goes(message: str) -> bool:
    return "because it is being terminated" in message
