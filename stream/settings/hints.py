"""The columns of Parquet data that the configuration names."""

from stream.intake.layout import Hints
from stream.settings.tree import Settings


def hints(settings: Settings) -> Hints:
    """What is not named stays None, to be found in the data."""
    given = settings.input
    return Hints(
        time=given.time,
        series=given.series or None,
        sensors=tuple(given.sensors) or None,
        label=given.label,
        sensor=given.sensor,
        value=given.value,
        exclude=given.exclude,
    )
