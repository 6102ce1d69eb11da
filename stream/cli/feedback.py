"""`narrows feedback`: what people say of alerts."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stream.cli.options import AsJson, ConfigFile, Overrides, print_json, settings_from

GIVE = "give"


class Said(StrEnum):
    """The verdicts."""

    CONFIRMED = "confirmed"
    FALSE = "false"
    MAINTENANCE = "maintenance"


class _Direct(TyperGroup):
    """`narrows feedback ALERT_ID VERDICT` is `narrows feedback give ALERT_ID VERDICT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer brings a click of its own
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, [GIVE, *args] if args and not named else args)


feedback_app = typer.Typer(
    cls=_Direct,
    help="What people say of alerts: narrows feedback ALERT_ID VERDICT; narrows feedback report.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FeedbackFrom = Annotated[
    str | None,
    typer.Option(
        "--feedback", metavar="FILE", help="What was said of alerts: JSON lines, .csv or .parquet; or `topic`."
    ),
]
AlertsFrom = Annotated[
    str | None,
    typer.Option(
        "--alerts", metavar="FILE", help="The alerts it is about: JSON lines as of `narrows replay`; or `topic`."
    ),
]


@feedback_app.command(GIVE)
def give(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert's `alert_id`.")],
    verdict: Annotated[Said, typer.Argument(metavar="VERDICT", help="confirmed, false or maintenance.")],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None,
    by: Annotated[str | None, typer.Option(metavar="TEXT", help="Who says so.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add it to this file of JSON lines instead of the topic.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say of an alert that it was right (confirmed), wrong (false), or somebody at work (maintenance).

    The verdict goes to the topic `kafka.feedback`, or to a file. The last one by time holds.
    """
    from datetime import UTC, datetime

    import msgspec

    from stream.events.feedback import Feedback
    from stream.events.record import encode

    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"alert_id": alert_id, "verdict": verdict.value, "at": at, "by": by, "note": note}
    entry = msgspec.convert(said, Feedback)
    settings = settings_from(config, overrides)
    if file is not None:
        from stream.events.event_files import append

        append(file, entry)
    else:
        from stream.kafka.topic_reader import add

        add(settings.kafka.connection(), settings.topics.feedback, alert_id.encode(), encode(entry))
    if as_json:
        print_json(msgspec.to_builtins(entry))
    else:
        print(f"{alert_id}: {verdict.value}, written to {file or f'topic {settings.topics.feedback}'}")
