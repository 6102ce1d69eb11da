"""`python -m tests.histories FIRST LAST`: histories of many seeds, one line each, for a look by hand."""

import contextlib
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path

from stream.cli import app
from tests.histories.journey import travel
from tests.histories.kinds import drawn
from tests.support.commands import Result


def narrows(*arguments: str) -> Result:
    """Runs a command in this process; a traceback goes up."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["narrows", *arguments]
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app.main()
        except SystemExit as ended:
            code = ended.code or 0
    return Result(int(str(code)), out.getvalue(), err.getvalue())


def main() -> None:
    """Draws each seed of the range, and says how its journey ended."""
    first, last = map(int, sys.argv[1:3])
    faults = 0
    for seed in range(first, last):
        kind = drawn(seed)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                ended = travel(kind, Path(folder), narrows) or "done"
            except Exception as error:
                faults += 1
                at = traceback.extract_tb(error.__traceback__)[-1]
                ended = f"FAULT {type(error).__name__} at {at.filename}:{at.lineno}: {str(error)[:1500]}\n  {kind}"
            os.chdir("/")
        sys.stdout.write(f"{seed}: {ended}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{faults} faults in {last - first} histories\n")


if __name__ == "__main__":
    main()
