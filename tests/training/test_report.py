"""The report of a training run: use of the history with reasons, and results."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from stream.intake.tables.reader import Hints
from stream.settings.data import FrameSettings, MaintenanceSpan
from tests.support.options import changed
from tests.support.small_training import MINUTE, SMALL, a_history, made
from training import report
from training.pipeline import TrainingRun


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture(scope="module")
def trained(pumps: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of that history."""
    return made(tmp_path_factory.mktemp("trained"), pumps)


def test_what_the_run_tells_can_be_read_by_machines_and_by_people(
    trained: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads(msgspec.json.encode(report.facts(trained)))
    assert facts["rows_per_s"] > 1_000
    assert 50 < facts["peak_memory_mb"] < 100_000
    assert facts["data"]["dispositions"] == {
        "used": 3200,
        "late": 0,
        "duplicate": 0,
        "ignored": 0,
        "dead": 0,
        "unconfirmed": 0,
    }
    report.show(trained)
    table = capsys.readouterr().out
    for said in ("3,200 readings, 4 series", "percentile 95: q = ", "candidate, production"):
        assert said in table


def table_of(trained: TrainingRun, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The table's rows by their names."""
    report.show(trained)
    found, name = dict[str, str](), ""
    for line in capsys.readouterr().out.partition("\n\n")[0].splitlines():
        text = line
        if line[:1] != " ":
            name, text = line.split("  ", 1)
        found[name] = f"{found.get(name, '')} {text.strip()}".strip()
    return found


def test_what_was_left_out_is_said_with_its_reasons_and_adds_up(
    pumps: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 frames in maintenance, 240 labelled, 8 of them both, 100 without most sensors, and the purged frames."""
    history = pumps.assign(bad=0)
    time = history["time"].astype("int64")
    span = MaintenanceSpan.model_construct(
        series="pump-02", start=int(time.min()) + 100 * MINUTE, end=int(time.min()) + 400 * MINUTE
    )
    history.loc[history.index[history["series"] == "pump-02"][392:632], "bad"] = 1
    cut = history.index[history["series"] == "pump-04"][200:305]
    history.loc[cut, ["flow", "pressure", "current"]] = np.nan
    again = history.iloc[[5, 6, 7]]
    trained = made(
        tmp_path, pd.concat([history, again]), hints=Hints(label="bad"),
        frames=changed(FrameSettings(), maintenance=(span,)), model=changed(SMALL, members=3),
    )  # fmt: skip
    left_out = {name: trained.parts[name] for name in ("labelled", "off", "degraded", "purged")}
    assert left_out == {"labelled": 240, "off": 292, "degraded": 100, "purged": 96}
    assert sum(trained.parts.values()) == len(pumps)
    facts = report.facts(trained)
    fit_loss, stop_loss = facts.metrics.fit_loss or (), facts.metrics.stop_loss or ()
    assert facts.data.frames == trained.parts
    assert len(set(fit_loss)) == len(set(stop_loss)) == 3
    table = table_of(trained, capsys)
    assert table["left out"] == (
        "readings: 3 late; frames: 240 labelled (or carried from one), 292 off (maintenance, `score_when`), "
        "100 degraded (too many sensors missing), 96 purged (W + M - 1 after each cut)"
    )
    assert table["frames"].startswith("3,200: ")
