"""`narrows topics`: are they there, do they fit; and making those that are missing."""

import sys

from stream.kafka import checks
from stream.kafka import topics as kafka_topics
from stream.kafka.finding import refuse
from stream.serve.command import print_json
from stream.serve.connection import kafka_options
from stream.settings import Settings


def topics_command(settings: Settings, create: bool, partitions: int, replication: int, as_json: bool) -> None:
    """Checks on stderr, what was made as well, or on stdout as JSON.

    Args:
        partitions, replication: of an input topic that is made, and of every topic that is.
    """
    options = kafka_options(settings)
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
