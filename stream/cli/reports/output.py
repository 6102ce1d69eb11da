"""Output that all commands share: JSON or a report on stdout, the next commands on stderr. Imports nothing heavy."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeVar

from stream.messages import say, warn

if TYPE_CHECKING:
    from stream.registry.manifest import Manifest
    from stream.settings import Settings

T = TypeVar("T")
# What `--set` gives to these sections acts in training only: the next command does not need it.
ACT_ONCE = ("train.", "model.", "threshold.", "rules.", "recalibrate.")
# What a command about versions reads of the settings.
OF_VERSIONS = ("registry", "detector", "bundle")


@dataclass(frozen=True)
class NextCommands:
    """Prints the commands that usually follow, on stderr, with the configuration that this command was given.

    Attributes:
        config: the file of `--config`; None: not given.
        overrides: of `--set`; those that the command does not read are not repeated.
    """

    config: Path | None = None
    overrides: Sequence[str] | None = ()

    def show(self, *commands: Sequence[str | Path]) -> None:
        """Prints each command, given by its words, on a line that can be copied."""
        for words in commands:
            say(f"next: {self.line(*words)}")

    def line(self, *words: str | Path) -> str:
        """A command of `narrows` with its configuration, as for a shell."""
        kept = [one for one in self.overrides or () if not one.startswith(ACT_ONCE)]
        if words[0] == "models":
            kept = [one for one in kept if one.startswith(OF_VERSIONS)]
        named = [] if self.config is None else ["-c", str(self.config)]
        return shlex.join(["narrows", *map(str, words), *named, *(word for one in kept for word in ("--set", one))])

    def use(self, settings: "Settings", version: str, compared: bool = False) -> None:
        """Prints how a version that was tried comes into use: it runs, or it is promoted first.

        Args:
            compared: its alerts were compared with those of another version; if not, that comes before a promotion.
        """
        from stream.registry.registry import PRODUCTION, Registry

        registry, detector = Registry(settings.registry), settings.detector
        production = registry.alias(detector, PRODUCTION)
        if version == production:
            self.show(("run",))
        elif registry.has(detector, version):
            if production is not None and not compared:
                self.compare(version)
            else:
                self.show(("models", "promote", version))

    def compare(self, version: str = "candidate") -> None:
        """Prints what to do with a version beside a `production`: compare their alerts, then promote it."""
        replayed = ("replay", "--data", "newer.parquet", "--bundle", version, "--against", "production")
        self.show(replayed, ("models", "promote", version))


@contextmanager
def showing(done: str) -> Iterator[None]:
    """Guards what a command shows after its work is done: if that fails, it is one warning, and no failure.

    Args:
        done: the work, as in "the bundle is published".
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        warn(f"{done}; nobody read what was to be shown of it")
    except Exception as error:
        at = extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {error}"
        warn(f"{done}, but it cannot be shown ({reason}); report this, and use --json or `narrows models show`")


def discard_stdout() -> None:
    """Sends stdout nowhere: its reader is gone, and the end of the process would fail on what is not written yet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def print_result(result: T, as_json: bool, show: Callable[[T], None]) -> None:
    """Prints a result as JSON, or calls `show` to print it for people."""
    if as_json:
        print_json(result)
    else:
        show(result)


def print_json(data: object) -> None:
    """Prints one JSON document on stdout."""
    _write_json(data, 2)


def print_json_line(data: object) -> None:
    """Prints one JSON document on one line of stdout."""
    _write_json(data, None)


def conclude_child(child: "Manifest | None", following: NextCommands) -> None:
    """Prints the next commands for a child that was published; None: none was.

    Raises:
        GateError: the gate refused the weights of the child.
    """
    if child is not None:
        remedy = (
            'nothing points to it: train again, or let it pass with `narrows models promote --force --reason "..."`'
        )
        child.metrics.gate.require(child.version, remedy)
        following.compare()


def _write_json(data: object, indent: int | None) -> None:
    import msgspec

    sys.stdout.write(f"{json.dumps(data, indent=indent, ensure_ascii=False, default=msgspec.to_builtins)}\n")
