"""`narrows topics`: checks the topics of the service, and makes those that are missing."""

from typing import Annotated

import typer

from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_json
from stream.messages import say, warn


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
    findings = checks.startup_checks(options)
    if as_json:
        print_json({"changes": [change._asdict() for change in changes]})
    for topic, before, after in changes:
        made = before == 0
        say(f"made {topic} with {after} partitions" if made else f"{topic}: {before} partitions became {after}")
    for finding in findings:
        if finding.outcome == "warning":
            warn(f"{finding.check}: {finding}")
    refuse(findings)
    say("all topics are there and fit")
    NextCommands(config, overrides).show(("run",))
