"""The PNG of one pump. Pixels are counted by colour, which is all that shows what a viewer sees."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.intake.columns import Float64s, Int64s
from training.demo.fleet import Fleet, generate
from training.demo.picture import draw
from training.demo.scoreboard import Alert

ALERT_BAR = (0xD5, 0x5E, 0x00)
FAULT_BAR = (0xE6, 0x9F, 0x00)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return generate(pumps=4, history_days=0.05, live_days=0.3)


def pixels(path: Path) -> NDArray[np.uint8]:
    from matplotlib.image import imread

    return np.asarray(imread(path)[:, :, :3] * 255).round().astype(np.uint8)


def columns_of(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Columns where at least six pixels in a column, one above the other, have exactly this colour."""
    exact = (image == np.array(colour, np.uint8)).all(axis=2)
    runs = np.lib.stride_tricks.sliding_window_view(exact, 6, axis=0).all(axis=-1)
    return np.flatnonzero(runs.any(axis=0))


def scored(fleet: Fleet) -> tuple[Int64s, Float64s]:
    times: Int64s = np.unique(fleet.live["time"].astype("int64").to_numpy(np.int64))
    scores: Float64s = np.where(np.arange(len(times)) < 40, np.nan, 0.3)
    return times, scores


def picture(fleet: Fleet, path: Path, alerts: list[Alert], fault: int | None = None) -> NDArray[np.uint8]:
    series = "pump-01" if fault is None else fleet.faults[fault].series
    readings = fleet.live[fleet.live["series"] == series]
    faults = [] if fault is None else [fleet.faults[fault]]
    draw(readings, fleet.units, *scored(fleet), alerts, faults, path, f"{series}: test")
    return pixels(path)


def test_injected_faults_and_alerts_are_bars_at_their_times(fleet: Fleet, tmp_path: Path) -> None:
    """An alert over the second quarter of the time covers about the second quarter of the time axis."""
    times = scored(fleet)[0]
    quarter = int(times[-1] - times[0]) // 4
    alert = Alert("pump-01", int(times[0]) + quarter, int(times[0]) + 2 * quarter)
    image = picture(fleet, tmp_path / "one.png", [alert])
    always = picture(fleet, tmp_path / "all.png", [Alert("pump-01", int(times[0]), None)])
    axis, bar = columns_of(always, ALERT_BAR), columns_of(image, ALERT_BAR)
    assert (bar[0] - axis[0]) / np.ptp(axis) == pytest.approx(0.25, abs=0.01)
    assert (bar[-1] - axis[0]) / np.ptp(axis) == pytest.approx(0.5, abs=0.01)
    assert len(columns_of(image, FAULT_BAR)) == 0


def test_even_a_fault_of_one_reading_can_be_seen(fleet: Fleet, tmp_path: Path) -> None:
    spike = next(at for at, fault in enumerate(fleet.faults) if fault.kind == "spike")
    assert len(columns_of(picture(fleet, tmp_path / "spike.png", [], spike), FAULT_BAR)) >= 3


def test_a_pump_without_any_score_is_drawn_too(fleet: Fleet, tmp_path: Path) -> None:
    readings = fleet.live[fleet.live["series"] == "pump-01"]
    times = scored(fleet)[0]
    for name, until in (("nan.png", len(times)), ("empty.png", 0)):
        draw(readings, fleet.units, times[:until], np.full(until, np.nan), [], [], tmp_path / name)
        assert pixels(tmp_path / name).shape[2] == 3


def test_the_same_input_gives_the_same_file(fleet: Fleet, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        picture(fleet, tmp_path / name, [], 0)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
