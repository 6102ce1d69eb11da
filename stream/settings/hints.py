"""The columns of Parquet data that the configuration names."""

from stream.intake.field_paths import split
from stream.intake.layout import Hints
from stream.settings.tree import Settings


def hints(settings: Settings) -> Hints:
    """What is not named stays None, to be found in the data."""
    given = settings.input
    return Hints(
        time=_column(given.time),
        series=_column(given.series),
        sensors=tuple(given.sensors) or None,
        label=given.label,
        sensor=_column(given.sensor),
        value=_column(given.value),
        exclude=given.exclude,
    )


def _column(path: str | None) -> str | None:
    """The column that holds what a message holds at a path; None where none is named."""
    return ".".join(split(path)) if path else None
