"""Why a log file as a whole cannot be read: the closed set, and the exception that carries it."""

from enum import StrEnum


class RejectReason(StrEnum):
    """What is wrong with a log file."""

    TOO_LARGE = "too_large"
    CORRUPT = "corrupt"
    NOT_A_LOG_FILE = "not_a_log_file"
    ALTERED = "altered"


class LogFileRejectedError(ValueError):
    """The file cannot be taken apart."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
