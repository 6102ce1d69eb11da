"""Runs commands of `narrows` in the process of a test."""

import json
import sys
from typing import Any, NamedTuple, Protocol

import pytest

from stream.cli import app


class Result(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class Narrows(Protocol):
    """Runs `narrows` with these arguments."""

    def __call__(self, *arguments: str) -> Result: ...


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> Narrows:
    """Makes a function that runs `narrows` through its entry point; `more` follows the arguments of each call."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["narrows", *arguments, *more])
        with pytest.raises(SystemExit, match=r"^\d*$|None") as ended:
            app.main()
        return Result(int(ended.value.code or 0), *capsys.readouterr())

    return run
