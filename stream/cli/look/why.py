"""`narrows why`: the state of one series, as the service has it at its committed offset, and what would change it."""

from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options.parameters import AsJson, Bundle, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_result
from stream.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.events.letter_view import LetterView
    from stream.kafka.client import KafkaOptions
    from stream.kafka.look.series_place import SeriesPlace
    from stream.settings import Settings

# Dead letters that are searched for the series: the newest.
LETTERS = 20_000


def why(
    series: Annotated[str, typer.Argument(metavar="SERIES", help="Name of the asset, as alerts have it.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    as_json: AsJson = False,
) -> None:
    """Show why a series has the score it has, or none: its last verdicts, its readings that were not used, its sensors.

    It reads the snapshot of the series and the readings since, and scores them with the bundle that scored them, as a
    restart would. It needs the registry, and no running service. Exit code 1 where nobody knows the series.
    """
    import torch

    from stream.cli.reports.why import SeriesReport, show
    from stream.kafka.look.rescoring import Rescoring
    from stream.serve.compose import bundle_of, decoder
    from stream.serve.connection import kafka_options
    from stream.serve.logs import configure
    from stream.serve.mutes import MuteTopic, muted

    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    configure(settings.serve.log_format)
    options = kafka_options(settings)
    letters = _letters(options, series)
    place = _place(options, series, settings)
    if place is None:
        raise DataError(_unknown(settings, series, letters))
    version, _, revision = (place.point.bundle or "").partition("~")
    definition, serve = bundle_of(settings, bundle or version or None)[2], settings.serve
    if revision:
        definition = muted(definition, MuteTopic(options).records(), int(revision))
    rescoring = Rescoring(
        options, series, place, definition, decoder(settings, definition), serve.retire_after, serve.unwatched_after
    )
    report = SeriesReport.of(series, place, definition, rescoring, letters)
    if place.snapshot is None and not report.in_memory:
        raise DataError(_unknown(settings, series, letters))
    print_result(report, as_json, show)
    if not as_json:
        following = NextCommands(config, overrides)
        if report.incident is not None:
            following.show(("feedback", report.incident.alert_id, "confirmed"))
        if report.dead_letters:
            following.show(("dlq", "show", report.dead_letters[-1].place))


def _place(options: "KafkaOptions", series: str, settings: "Settings") -> "SeriesPlace | None":
    """The partition that has the series; None where no snapshot and no reading since names it."""
    from stream.kafka.admin.cluster import describe_cluster
    from stream.kafka.admin.progress import known_progress
    from stream.kafka.look.series_place import places_of, with_readings

    cluster = describe_cluster(options)
    readings, progress = known_progress(cluster, options)
    places = places_of(options, series, progress, readings.id)
    if places and places[0].snapshot is not None:
        return places[0]
    return with_readings(options, series, places, settings.input.series)


def _letters(options: "KafkaOptions", series: str) -> "list[LetterView]":
    """The newest dead letters whose key is the series, or whose bytes hold its name."""
    from stream.events.letter_view import letter_view
    from stream.kafka.topic_sample import newest_records

    name = series.encode()
    records = newest_records(options.common, options.dead_letters, LETTERS, committed=True)
    ours = (one for one in records if one.key == name or b'"%s"' % name in (one.value or b""))
    views = (letter_view(f"{one.partition}/{one.offset}", one.timestamp_ms, one.headers) for one in ours)
    return sorted((view for view in views if view is not None), key=lambda view: view.written_at.rstrip("Z"))


def _unknown(settings: "Settings", series: str, letters: "Sequence[LetterView]") -> str:
    """The message that nobody knows a series, with its newest dead letter, if there is one."""
    if letters:
        last = letters[-1]
        return (
            f"series {series!r}: none of its readings was ever used; its {len(letters):,} newest messages died, the "
            f"last as {last.reason}: {last.detail}; `narrows dlq show {last.place}` shows it"
        )
    return (
        f"series {series!r}: no snapshot and no reading of topic {settings.topics.readings!r} names it; see how it is "
        "spelt, and whether `narrows run` has committed anything (`narrows status`)"
    )
