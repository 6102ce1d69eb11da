"""`narrows run`: the streaming service.

The service joins the consumer group, scores the readings of the topic and publishes alerts, each exactly once. On
SIGTERM or SIGINT it commits, leaves the group and ends.

Exit codes:

- 0: it was ended by a signal.
- 1: an error that a retry cannot fix, such as a missing topic or permission.
- 2: the configuration is wrong, or the address of `serve.health` is in use.
- 5: another process took over the transactional identity.
"""

import os
import sys
from typing import Annotated

import typer

from stream.cli.options.parameters import ConfigFile, Overrides, settings_from, tell_where_settings_come_from


def run(
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Annotated[
        str | None, typer.Option(metavar="B", help="Version, alias or folder, instead of the configured.")
    ] = None,
) -> None:
    """Read the topic, score, publish alerts; until SIGTERM."""
    tell_where_settings_come_from(config, overrides)
    from stream.serve.run import run as serve

    serve(settings_from(config, overrides), bundle)
    # Everything is committed and closed. To take torch apart would cost another half second of processor time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
