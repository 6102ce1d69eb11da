"""The option `--since`: a time, or a duration before now."""

import time
from typing import Annotated

import typer

from stream.errors import ConfigError

Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Written since then: a duration before now, such as 2h, or an ISO 8601 time."),
]


def since_ns(given: str | None) -> int | None:
    """The time in ns since 1970 that `--since` names; None where it is not given.

    Raises:
        ConfigError: it is neither a duration nor a time.
    """
    from stream.settings.quantities import DURATION_HELP, INSTANT_HELP, parse_duration, parse_instant

    if given is None:
        return None
    for parse in (lambda text: time.time_ns() - parse_duration(text), parse_instant):
        try:
            return parse(given)
        except ValueError:
            continue
    raise ConfigError(f"--since {given!r}: expected {DURATION_HELP}, or {INSTANT_HELP}")
