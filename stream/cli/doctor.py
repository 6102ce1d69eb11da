"""`narrows doctor`: every check there is, on demand.

It changes nothing but what a start would change as well: it aborts the transaction that a dead process left open. The
permission on a transactional id cannot be asked for, only used.
"""

import typer

from stream.cli.options.parameters import (
    AsJson,
    Bundle,
    ConfigFile,
    Overrides,
    settings_from,
    tell_where_settings_come_from,
)
from stream.cli.reports.output import print_json
from stream.messages import tell


def doctor(
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    as_json: AsJson = False,
) -> None:
    """Check configuration, bundle, broker, topics, permissions and progress; say what to do.

    Exit code 1 where something fails, 0 also with warnings.
    """
    from stream.cli.reports.doctor import DoctorReport, as_text, examine
    from stream.kafka.admin.check_result import failures

    tell_where_settings_come_from(config, overrides)
    results = examine(settings_from(config, overrides), bundle)
    if as_json:
        print_json(DoctorReport.of(results))
    else:
        tell(as_text(results), lines=True)
    if failures(results):
        raise typer.Exit(1)
