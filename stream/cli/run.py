"""`narrows run`: the streaming service.

The service joins the consumer group, scores what the topic holds and publishes alerts, each exactly once. SIGTERM and
SIGINT end it: it commits, leaves the group and exits with 0. It exits with 1 where something must be mended first, such
as a missing topic or permission, and with 5 where another process took over its transactional identity.
"""

from typing import Annotated

import typer

from stream.cli.options.parameters import ConfigFile, Overrides, settings_from


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
