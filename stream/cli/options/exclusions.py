"""Spans of time that a recalibration leaves out: those listed in a file, and those of alerts that were right."""

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from stream.errors import ConfigError
from stream.events.people.feedback import Judgements
from stream.settings.data import MaintenanceSpan
from stream.settings.layers import parse_yaml
from training.data.spans import Span


def spans_in_file(file: Path) -> tuple[Span, ...]:
    """Reads spans from YAML or JSON, a list of {series, start, end} as in `frames.maintenance`.

    Raises:
        ConfigError: the file is absent, or it holds something else.
    """
    try:
        spans = TypeAdapter(tuple[MaintenanceSpan, ...]).validate_python(parse_yaml(file.read_bytes()) or ())
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(
            f"--exclude {file}: {_fault(error)}; expected a list of spans, such as "
            "`- {series: pump-01, start: 2026-03-01T08:00:00Z, end: 2026-03-01T09:00:00Z}`"
        ) from error
    return tuple(Span(span.series, span.start, span.end) for span in spans)


def spans_not_normal(judgements: Judgements) -> tuple[Span, ...]:
    """Spans of alerts that were confirmed or due to maintenance."""
    return tuple(Span.of(judged) for judged in judgements.spans() if judged.verdict != "false")


def _fault(error: Exception) -> str:
    """The first fault in a list of spans, on one line; entries count from 1."""
    if isinstance(error, OSError):
        return str(error.strerror)
    if not isinstance(error, ValidationError):
        return "not YAML; check indentation, quotes and colons"
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return "not a list"
    number, *path = first["loc"]
    message = first["msg"].removeprefix("Value error, ")
    return ": ".join([f"entry {int(number) + 1}", *map(str, path), f"{message}, got {first['input']!r}"])
