"""`narrows dlq`: dead letters counted, shown, and sent to the input topic again."""

from typing import Annotated

import typer

from stream.cli.options.moments import Since, since_ns
from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_json_line, print_result
from stream.messages import say

dlq_app = typer.Typer(
    help="Dead letters, the messages that are no readings: narrows dlq list, show, replay.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Places = Annotated[
    list[str] | None,
    typer.Argument(metavar="PLACE", help="Letters as `list` names them, PARTITION/OFFSET: 0/17, or 0/17-20."),
]
Reasons = Annotated[list[str] | None, typer.Option("--reason", metavar="NAME", help="Of this reason; repeatable.")]


@dlq_app.command("list")
def list_(since: Since = None, config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Count the dead letters by reason and partition, with the newest one of each reason."""
    from stream.cli.look.letters import Choice, letters
    from stream.cli.reports.letters import LetterList, show_list
    from stream.events.letter_view import grouped

    settings, choice = settings_from(config, overrides), Choice(since_ns=since_ns(since))
    topic = settings.topics.dead_letters
    groups = grouped(letter.view for letter in letters(settings.kafka.connection(), topic, choice))
    print_result(LetterList(topic, groups), as_json, show_list)
    if groups and not as_json:
        most = groups[0]
        following = NextCommands(config, overrides)
        following.show(("dlq", "show", most.newest.place), ("dlq", "replay", "--reason", most.reason, "--dry-run"))


@dlq_app.command()
def show(
    places: Places = None,
    reason: Reasons = None,
    since: Since = None,
    count: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 3,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show dead letters whole: why they died, where they came from, their key and their bytes.

    With --json as JSON lines; bytes that are no text are given in base64.
    """
    from heapq import nlargest

    from stream.cli.look.letters import Choice, letters
    from stream.cli.reports.letters import shown_letter, tell_letter
    from stream.errors import DataError

    settings = settings_from(config, overrides)
    choice, topic = Choice.of(places or (), reason or (), since_ns(since)), settings.topics.dead_letters
    found = letters(settings.kafka.connection(), topic, choice)
    newest = list(found) if places else nlargest(count, found, key=lambda letter: letter.record.timestamp_ms)[::-1]
    if not newest:
        if places:
            raise DataError(f"topic {topic!r}: no such dead letter; `narrows dlq list` names those that are there")
        say(f"no dead letters (topic {topic})")
    for letter in newest:
        if as_json:
            print_json_line(shown_letter(letter))
        else:
            tell_letter(letter)


@dlq_app.command()
def replay(
    places: Places = None,
    reason: Reasons = None,
    since: Since = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also messages that were sent again before, and died again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; say what would be sent.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Send messages that died to the input topic again: the same bytes, the same key, the same partition.

    Do so after their cause is mended. Readings behind the newest one of their series are then late: they are counted,
    and not scored. As many in a row as `frames.restart_after` make their series start anew at their time.

    Headers name the origin; a message that dies again is known by them, and left out without --again.
    """
    from stream.cli.look.letters import Choice
    from stream.cli.look.resending import Resending
    from stream.cli.reports.letters import show_resent
    from stream.errors import ConfigError

    settings, choice = settings_from(config, overrides), Choice.of(places or (), reason or (), since_ns(since))
    if choice.is_empty:
        raise ConfigError("dlq replay: sends nothing unless it is told what; give places, --reason or --since")
    result = Resending(settings, choice, again).run(dry_run)
    print_result(result, as_json, show_resent)
    if result.sent and not dry_run and not as_json:
        NextCommands(config, overrides).show(("dlq", "list", "--since", "1m"))
