"""The command line: exit codes, what goes to stdout and to stderr, and what a quick command must not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stream.cli import config as config_command
from stream.errors import FencedError, NarrowsError
from tests.conftest import ROOT
from tests.support.commands import Narrows, in_process

HEAVY = ("torch", "pandas", "pyarrow", "sklearn", "numpy", "confluent_kafka", "matplotlib", "rich", "training")


@pytest.fixture
def narrows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Narrows:
    """Runs the command in an empty folder, through the entry point that the script has."""
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["config", "check"], ["config", "show"], ["init"]])
def test_a_quick_command_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    script = (
        "import sys, stream.cli.app as cli\n"
        f"sys.argv = ['narrows', *{arguments!r}]\n"
        "try:\n    cli.main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & set(HEAVY)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("command", [[], ["config"]])
def test_no_command_prints_the_help_and_is_a_usage_error(narrows: Narrows, command: list[str]) -> None:
    result = narrows(*command)
    assert result.code == 2
    assert "Usage: narrows" in result.out + result.err


@pytest.mark.parametrize("arguments", [["nonesuch"], ["config", "check", "--colour"], ["config", "check", "-c"]])
def test_a_usage_error_ends_with_2_and_says_why_on_stderr(narrows: Narrows, arguments: list[str]) -> None:
    result = narrows(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Error" in result.err


def test_a_sound_configuration_is_checked_in_one_line(narrows: Narrows, tmp_path: Path) -> None:
    assert narrows("config", "check") == (0, "defaults: no faults\n", "")
    (tmp_path / "narrows.yaml").write_text("detector: pumps\n")
    assert narrows("config", "check") == (0, "narrows.yaml: no faults\n", "")
    (tmp_path / "other.yaml").write_text("")
    assert json.loads(narrows("config", "check", "-c", "other.yaml", "--json").out) == {
        "file": "other.yaml",
        "faults": [],
        "not_in_force": [],
    }


def test_a_faulty_configuration_ends_with_2_and_every_fault_on_stderr(narrows: Narrows, tmp_path: Path) -> None:
    (tmp_path / "narrows.yaml").write_text("model: {kind: deep}\n")
    code, out, err = narrows("config", "check", "--set", "model.window=0", "--set", "serve.poll=soon")
    assert (code, out) == (2, "")
    assert err.startswith("narrows: configuration: 3 faults\n")
    assert all(path in err for path in ("model.kind: got 'deep'", "model.window: got '0'", "serve.poll: got 'soon'"))


def test_the_faults_can_be_had_as_json(narrows: Narrows) -> None:
    code, out, err = narrows("config", "check", "--set", "model.kind=deep", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["faults"] == [
        "model.kind: got 'deep', expected one of dense, conv, variational, linear (--set model.kind)"
    ]


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_file_named_but_not_there_is_an_error(narrows: Narrows, command: str) -> None:
    code, out, err = narrows("config", command, "--config", "nowhere.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("narrows: nowhere.yaml: No such file")


def test_show_prints_the_values_in_force_and_masks_secrets(narrows: Narrows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARROWS_KAFKA__PASSWORD", "hunter2")
    as_text = narrows("config", "show", "--set", "detector=pumps")
    as_data = narrows("config", "show", "--set", "detector=pumps", "--json")
    assert yaml.safe_load(as_text.out) == json.loads(as_data.out)
    assert json.loads(as_data.out)["detector"] == "pumps"
    assert "hunter2" not in as_text.out + as_data.out + as_text.err + as_data.err


def test_the_table_and_the_schema_are_printed(narrows: Narrows) -> None:
    assert "| `model.window` | integer >= 1, <= 4096 or null | `null` |" in narrows("config", "table").out
    assert {"path", "type", "default", "acts", "effect"} == set(json.loads(narrows("config", "table", "--json").out)[0])
    assert json.loads(narrows("config", "schema").out)["properties"]["detector"]["default"] == "detector"


def test_the_former_name_calibrate_runs_recalibrate_and_says_so_on_stderr(narrows: Narrows) -> None:
    present, former = narrows("recalibrate"), narrows("calibrate")
    assert (present.code, present.out, present.err) == (2, "", "narrows: recalibrate: give either --data or --scores\n")
    assert former == (2, "", "narrows: `calibrate` is now called `recalibrate`\n" + present.err)
    listed = narrows("--help").out
    assert "recalibrate" in listed
    assert " calibrate " not in listed


class TwinError(NarrowsError):
    """An error with an exit code of its own."""

    exit_code = 4


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NarrowsError("no"), 1, "narrows: no\n"),
        (FencedError("a twin runs"), 5, "narrows: a twin runs\n"),
        (TwinError("refused"), 4, "narrows: refused\n"),
        (
            PermissionError(13, "no", "a/b"),
            1,
            "narrows: [Errno 13] no: 'a/b'; check the path, its permissions and the space that is left\n",
        ),
        (
            MemoryError("Unable to allocate 9.3 GiB"),
            1,
            "narrows: out of memory (Unable to allocate 9.3 GiB); give fewer columns (`input.sensors`, "
            "`input.exclude`), a part of the files (--data with a glob), or more memory\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_command_raises_decides_the_exit_code(
    narrows: Narrows, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def faulty(data: object) -> None:
        raise error

    monkeypatch.setattr(config_command, "print_json", faulty)
    assert narrows("config", "schema") == (code, "", message)


def test_run_without_a_configuration_says_so_first(narrows: Narrows, tmp_path: Path) -> None:
    code, _, err = narrows("run")
    first, *others = err.splitlines()
    assert first.startswith(f"warning: no configuration: no narrows.yaml in {tmp_path}")
    assert (code, bool(others)) == (1, True)
