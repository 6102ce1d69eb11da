"""Training: rows that are used and rows that are not, the bundle in the registry, and failures."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stream.errors import ConfigError, DataError
from stream.intake.tables.reader import Hints
from stream.registry.bundle import calibration_levels, load
from stream.registry.registry import Registry
from stream.replay import layout_for, replay
from stream.settings.data import FrameSettings
from stream.settings.detection import ModelSettings
from tests.support.options import changed, fit_options
from tests.support.small_training import MINUTE, QUICK, QUIET, SMALL, a_history, contents, long_of, made, options
from training import report
from training.calibration.levels import WEEK
from training.calibration.stored_levels import restored_levels
from training.demo import pumps as physics
from training.fitting.fit import Epoch
from training.fitting.members import Progress
from training.pipeline import TrainingRun, train


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture(scope="module")
def trained(pumps: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of that history."""
    return made(tmp_path_factory.mktemp("trained"), pumps)


def with_labels(pumps: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The history with 60 labelled rows in every part of two pumps, the reading after each lacking a sensor."""
    history = pumps.assign(anomaly=0)
    labelled = np.zeros(len(history), np.bool_)
    for name in ("pump-01", "pump-03"):
        own = np.flatnonzero(history["series"] == name)
        for first in (50, 400, 560, 700, 799):
            labelled[own[first : first + 6]] = True
            if first + 6 < len(own):
                history.loc[own[first + 6], "pressure"] = np.nan
    history.loc[labelled, "anomaly"] = 1
    return history, labelled


def test_labelled_rows_teach_nothing(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """Absurd values in labelled rows, and values carried from them, change no weight, scale, threshold or level."""
    history, labelled = with_labels(pumps)
    poisoned = history.copy()
    sensors = list(physics.SENSORS)
    poisoned.loc[labelled, sensors] = np.random.default_rng(0).choice(
        [1e12, -1e12, 0.0], (labelled.sum(), len(sensors))
    )
    hints = Hints(label="anomaly")
    plain = made(tmp_path / "plain", history, hints=hints)
    assert contents(made(tmp_path / "poisoned", poisoned, hints=hints)) == contents(plain)
    data = plain.manifest.data
    carried = 8  # the frame after each run of labelled ones, but those at the end
    assert data.labelled == labelled.sum() + carried
    assert sum(data.frames.values()) == data.readings == len(history)
    assert data.frames["labelled"] == data.labelled


def test_without_the_label_column_named_poison_does_teach(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """The values that the test above leaves out are refused, and have an effect where they are said to be real."""
    history, labelled = with_labels(pumps)
    poisoned = history.drop(columns="anomaly")
    poisoned.loc[labelled, "pressure"] = 1e12
    with pytest.raises(DataError, match=r"`frames.sentinels: \{pressure: \[1000000000000\]\}` to read them as missing"):
        made(tmp_path / "refused", poisoned)
    told = made(tmp_path / "poisoned", poisoned, frames=FrameSettings(sentinels={"pressure": ()}))
    assert contents(told) != contents(made(tmp_path / "plain", history.drop(columns="anomaly")))


def test_the_same_seed_gives_the_same_bundle_and_another_seed_another(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    assert contents(made(tmp_path / "again", pumps)) == contents(trained)
    other = made(tmp_path / "other", pumps, fit_options(QUICK, seed=7))
    assert contents(other)[0] != contents(trained)[0]
    assert (trained.manifest.seeds, other.manifest.seeds) == ((0,), (7,))


def test_the_first_bundle_is_production_and_the_next_only_candidate(pumps: pd.DataFrame, tmp_path: Path) -> None:
    first = made(tmp_path, pumps)
    second = train(options(tmp_path), QUIET, datetime(2040, 1, 1, tzinfo=UTC))
    assert (first.aliases, second.aliases) == (("candidate", "production"), ("candidate",))
    registry = Registry(tmp_path / "registry")
    assert registry.alias("pumps", "production") == first.manifest.version
    assert registry.alias("pumps", "candidate") == second.manifest.version
    assert registry.versions("pumps") == [first.manifest.version, second.manifest.version]
    assert second.manifest.version.startswith("20400101T000000Z-")
    moves = [(move.alias, move.before, move.after, move.action) for move in registry.history("pumps")]
    assert moves == [
        ("candidate", None, first.manifest.version, "train"),
        ("production", None, first.manifest.version, "train"),
        ("candidate", first.manifest.version, second.manifest.version, "train"),
    ]


def test_a_registry_may_be_a_uri_and_the_run_says_where_its_bundle_is(pumps: pd.DataFrame, tmp_path: Path) -> None:
    trained = made(tmp_path, pumps, registry=f"file://{tmp_path}/elsewhere")
    version = trained.manifest.version
    assert trained.place == f"{tmp_path}/elsewhere/pumps/versions/{version}"
    assert Registry(tmp_path / "elsewhere").versions("pumps") == [version]


def test_an_interrupt_while_fitting_leaves_the_registry_as_it_was(pumps: pd.DataFrame, tmp_path: Path) -> None:
    first = made(tmp_path, pumps)
    before = {path: path.read_bytes() for path in (tmp_path / "registry").rglob("*") if path.is_file()}

    def interrupted(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt("Ctrl-C")

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        train(options(tmp_path), Progress(QUIET.stage, interrupted))
    assert {path: path.read_bytes() for path in (tmp_path / "registry").rglob("*") if path.is_file()} == before
    assert Registry(tmp_path / "registry").alias("pumps", "candidate") == first.manifest.version


def test_a_first_training_that_is_interrupted_leaves_no_registry(pumps: pd.DataFrame, tmp_path: Path) -> None:
    def interrupted(name: str, note: str) -> None:
        if name == "calibrate":
            raise KeyboardInterrupt("Ctrl-C")

    pumps.to_parquet(tmp_path / "history.parquet", index=False)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        train(options(tmp_path), Progress(interrupted, QUIET.epoch))
    assert not (tmp_path / "registry").exists()


def test_the_bundle_loads_and_knows_every_series(trained: TrainingRun) -> None:
    manifest, definition = load(trained.folder)
    assert definition.scales.names == ("pump-01", "pump-02", "pump-03", "pump-04", "")
    assert manifest.sensors == physics.SENSORS
    assert manifest.policy.interval_ns == MINUTE
    assert manifest.data.series == 4
    assert manifest.threshold.implied_per_week is not None
    assert manifest.threshold.implied_per_week >= 0
    assert 0 < (manifest.metrics.gate.levels or 0) <= manifest.data.frames["gate"]


def test_a_sensor_counts_in_units_of_what_it_is_usually_off_by_unless_told_otherwise(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """The errors of a view are in units of their own tail either way, and the weights are the same."""
    plain = made(tmp_path, pumps, model=changed(SMALL, standardise=False))
    assert plain.manifest.error_spread == (1.0,) * len(physics.SENSORS)
    assert len(set(trained.manifest.error_spread)) == len(physics.SENSORS)
    assert contents(plain)[0] == contents(trained)[0]
    assert all(0.3 < load(run.folder)[1].thresholds.scale[-1] < 1.0 for run in (trained, plain))
    own, other = (load(run.folder)[1].ensemble for run in (trained, plain))
    np.testing.assert_allclose(other.tails, own.tails * own.error_scales.mean(axis=1), rtol=0.5)


def test_a_short_series_among_others_is_scaled_and_judged_as_the_pool(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """Six rows are too few for a scale of their own; the series is in the tables all the same."""
    short = pumps[pumps["series"] == "pump-02"].head(6).assign(series="pump-new")
    trained = made(tmp_path, pd.concat([pumps, short]))
    _, definition = load(trained.folder)
    new, pool = definition.scales.row("pump-new"), definition.scales.row("")
    assert new != pool
    assert np.array_equal(definition.scales.scale[new], definition.scales.scale[pool])
    assert np.array_equal(definition.scales.mean[new], definition.scales.mean[pool])
    assert definition.thresholds.of("pump-new") == definition.thresholds.of("")


def test_long_history_gives_the_frames_and_the_bundle_that_wide_history_gives(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """Records of one sensor each are joined on ticks without any setting."""
    sensors = tuple(sorted(physics.SENSORS))
    long = made(tmp_path / "long", long_of(pumps))
    # A tick of whole rows closes with the first row after it.
    after = pumps.groupby("series").tail(1).assign(time=lambda rows: rows["time"] + pd.Timedelta(minutes=1))
    rows = pd.concat([pumps, after])[["time", "series", *sensors]]
    wide = made(tmp_path / "wide", rows, frames=FrameSettings(resample="last"))
    assert contents(long) == contents(wide)
    assert (long.manifest.policy.resample, wide.manifest.policy.resample) == ("last", "last")
    assert (long.manifest.policy.close_complete, wide.manifest.policy.close_complete) == (True, False)
    assert long.parts == trained.parts
    assert long.manifest.data.readings == len(sensors) * len(pumps)
    assert long.calibration.weeks == pytest.approx(trained.calibration.weeks), "a frame stands for a tick"


def test_sensors_that_report_in_turn_meet_on_ticks_of_their_own_step(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """Each sensor reports once a minute, 7 s after the one before: the interval is a minute, few are degraded."""
    long = long_of(pumps)
    turn = long["sensor"].rank(method="dense") - 1
    staggered = long.assign(time=long["time"] + pd.to_timedelta(7 * turn, unit="s")).sort_values("time", kind="stable")
    trained = made(tmp_path, staggered)
    assert trained.manifest.policy.interval_ns == MINUTE
    at_once = made(tmp_path / "at once", long)
    assert trained.parts == at_once.parts
    assert contents(trained) == contents(at_once), "a tick's values are the same, whenever in it they came"


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "empty": (lambda h: h.head(0), "without a row; expected history"),
    "no time": (lambda h: h.drop(columns="time"), "no time column; expected one timestamp column"),
    "no sensor": (lambda h: h[["time", "series"]], "no numeric sensors"),
    "too few rows": (lambda h: h.head(60), r"no row is left for .*: 60 usable of 60 rows in 4 series"),
    "too few windows": (lambda h: h.head(200), r"windows of 6 frames to (fit|stop), needed"),
    "one reading": (lambda h: h.head(1), "no series has two readings at different times"),
    "times all null": (
        lambda h: h.assign(time=pd.to_datetime(pd.Series([None] * len(h)), utc=True)),
        "no usable rows, 3200 without a usable time",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_history_that_cannot_be_learned_from_is_refused_with_what_is_wrong(
    pumps: pd.DataFrame, tmp_path: Path, fault: str
) -> None:
    spoil, reason = FAULTS[fault]
    with pytest.raises(DataError, match=reason):
        made(tmp_path, spoil(pumps))
    assert not (tmp_path / "registry").exists()


def test_history_that_is_all_labelled_or_off_is_refused(pumps: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all rows are labelled .*'bad' has 1 in 3,200 rows; .* normal op"):
        made(tmp_path, pumps.assign(bad=1), hints=Hints(label="bad"))
    with pytest.raises(DataError, match=r"outside `score_when: flow < 0`"):
        made(tmp_path, pumps, frames=FrameSettings(score_when="flow < 0"))
    with pytest.raises(ConfigError, match=r"score_when: no sensor 'speed'"):
        made(tmp_path, pumps, frames=FrameSettings(score_when="speed > 0"))


def test_frames_that_are_off_are_in_no_part(pumps: pd.DataFrame, tmp_path: Path) -> None:
    middle = float(pumps["flow"].median())
    off = int((pumps["flow"] <= middle).sum())
    trained = made(
        tmp_path, pumps, frames=FrameSettings(score_when=f"flow > {middle}"), model=ModelSettings(window=2, smoothing=1)
    )
    assert trained.parts["off"] == off
    assert load(trained.folder)[1].policy.score_when == f"flow > {middle}"


def test_the_bundle_keeps_the_levels_that_its_threshold_was_computed_of(trained: TrainingRun) -> None:
    manifest, definition = load(trained.folder)
    kept = calibration_levels(trained.folder)
    levels = restored_levels(kept, definition.thresholds, 6 + 3, trained.calibration.weeks)
    assert manifest.threshold.weeks == trained.calibration.weeks
    assert len(levels) == manifest.data.frames["calibrate"] == round(trained.calibration.weeks * WEEK / MINUTE)
    assert (levels.level > manifest.threshold_q).mean() == trained.calibration.share_above
    assert kept["time"].drop_null().to_pandas().between(manifest.data.start, manifest.data.end).all()


@pytest.mark.parametrize(
    "model",
    [
        ModelSettings(kind="dense", window=1, smoothing=1, hidden=5, latent=2, loss="huber"),
        ModelSettings(
            kind="conv", window=6, smoothing=3, hidden=8, latent=3, members=2, error_span="newest", discriminator=True
        ),
        ModelSettings(kind="variational", window=6, smoothing=3, latent=3, members=3, error_span="window"),
        ModelSettings(kind="linear", window=6, smoothing=3, latent=3, standardise=False, discriminator=True),
    ],
    ids=lambda model: model.kind,
)
def test_a_bundle_of_each_kind_is_made_loaded_and_replayed(
    pumps: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: ModelSettings
) -> None:
    """Its own history scores as its threshold promises, and a pump far from normal raises an alert."""
    trained = made(tmp_path, pumps, fit_options(QUICK, max_epochs=8, anneal=3), model=model)
    manifest, definition = load(trained.folder)
    assert manifest.model.kind == model.kind
    assert manifest.model.loss == model.loss
    assert (manifest.model.discriminator > 0) == model.discriminator
    assert len(manifest.metrics.discriminator_loss or ()) == model.members * model.discriminator
    report.show(trained)
    assert ("discriminator" in capsys.readouterr().out) == model.discriminator
    live, alerts, verdicts = tmp_path / "live.parquet", list[str](), tmp_path / "verdicts.parquet"
    own = np.flatnonzero(pumps["series"] == "pump-02")
    faulty = pumps.copy()
    faulty.loc[own[-60:], "temperature"] += 10 * pumps["temperature"].std()
    faulty.to_parquet(live, index=False)
    layout = layout_for(live, Hints(), definition)
    replay(definition, live, layout, lambda alert: alerts.append(alert.series), verdicts)
    frame = pq.read_table(verdicts).to_pandas()
    scored = frame[frame["score"].notna()]
    assert len(scored) > 0.9 * len(pumps)
    assert 0.5 < (scored["score"] <= 1).mean() < 1.0
    late = scored[(scored["series"] == "pump-02") & (scored["time"] >= pumps.loc[own[-30], "time"])]
    assert (late["score"] > 1).all()
    assert "pump-02" in alerts
