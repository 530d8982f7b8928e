"""One line of JSON for everything worth a line.

In:  log records of this app and of the server under it.
Out: JSON on stderr. Never in it: a photo, the name of a file, a query, a header, an address
     of a caller, a token.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

LOGGER = "waymark.serve"


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"fields": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower()}
        line["event"] = record.getMessage()
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _told(record.exc_info[1])
        return json.dumps(line)


def log_config(log: str) -> dict[str, Any]:
    """Return how uvicorn is to set up logging.

    Args:
        log: as in `Settings`.
    """
    level = "INFO" if log == "json" else "WARNING"
    handler = {"class": "logging.StreamHandler", "formatter": "json"}
    named = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": handler},
        "loggers": {
            LOGGER: named,
            "uvicorn": {**named, "level": "WARNING"},
            "uvicorn.error": {"level": "WARNING" if log == "json" else "ERROR"},
            "uvicorn.access": {"handlers": [], "propagate": False},
            "python_multipart": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }


def _told(error: BaseException) -> dict[str, Any]:
    """Return where an error came from: its kind and the lines of code, not what they held."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {
        "kind": type(error).__name__,
        "at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames],
    }
