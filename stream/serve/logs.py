"""Logs: an event and keys, on stderr; JSON lines for machines, colours for people."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stream.messages import printable


def configure(log_format: Literal["auto", "json", "console"], level: Literal["info", "warning"] = "info") -> None:
    """Sends the logs of narrows and of its libraries to stderr; "auto" is console on a terminal, JSON elsewhere."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # JSON escapes control characters by itself.
    shared += [_printable_values] if console else []
    render: Processor = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, render] if not console else [*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Writes a line and its end at once: processes that share a file do not mix their lines.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]))  # fmt: skip
    for name in ("librdkafka", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING)


def _printable_values(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Makes the text of an event safe for a terminal: a name of a series may hold an escape sequence."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}
