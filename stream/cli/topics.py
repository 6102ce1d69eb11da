"""The commands that one half alone is enough for: those of the service, and `init`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import DEFAULT_CONFIG, AsJson, Bundle, ConfigFile, Overrides, print_json, settings_from


def init(
    from_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Parquet file, folder or glob to guess the settings from.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")] = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a first configuration, guessed from data.

    Each guess stands in the file with its reason.
    """
    from stream.settings.starter import starter, write

    guesses = []
    if from_file is not None:
        from stream.cli.guess import guess

        guesses = guess(from_file)
    write(output, starter(guesses), force)
    if as_json:
        print_json([one._asdict() for one in guesses])
    else:
        for one in guesses:
            print(f"{one.path} = {one.value}  ({one.reason})")
    print(f"wrote {output}; read it, then: narrows config check -c {output}", file=sys.stderr)


def run(
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Annotated[
        str | None, typer.Option(metavar="B", help="Version, alias or folder, instead of the configured.")
    ] = None,
) -> None:
    """Read the topic, score, publish alerts; until SIGTERM."""
    from stream.serve.run import run as serve

    serve(settings_from(config, overrides), bundle)


def topics(
    config: ConfigFile = None,
    overrides: Overrides = None,
    create: Annotated[bool, typer.Option("--create", help="Make the topics that are missing.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="Of an input topic that is made.")] = 4,
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition; 3 in production.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Check that all topics are there and fit; or make them, and give the state topic the partitions it lacks."""
    from stream.kafka.admin import checks
    from stream.kafka.admin import topics as kafka_topics
    from stream.kafka.admin.check_result import refuse
    from stream.serve.connection import kafka_options

    options = kafka_options(settings_from(config, overrides))
    changes = kafka_topics.create(options, partitions, replication) if create else []
    found = checks.findings(options)
    if as_json:
        print_json({"changes": [change._asdict() for change in changes]})
    for topic, before, after in changes:
        done = (
            f"made {topic} with {after} partitions" if before == 0 else f"{topic}: {before} partitions became {after}"
        )
        print(done, file=sys.stderr)
    for finding in found:
        if finding.outcome == "warning":
            print(f"warning: {finding.check}: {finding}", file=sys.stderr)
    refuse(found)
    print("all topics are there and fit", file=sys.stderr)


def doctor(
    config: ConfigFile = None, overrides: Overrides = None, bundle: Bundle = None, as_json: AsJson = False
) -> None:
    """Check configuration, bundle, broker, topics, permissions and progress; say what to do.

    Exit code 1 where something fails, 0 also with warnings.
    """
    from stream.cli.doctor import as_data, as_text, examine
    from stream.kafka.admin.check_result import failures

    found = examine(settings_from(config, overrides), bundle)
    if as_json:
        print_json(as_data(found))
    else:
        print(as_text(found))
    if failures(found):
        raise typer.Exit(1)


def replay(
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="Parquet file, folder or glob: the readings.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    against: Annotated[
        str | None, typer.Option(metavar="B", help="Another version, alias or folder: show how alerts differ from its.")
    ] = None,
    scores: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every verdict here, as Parquet.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send Parquet through the detector; alerts as JSON lines, or as a table on a terminal.

    With --against, through two bundles: which alerts of the other are gone, which are new, which have moved.
    """
    settings = settings_from(config, overrides)
    if against is not None:
        from stream.cli.replay_diff import against_command

        against_command(settings, data, bundle, against, scores, as_json)
    else:
        from stream.cli.replay import replay_command

        replay_command(settings, data, bundle, scores, as_json)
