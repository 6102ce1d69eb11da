"""The `narrows` command: its commands, and the exit code of each error.

stdout is data, stderr is logs. Exit codes:

- 0: ok.
- 1: failure.
- 2: wrong usage or configuration.
- 4: the gate refused a model, or a recalibration was refused.
- 5: another process took over the transactional identity.
- 130: interrupted.

Command modules import heavy packages in function bodies only, so that `--help` is quick.
"""

import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from stream.cli.config import config_app
from stream.cli.demo import demo
from stream.cli.doctor import doctor
from stream.cli.evaluate import evaluate
from stream.cli.init import init
from stream.cli.look.alerts import alerts
from stream.cli.look.dlq import dlq_app
from stream.cli.look.status import status
from stream.cli.look.why import why
from stream.cli.models import models_app
from stream.cli.people.feedback import feedback_app
from stream.cli.people.mute import mute, mutes, unmute
from stream.cli.recalibrate import recalibrate
from stream.cli.replay import replay
from stream.cli.reports.output import discard_stdout
from stream.cli.robustness import robustness
from stream.cli.run import run
from stream.cli.topics import topics
from stream.cli.train import train
from stream.errors import NarrowsError
from stream.messages import accept_any_character, complain, say

LESS_MEMORY = (
    "give fewer columns (`input.sensors`, `input.exclude`), a part of the files (--data with a glob), or more memory"
)
# Former names of commands that are still understood.
RENAMED = {"calibrate": "recalibrate"}


class _Commands(TyperGroup):
    """The commands; a former name runs the command and says its present name on stderr."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - typer brings a click of its own
        """The command of this name; the argument names are click's."""
        present = RENAMED.get(cmd_name, cmd_name)
        if present != cmd_name:
            say(f"narrows: `{cmd_name}` is now called `{present}`")
        return super().get_command(ctx, present)


# Plain help: rich's would take twice the time to start, and does not survive a pipe.
app = typer.Typer(
    cls=_Commands,
    help="Anomalies in sensor streams: Kafka in, a deliberately constrained autoencoder, Kafka out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = (
    demo, init, train, evaluate, recalibrate, replay, robustness, run, topics, doctor, alerts, status, why, mute,
    unmute, mutes,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.add_typer(models_app, name="models")
app.add_typer(feedback_app, name="feedback")
app.add_typer(dlq_app, name="dlq")
app.add_typer(config_app, name="config")


def _out_of_memory(error: BaseException) -> bool:
    """Tells whether memory was the cause; torch raises a plain RuntimeError for it."""
    return isinstance(error, MemoryError) or bool(re.search("can't allocate memory|not enough memory", str(error)))


def main() -> None:
    """Runs the command line of this process; ends the process with the exit code of the error, if one is raised."""
    # Nothing here has plugins; looking for them among all installed packages costs a tenth of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    # Read when torch is first imported: threads that spin while they wait make a busy machine ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    accept_any_character()
    try:
        try:
            app(prog_name="narrows")
        finally:
            sys.stdout.flush()
    except NarrowsError as error:
        complain(f"narrows: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        discard_stdout()
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        say(f"narrows: out of memory{f' ({error})' if str(error) else ''}; {LESS_MEMORY}")
        sys.exit(1)
    except OSError as error:
        say(f"narrows: {error}; check the path, its permissions and the space that is left")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
