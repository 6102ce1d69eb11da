"""Moments on the command line: an ISO 8601 time, or a duration before or after now."""

import time
from typing import Annotated

import typer

from stream.errors import ConfigError

Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Written since then: a duration before now, such as 2h, or an ISO 8601 time."),
]


def time_ns(option: str, given: str, now: int, *, after: bool) -> int:
    """The time in ns since 1970 that an option names.

    Args:
        option: its name, for the error text.
        now: ns since 1970; a duration counts from there.
        after: a duration leads to a time after `now`; False: to one before.

    Raises:
        ConfigError: it is neither a duration nor a time.
    """
    from stream.settings.quantities import DURATION_HELP, INSTANT_HELP, parse_duration, parse_instant

    sign = 1 if after else -1
    for parse in (lambda text: now + sign * parse_duration(text), parse_instant):
        try:
            return parse(given)
        except ValueError:
            continue
    raise ConfigError(f"{option} {given!r}: expected {DURATION_HELP}, or {INSTANT_HELP}")


def since_ns(given: str | None) -> int | None:
    """The time in ns since 1970 that `--since` names; None where it is not given.

    Raises:
        ConfigError: it is neither a duration nor a time.
    """
    return None if given is None else time_ns("--since", given, time.time_ns(), after=False)
