"""Turns botocore's exceptions into AwsError: what was asked, about what, and what a person should look at."""

import urllib3.exceptions
from botocore import exceptions

from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_spec.conditions import Reason

_REASONS = {
    Reason.QUEUE_NOT_FOUND: {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"},
    Reason.BUCKET_NOT_FOUND: {"NoSuchBucket"},
    Reason.OBJECT_NOT_FOUND: {"NoSuchKey", "404"},
    Reason.CREDENTIALS_REJECTED: {
        "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
        "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidToken",
        "MissingAuthenticationToken", "InvalidIdentityToken", "IDPRejectedClaim", "AuthFailure", "IncompleteSignature",
    },
    Reason.THROTTLED: {
        "Throttling", "ThrottlingException", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException",
        "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "OverLimit", "AWS.SimpleQueueService.OverLimit",
    },
    Reason.ACCESS_DENIED: {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403", "AuthorizationError"},
}  # fmt: skip
_BY_CODE = {code: reason for reason, codes in _REASONS.items() for code in codes}
_RECEIPT_CODES = {
    "ReceiptHandleIsInvalid",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
}
_CREDENTIAL_ERRORS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ConfigNotFound,
    exceptions.ProfileNotFound,
    exceptions.InvalidConfigError,
    exceptions.TokenRetrievalError,
)
_CONNECTION_ERRORS = (
    exceptions.HTTPClientError,
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    # A body is read past botocore.
    urllib3.exceptions.HTTPError,
)


def translate(error: Exception, *, action: str, resource: str) -> AwsError:
    """Build our exception for a failed call of `action` on `resource`."""
    if isinstance(error, exceptions.ClientError):
        return _translate_answer(error, action, resource)
    code, reason = type(error).__name__, Reason.AWS_ERROR
    if isinstance(error, exceptions.NoCredentialsError):
        code = "NoCredentials"
    if isinstance(error, _CREDENTIAL_ERRORS):
        reason = Reason.CREDENTIALS_REJECTED
    elif isinstance(error, _CONNECTION_ERRORS):
        reason = Reason.ENDPOINT_UNREACHABLE
    return AwsError(action=action, code=code, resource=resource, reason=reason, message=_tidy(str(error)))


def translate_credentials_error(error: Exception, action: str, resource: str) -> AwsError:
    """Build our exception for credentials that could not be had: whatever was answered, they are missing.

    Only an endpoint that does not answer, or asks to slow down, says nothing about them.
    """
    if isinstance(error, exceptions.ClientError):
        action = f"sts:{error.operation_name}"
    failure = translate(error, action=action, resource=resource)
    if failure.reason not in {Reason.ENDPOINT_UNREACHABLE, Reason.THROTTLED}:
        failure.reason = Reason.CREDENTIALS_REJECTED
    return failure


def _translate_answer(error: exceptions.ClientError, action: str, resource: str) -> AwsError:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "Unknown")), _tidy(str(details.get("Message", "")))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _RECEIPT_CODES and action in {"sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}:
        return ReceiptLostError(action=action, code=code, resource=resource, reason=Reason.AWS_ERROR, message=message)
    reason = _classify(code, message, status)
    return AwsError(action=action, code=code, resource=resource, reason=reason, message=message)


def _classify(code: str, message: str, status: int | None) -> Reason:
    reason = _BY_CODE.get(code)
    if code.lower().startswith("kms") or (reason is Reason.ACCESS_DENIED and "kms:" in message.lower()):
        return Reason.KMS_ACCESS_DENIED
    if reason is None:
        return Reason.ACCESS_DENIED if status == 403 else Reason.AWS_ERROR
    return reason


def _tidy(message: str) -> str:
    return " ".join(message.split()).rstrip(".") or "no message"
