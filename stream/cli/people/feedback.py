"""`narrows feedback`: verdicts of people on alerts, given and summed up."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stream.cli.options.parameters import AlertsFrom, AsJson, Bundle, ConfigFile, FeedbackFrom, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_json, print_result, showing
from stream.messages import tell

GIVE = "give"


class VerdictName(StrEnum):
    """The verdicts on the command line."""

    CONFIRMED = "confirmed"
    FALSE = "false"
    MAINTENANCE = "maintenance"


class _GiveByDefault(TyperGroup):
    """Takes `narrows feedback ALERT_ID VERDICT` as `narrows feedback give ALERT_ID VERDICT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer brings a click of its own
        """Puts `give` before arguments that begin with no command."""
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, [GIVE, *args] if args and not named else args)


feedback_app = typer.Typer(
    cls=_GiveByDefault,
    help="What people say of alerts: narrows feedback ALERT_ID VERDICT; narrows feedback report.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@feedback_app.command(GIVE)
def give(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert's `alert_id`.")],
    verdict: Annotated[VerdictName, typer.Argument(metavar="VERDICT", help="confirmed, false or maintenance.")],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None,
    by: Annotated[str | None, typer.Option(metavar="TEXT", help="Who says so.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add it to this file of JSON lines instead of the topic.")
    ] = None,
    alerts: AlertsFrom = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Also where no alert of this id is known; the alerts are not read.")
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say of an alert that it was right (confirmed), wrong (false), or somebody at work (maintenance).

    The verdict goes to the topic `kafka.feedback`, or to a file. The last one by time holds. Exit code 1 where there is
    no such alert in the topic `kafka.alerts`, or in --alerts.
    """
    from datetime import UTC, datetime

    import msgspec

    from stream.cli.options.feedback_source import require_known
    from stream.events.people.feedback import Feedback
    from stream.events.record import encode

    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"alert_id": alert_id, "verdict": verdict.value, "at": at, "by": by, "note": note}
    entry = msgspec.convert(fields, Feedback)
    settings = settings_from(config, overrides)
    if not unchecked:
        require_known(settings, alert_id, alerts, in_topic=file is None)
    if file is not None:
        from stream.events.event_files import append

        append(file, entry)
    else:
        from stream.kafka.topic_reader import append_record

        append_record(settings.kafka.connection(), settings.topics.feedback, alert_id.encode(), encode(entry))
    where = str(file or f"topic {settings.topics.feedback}")
    with showing(f"the verdict is written to {where}"):
        if as_json:
            print_json(entry)
        else:
            tell(f"{alert_id}: {verdict.value}, written to {where}")
    sources = ["--feedback", str(file or "topic")]
    sources += [] if alerts is None and file is None else ["--alerts", alerts or "alerts.jsonl"]
    following = NextCommands(config, overrides)
    following.show(("feedback", "report", *sources), ("recalibrate", "--data", "newer.parquet", *sources))


@feedback_app.command("report")
def report(
    feedback: FeedbackFrom = None,
    alerts: AlertsFrom = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    as_json: AsJson = False,
) -> None:
    """Show how many alerts of each series were worth it, and what would have spared the false ones.

    What is proposed for the alerts of a bundle is a command line; nothing is changed.
    """
    from stream.cli.options.feedback_source import judgements_from
    from stream.cli.reports.feedback import FeedbackReport, show
    from stream.events.people.precision import precision_report
    from training.revision.suggestions import suggestions_report

    settings = settings_from(config, overrides)
    judgements = judgements_from(settings, feedback, alerts)
    # The options that name the registry; the proposed command lines repeat them.
    given = [] if config is None else ["--config", str(config)]
    for override in overrides or ():
        given += ["--set", override] if override.startswith(("registry=", "detector=")) else []
    suggestions = suggestions_report(judgements, settings.registry, settings.detector, bundle or settings.bundle, given)
    print_result(FeedbackReport.of(precision_report(judgements), suggestions), as_json, show)
