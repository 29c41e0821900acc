"""Logs as JSON, one object a line, on standard error. Never the contents of events, never credentials."""

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER_NAME = "cloudtrail_collector"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Render a log record; `fields` given in `extra` become members."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"ts": time, "level": record.levelname.lower(), "message": record.getMessage()}
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def start_logging(level: str) -> None:
    """Send the logs of this process to standard error; libraries speak from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # botocore and urllib3 retry by themselves and warn about each try; what remains is reported by us.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.ERROR)
    logging.getLogger(LOGGER_NAME).setLevel(level.upper())
