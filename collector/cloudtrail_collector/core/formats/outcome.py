"""Says whether the call that a record tells of failed."""

from cloudtrail_collector.core.formats.document import Fields, read_text


def is_failure(fields: Fields, response: Fields) -> bool:
    """Judge by errorCode and errorMessage; a sign-in to the console says it in its answer."""
    if fields.get("eventName") == "ConsoleLogin":
        answer = read_text(response.get("ConsoleLogin"))
        if answer in {"Success", "Failure"}:
            return answer == "Failure"
    return _is_error(read_text(fields.get("errorCode"))) or read_text(fields.get("errorMessage")) is not None


def _is_error(code: str | None) -> bool:
    # Some services write the HTTP status of a success here.
    return code is not None and not (len(code) == 3 and code.isdigit() and code.startswith("2"))
