"""`narrows init`: a first configuration, guessed from a history, from a topic, or from both."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import DEFAULT_CONFIG, AsJson, ConfigFile, Overrides
from stream.cli.reports.output import NextCommands, print_json, showing
from stream.messages import say, tell, warn


def init(
    from_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Parquet or CSV file, folder or glob to guess from.")
    ] = None,
    from_topic: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Topic whose newest messages tell the layout of the stream.")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Broker; other connection settings by --set or --config.")
    ] = None,
    producer: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a program that sends readings of this layout.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")] = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write a first configuration, guessed from a history, from a topic, or from both.

    Each guess stands in the file with its reason. What is set by --set, --config or the environment stays as it is.
    """
    from stream.cli.starting.start import start
    from stream.settings import load
    from stream.settings.starter import check_free, starter, write

    check_free(output, force)
    if producer is not None:
        check_free(producer, force, "--producer")
    given = [*(overrides or ()), *([] if bootstrap is None else [f"kafka.bootstrap={bootstrap}"])]
    started = start(load(config, given), from_file, from_topic)
    program = None if producer is None else started.program(output.name)
    write(output, starter(started.guesses), force)
    if producer is not None and program is not None:
        write(producer, program, force)
    with showing(f"{output} is written"):
        if as_json:
            warned = [{"warning": warning} for warning in started.warnings]
            print_json([*(one._asdict() for one in started.guesses), *warned])
        else:
            for one in started.guesses:
                tell(f"{one.path} = {one.value}  ({one.reason})")
    for warning in started.warnings:
        warn(warning)
    for hint in started.hints:
        say(hint)
    say(f"wrote {output}; read it, then go on")
    following = NextCommands(output)
    following.show(("config", "check"), ("train", "--data", from_file or "readings.parquet", *started.training))
    if producer is not None:
        say(f"wrote {producer}; put your own readings into it, then: {shlex.join(['python', str(producer)])}")
