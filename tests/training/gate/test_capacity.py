"""Capacity of models that are known: one that copies is too strong, one that sees nothing is blind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools
from stream.registry.capacity_facts import CapacityFacts, InjectedSize
from stream.settings.detection import ModelSettings
from tests.oracles.naive_errors import naive_errors
from tests.support.builders import a_policy, a_rules, a_spec
from tests.support.options import fit_options
from tests.support.small_training import QUICK, SMALL, a_history, made
from training.data.framing import FramedHistory
from training.data.split import Part
from training.data.synthetic import KINDS, SIZES, inject
from training.gate.capacity import measure_capacity
from training.gate.criteria import capacity_criteria
from training.gate.injection import InjectionTrial
from training.gate.segments import cut_segments

Float64s = NDArray[np.float64]
ROWS = 400


def framed_of(values: Float64s) -> FramedHistory:
    """Normal frames of one series, a second apart."""
    rows = len(values)
    return FramedHistory(
        names=("a",),
        series=np.zeros(rows, np.int32),
        time=np.arange(rows) * 1_000_000_000,
        values=values,
        fitness=np.full(rows, Fitness.WHOLE, np.uint8),
        after_gap=np.zeros(rows, np.bool_),
        marked=np.zeros(rows, np.bool_),
        labelled=np.zeros(rows, np.bool_),
        confirmed=np.zeros(rows, np.bool_),
        imputed=np.zeros(rows, np.bool_),
        step=np.full(rows, 1_000_000_000),
        dispositions={},
    )


def whole(rows: int, spec: ModelSpec) -> Bools:
    """Rows with enough frames before them: bool (rows,)."""
    return np.arange(rows) >= spec.receptive_field - 1


def correlated(sensors: int, seed: int = 0) -> Float64s:
    """Values of sensors with two smooth causes and a little noise; standard deviation about 1."""
    draw = np.random.default_rng(seed)
    causes = np.stack([np.sin(np.arange(ROWS) / 9), np.cos(np.arange(ROWS) / 23)], axis=1)
    values = causes @ draw.standard_normal((2, sensors)) + 0.1 * draw.standard_normal((ROWS, sensors))
    scaled: Float64s = (values - values.mean(0)) / values.std(0)
    return scaled


def all_gate(rows: int = ROWS) -> NDArray[np.uint8]:
    return np.full(rows, Part.GATE, np.uint8)


def definition_of(spec: ModelSpec, weights: Mapping[str, Tensor], threshold: float = 1.0) -> Definition:
    """A definition with scales of 1 and one threshold for all series."""
    one, rows = np.ones((1, spec.sensors)), np.array([100])
    scales = ScaleTable((POOLED,), 0 * one, one, rows)
    thresholds = ThresholdTable((POOLED,), one[0, :1], rows, threshold)
    names = tuple(f"s{f}" for f in range(spec.sensors))
    ensemble = Ensemble(spec, weights)
    return Definition("d", "v", names, a_policy(), a_rules(close_after=3), spec, scales, thresholds, ensemble)


def projection(spec: ModelSpec, values: Float64s) -> dict[str, Tensor]:
    """Weights of a linear model that projects windows on their `latent` principal directions."""
    windows = np.lib.stride_tricks.sliding_window_view(values, spec.window, axis=0).transpose(0, 2, 1)
    _, _, directions = np.linalg.svd(windows.reshape(len(windows), -1), full_matrices=True)
    down = torch.from_numpy(directions[: spec.latent].astype(np.float32))  # (latent, W * F)
    weights = {name: torch.zeros_like(value) for name, value in build(spec, range(spec.members)).weights().items()}
    return weights | {
        "code.weight": down.expand(spec.members, -1, -1).clone(),
        "output.weight": down.T.expand(spec.members, -1, -1).clone(),
    }


def linear(window: int, sensors: int, latent: int, members: int = 1, span: Any = "window") -> ModelSpec:
    return a_spec("linear", window, 3, sensors, 0, latent, members, error_span=span)


def judged(spec: ModelSpec, values: Float64s, weights: Mapping[str, Tensor]) -> CapacityFacts:
    return measure_capacity(framed_of(values), all_gate(), definition_of(spec, weights), weights, 0)


@pytest.mark.parametrize(("window", "sensors"), [(1, 1), (1, 4), (6, 1), (8, 3)])
def test_what_can_copy_is_too_strong_whatever_the_window(window: int, sensors: int) -> None:
    """A code of all values but one; a window of one value has only one."""
    size = window * sensors
    spec, values = linear(window, sensors, max(1, size - 1), members=3), correlated(sensors)
    found = judged(spec, values, projection(spec, values))
    assert found.verdict == "too strong"
    assert found.freedom == pytest.approx(max(1, size - 1) / size, abs=0.06)
    assert ("set `model.window` above 1" if size == 1 else "lower `model.latent`") in found.reason


@pytest.mark.parametrize(("window", "sensors", "latent"), [(1, 2, 1), (1, 4, 2), (6, 1, 1), (8, 3, 4)])
@pytest.mark.parametrize("span", ["newest", "window", "both"])
def test_a_narrow_code_that_explains_its_data_is_fine(window: int, sensors: int, latent: int, span: str) -> None:
    spec, values = linear(window, sensors, latent, span=span), correlated(sensors)
    found = judged(spec, values, projection(spec, values))
    assert found.verdict == "fine"
    assert (found.explained or 0) > 0.6
    assert (found.part, found.segments, found.frames) == ("gate", 128, window + 2)


@pytest.mark.parametrize("span", ["newest", "window", "both"])
@pytest.mark.parametrize("kind", ["dense", "conv", "linear"])
def test_what_is_found_is_what_a_slow_detector_finds(kind: Any, span: str) -> None:
    """For each segment the mean of the M errors is compared with the threshold, without masked cells."""
    spec = a_spec(kind, 4, 3, 2, 8, 2, members=3, error_span=span)
    values = correlated(2)
    values[::17, 1] = np.nan
    model = build(spec, range(3)).eval()
    definition = definition_of(spec, model.weights(), threshold=1.2)
    strips = cut_segments(framed_of(values), whole(len(values), spec), spec.receptive_field, 30, 0)
    trial = InjectionTrial(strips, definition, model.weights())
    step = trial.inject("noise_burst", 1.0, 0)
    assert isinstance(step, InjectedSize)
    made = inject(strips.scaled(definition), "noise_burst", 1.0, 0, allowed=strips.free)
    above, spans = 0, {"newest": [-1], "window": [-spec.window], "both": [-1, -spec.window]}[span]
    for strip, masked in zip(made.segments, strips.masked[made.rows], strict=True):
        errors = []
        for end in range(spec.window, len(strip) + 1):
            seen, holes = strip[end - spec.window : end], masked[end - spec.window : end]
            with torch.inference_mode():
                out = model(torch.from_numpy(seen).expand(3, 1, -1, -1))[:, 0].numpy()
            views = []
            for kept in spans:
                values_seen, unseen = seen[kept:].tolist(), holes[kept:].tolist()
                by_member = [naive_errors(one[kept:].tolist(), values_seen, unseen, "mse", [1, 1])[0] for one in out]
                views.append(sorted(by_member)[1])
            errors.append(np.nanmax(views))
        above += sum(errors) / len(errors) > 1.2
    assert 0 < above < len(made.rows)
    assert (step.n, step.found) == (len(made.rows), above / len(made.rows))


def test_a_projection_gives_back_what_it_projects() -> None:
    spec, values = linear(6, 3, 4, members=2), correlated(3)
    weights = projection(spec, values)
    definition = definition_of(spec, weights)
    strips = cut_segments(framed_of(values), whole(len(values), spec), spec.receptive_field, 60, 0)
    normal = strips.scaled(definition)
    down = weights["code.weight"][0].numpy()
    for kind in KINDS:
        step = InjectionTrial(strips, definition, weights).inject(kind, SIZES[kind][0], 0)
        assert isinstance(step, InjectedSize)
        begin, end = (5, 6) if kind == "spike" else (None, 8)
        made = inject(normal, kind, SIZES[kind][0], 0, begin=begin)
        put_in = (made.segments - normal[made.rows])[:, end - 6 : end].reshape(len(made.rows), -1)
        assert step.given_back == pytest.approx(((put_in @ down.T) ** 2).sum() / (put_in**2).sum(), rel=1e-3)


@pytest.mark.parametrize(("threshold", "verdict"), [(1.0, "fine"), (5.0, "fine"), (10.0, "blind")])
def test_a_model_that_finds_no_anomaly_of_any_kind_and_size_is_blind(threshold: float, verdict: str) -> None:
    """A threshold of 5 hides anomalies of one of eight sensors, but not those of two; one of 10 hides both."""
    spec, values = linear(4, 8, 4), correlated(8)
    weights = projection(spec, values)
    found = measure_capacity(framed_of(values), all_gate(), definition_of(spec, weights, threshold), weights, 0)
    assert found.verdict == verdict, found.reason
    largest = [one.sizes[-1].found for one in found.kinds.values() if one.sizes]
    assert (max(largest) > 0.05) == (threshold == 1.0)
    (criterion,) = (one for one in capacity_criteria(found, cut_off=False) if one.name == "sensitivity")
    assert criterion.verdict == ("refused" if verdict == "blind" else "passed")
    assert ("its threshold hides everything" in criterion.reason) == (verdict == "blind")


def test_too_little_is_not_judged_and_says_so() -> None:
    spec, values = linear(4, 2, 1), correlated(2)
    weights = projection(spec, values)
    definition = definition_of(spec, weights)
    short = measure_capacity(framed_of(values[:24]), all_gate(24), definition, weights, 0)
    assert (short.verdict, short.kinds) == ("not judged", {})
    assert "0 strips of 6 frames in the calibrate part, fewer in gate; 20 are needed" in short.reason
    still = measure_capacity(framed_of(0 * values), all_gate(), definition, weights, 0)
    assert (still.verdict, still.reason) == ("not judged", "no sensor moves in the held-out parts")
    slow = definition_of(a_spec("linear", 4, 5000, 2, 0, 1), weights)
    long = measure_capacity(framed_of(values), all_gate(), slow, weights, 0)
    assert "levels of 5000 errors would take too long" in long.reason


def test_where_gate_is_too_short_calibrate_is_judged_and_what_cannot_be_tried_has_its_reason() -> None:
    spec, values = linear(4, 1, 1), correlated(1)
    weights = projection(spec, values)
    part = all_gate()
    part[:380] = Part.CALIBRATE
    found = measure_capacity(framed_of(values), part, definition_of(spec, weights), weights, 0)
    assert (found.part, found.segments) == ("calibrate", 128)
    assert found.kinds["swap"].why_none == "one sensor, and no other to swap it with"
    assert found.kinds["swap"].sizes == ()
    assert [step.size for step in found.kinds["freeze"].sizes] == [2.0, 4.0], "strips have 6 frames"


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


# A code of 29 of 30 values, without noise and dropout.
LOOSE = {"window": 6, "smoothing": 3, "latent": 29, "noise": 0.0, "dropout": 0.0}
THOROUGH = fit_options(QUICK, max_epochs=15, min_windows=4096, learning_rate=1e-2)


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        (ModelSettings(kind="linear", **LOOSE), "too strong"),  # type: ignore[arg-type]
        (ModelSettings(kind="dense", hidden=256, **LOOSE), "too strong"),  # type: ignore[arg-type]
        (ModelSettings(window=6, smoothing=3), "fine"),
        (ModelSettings(window=1), "fine"),
        (ModelSettings(kind="conv", window=8, hidden=8, members=3), "fine"),
    ],
    ids=["loose linear", "loose dense", "default", "a reading", "conv"],
)
def test_a_trained_model_that_may_copy_does_and_the_default_does_not(
    pumps: pd.DataFrame, tmp_path: Path, model: ModelSettings, verdict: str
) -> None:
    found = made(tmp_path, pumps, THOROUGH, model=model)
    strong = found.manifest.metrics.capacity
    assert strong is not None
    assert strong.verdict == verdict, strong.reason


@pytest.mark.parametrize(
    ("sensors", "window"), [(["flow"], 32), (["flow"], 4), (["flow", "pressure"], 1), (["flow", "pressure"], 8)]
)
def test_the_sizes_chosen_for_few_sensors_leave_a_model_constrained(
    pumps: pd.DataFrame, tmp_path: Path, sensors: list[str], window: int
) -> None:
    """In a small window a code of one unit is a large share of the values, and is still fine."""
    found = made(tmp_path, pumps[["time", "series", *sensors]], THOROUGH, model=ModelSettings(window=window))
    capacity = found.manifest.metrics.capacity
    assert capacity is not None
    assert capacity.verdict == "fine", capacity.reason


def test_sizes_that_are_found_are_told_from_the_least_on(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """And the same training gives the same table."""
    fit = fit_options(QUICK, max_epochs=6)
    strong = made(tmp_path / "one", pumps, fit, model=SMALL).manifest.metrics.capacity
    assert made(tmp_path / "two", pumps, fit, model=SMALL).manifest.metrics.capacity == strong
    assert strong is not None
    assert list(strong.kinds) == list(KINDS)
    for one in strong.kinds.values():
        found = [step.found for step in one.sizes]
        for name, share in (("half_from", 0.5), ("nine_tenths_from", 0.9)):
            least = next((i for i in range(len(found)) if min(found[i:]) >= share), None)
            assert getattr(one, name) == (None if least is None else one.sizes[least].size)
    assert strong.kinds["level_shift"].sizes[-1].found == 1.0
