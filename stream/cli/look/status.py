"""`narrows status`: the fleet from outside, without the service's own health server."""

from stream.cli.options.moments import since_ns
from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_result


def status(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Show who has each partition and how far behind it is, what is open, and which series are not watched.

    It asks the broker alone, from any machine. The exit code is 0, whatever it finds; `narrows doctor` judges.
    """
    from stream.cli.look.alerts import open_incidents
    from stream.cli.look.letters import Choice, letters
    from stream.cli.reports.alerts import worst_first
    from stream.cli.reports.status import FleetReport, newest_heartbeats, show
    from stream.events.letter_view import grouped
    from stream.events.status import standing
    from stream.kafka.admin.cluster import describe_cluster
    from stream.kafka.admin.fleet import partition_statuses
    from stream.kafka.admin.published_checks import STATUS_RECORDS, status_views
    from stream.kafka.topic_sample import newest_records
    from stream.serve.connection import kafka_options

    settings = settings_from(config, overrides)
    options = kafka_options(settings)
    partitions = partition_statuses(describe_cluster(options), options)
    incidents = worst_first(one for one in open_incidents(settings) if one.detector == settings.detector)
    events = newest_records(options.common, options.status, STATUS_RECORDS, committed=True)
    dead = grouped(one.view for one in letters(options.common, options.dead_letters, Choice(since_ns=since_ns("1h"))))
    views = status_views(events, settings.detector)
    beats = newest_heartbeats(views)
    report = FleetReport.of(settings, partitions, incidents, standing(views), dead, beats)
    print_result(report, as_json, show)
    if not as_json:
        following = NextCommands(config, overrides)
        if incidents:
            following.show(("alerts",))
        for series in report.unwatched_series[:1]:
            following.show(("why", series))
        if report.dead_letters:
            following.show(("dlq", "list"))
        if report.unserved or not report.partitions:
            following.show(("doctor",))
