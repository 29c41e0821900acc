"""What the API refuses, in the wording of the real server: exceptions that render as Status objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localcluster.embedded.jsontypes import Json


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding of a validation: the field, and what is wrong with it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def render(self) -> str:
        """The finding as it appears in the summary message."""
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a request was about, for the details of a Status."""

    group: str
    plural: str
    kind: str
    name: str = ""

    @property
    def group_resource(self) -> str:
        """For example deployments.apps."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class ApiError(Exception):
    """A request that is answered with a failure Status."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    def status(self) -> Json:
        """The Status object that a client receives."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def _details(target: Target, **more: object) -> Json:
    details: Json = {"name": target.name, "group": target.group, "kind": target.plural, **more}
    return {key: value for key, value in details.items() if value}


def unknown_path() -> ApiError:
    """No such endpoint."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def not_found(target: Target) -> ApiError:
    """No such object."""
    return ApiError(404, "NotFound", f'{target.group_resource} "{target.name}" not found', _details(target))


def already_exists(target: Target) -> ApiError:
    """An object of that name is there."""
    message = f'{target.group_resource} "{target.name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(target))


def conflict(target: Target, why: str) -> ApiError:
    """The object moved on, or a precondition does not hold."""
    message = f'Operation cannot be fulfilled on {target.group_resource} "{target.name}": {why}'
    return ApiError(409, "Conflict", message, _details(target))


def stale(target: Target) -> ApiError:
    """The resourceVersion sent is not the current one."""
    return conflict(
        target, "the object has been modified; please apply your changes to the latest version and try again"
    )


def forbidden(target: Target, why: str) -> ApiError:
    """Authorization or admission says no."""
    subject = f'{target.group_resource} "{target.name}"' if target.name else target.group_resource
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(target))


def bad_request(message: str) -> ApiError:
    """The request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def method_not_allowed() -> ApiError:
    """The resource has no such verb."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media_type(*accepted: str) -> ApiError:
    """The body has a format that this endpoint does not read."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def unauthorized() -> ApiError:
    """The credentials are unknown."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(version: int, oldest: int) -> ApiError:
    """The resourceVersion is older than what the server remembers."""
    return ApiError(410, "Expired", f"too old resource version: {version} ({oldest})")


def invalid(target: Target, causes: Sequence[Cause]) -> ApiError:
    """Validation failed; names every field and what is wrong."""
    rendered = [cause.render() for cause in causes]
    summary = rendered[0] if len(rendered) == 1 else "[" + ", ".join(rendered) + "]"
    kind = f"{target.kind}.{target.group}" if target.group else target.kind
    details: Json = {
        "name": target.name,
        "group": target.group,
        "kind": target.kind,
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    return ApiError(422, "Invalid", f'{kind} "{target.name}" is invalid: {summary}', details)
