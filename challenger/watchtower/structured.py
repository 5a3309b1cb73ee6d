"""Log lines that machines read: one JSON object each, or text; the first word of a message is the event's stable name.

Messages are written as `event.name key=value key=value`; the last value may hold blanks.
"""

from __future__ import annotations

import json
import logging
import re
import sys

_FIELD = re.compile(r"(\w+)=(.*?)(?=\s\w+=|$)")


class JsonLines(logging.Formatter):
    """`time` (UTC, ISO 8601), `level`, `event`, and the message's fields as text."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        event, _, rest = record.getMessage().partition(" ")
        head = {"time": self.formatTime(record), "level": record.levelname.lower(), "event": event}
        return json.dumps(head | dict(_FIELD.findall(rest)))


def start_log(kind: str) -> None:
    """Send everything from INFO on to stderr, as `json` or as text."""
    import time

    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonLines() if kind == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
