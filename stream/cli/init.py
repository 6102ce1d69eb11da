"""`narrows init`: a first configuration, guessed from data."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import DEFAULT_CONFIG, AsJson
from stream.cli.reports.output import NextCommands, print_json
from stream.messages import say, tell


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
        from stream.cli.options.guess import guess

        guesses = guess(from_file)
    write(output, starter(guesses), force)
    if as_json:
        print_json([one._asdict() for one in guesses])
    else:
        for one in guesses:
            tell(f"{one.path} = {one.value}  ({one.reason})")
    say(f"wrote {output}; read it, then go on")
    following = NextCommands(output)
    following.show(("config", "check"), ("train", "--data", from_file or "readings.parquet"))
