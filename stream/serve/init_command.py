"""`narrows init`: a first configuration, each guess with its reason."""

import sys
from pathlib import Path

from stream.serve.command import print_json
from stream.settings.starter import starter, write


def init_command(from_file: str | None, output: Path, force: bool, as_json: bool) -> None:
    """Writes the file; the guesses go to stdout, as JSON where asked for."""
    guesses = []
    if from_file is not None:
        from stream.serve.guess import guess

        guesses = guess(from_file)
    write(output, starter(guesses), force)
    if as_json:
        print_json([one._asdict() for one in guesses])
    else:
        for one in guesses:
            print(f"{one.path} = {one.value}  ({one.reason})")
    print(f"wrote {output}; read it, then: narrows config check -c {output}", file=sys.stderr)
