"""A history framed and scored in one pass: the same frames as framing alone gives, and a score for each of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.clock import RawFrames
from stream.detect.frames.frames import Frames
from stream.detect.frames.framing import Framing
from stream.detect.policy import FramePolicy
from stream.intake.columns import Readings
from stream.intake.tables.reader import Batch, discover, read
from stream.replay import Step, steps
from tests.support.builders import a_policy
from tests.support.plain_bundle import LABELLED, MINUTE, SENSORS, labelled_rows, plain_bundle
from training.data.framing import FramedHistory, frame
from training.data.history import History
from training.data.scored_history import frame_scores, scored_history
from training.evaluate.labelled import score_labelled
from training.recalibration.observed import score_readings

POLICIES = (
    a_policy(interval_ns=MINUTE, max_gap_ns=3 * MINUTE, max_carry=1, max_missing=1, score_when="s0 > -1"),
    a_policy(interval_ns=MINUTE, max_gap_ns=3 * MINUTE, max_carry=2, max_missing=1, resample="mean", grace_ns=MINUTE),
)


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    return plain_bundle(tmp_path_factory.mktemp("registry")).definition


def batches_of(seed: int, size: int) -> list[Batch]:
    """Readings of three series with gaps, holes, labels and a few that come late, cut every `size` rows."""
    draw = np.random.default_rng(seed)
    rows = 240
    time = np.cumsum(draw.choice([0, 20, 60, 400], rows, p=[0.02, 0.5, 0.46, 0.02])) * (MINUTE // 60)
    time[draw.random(rows) < 0.02] -= 5 * MINUTE
    values = draw.normal(size=(rows, 2))
    values[draw.random((rows, 2)) < 0.1] = np.nan
    series, labels = draw.integers(0, 3, rows).astype(np.int32), draw.random(rows) < 0.05
    position = np.arange(rows)
    cuts = [slice(start, start + size) for start in range(0, rows, size)]
    return [
        Batch(Readings(("a", "b", "c"), series[at], time[at], values[at], position[at]), labels[at], ignored=1)
        for at in cuts
    ]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1, 17, 240]), policy=st.sampled_from(POLICIES))
def test_one_pass_gives_the_frames_of_framing_alone_and_the_verdicts_on_them(
    definition: Definition, seed: int, size: int, policy: FramePolicy
) -> None:
    """To the bit, labels and dispositions included, whatever the batches are."""
    detector = Detector(replace(definition, policy=policy))
    batches = batches_of(seed, size)
    found = scored_history((Step(one, Counter(), detector.push(one.readings)) for one in batches), detector)
    expected = frame(batches_of(seed, 240), policy, SENSORS)
    for field in fields(FramedHistory):
        seen, wanted = getattr(found.frames, field.name), getattr(expected, field.name)
        if field.name == "dispositions":
            seen, wanted = seen | {"ignored": 0}, wanted | {"ignored": 0}  # one a batch
        np.testing.assert_array_equal(seen, wanted, err_msg=field.name)
    np.testing.assert_array_equal(found.scores.time, expected.time)
    np.testing.assert_array_equal(found.scores.series, expected.series)
    # Windows of one frame: a frame is scored where it is whole, by the mean square of its values that are not masked.
    scored = ~np.isnan(found.scores.score)
    mean_square = np.nanmean(expected.values[scored] ** 2, axis=1)
    np.testing.assert_array_equal(scored, expected.fitness == 0)
    np.testing.assert_allclose(found.scores.score[scored], mean_square, rtol=1e-5)
    assert found.counts[Count.SCORED] == scored.sum()
    assert found.counts[Count.RECEIVED] == 240 + len(batches)


def a_pass_of_evaluation(definition: Definition, data: Path) -> object:
    return score_labelled(definition, data, LABELLED)


def a_pass_of_recalibration(definition: Definition, data: Path) -> object:
    return score_readings(definition, data, LABELLED)


@pytest.mark.parametrize("one_pass", [a_pass_of_evaluation, a_pass_of_recalibration])
def test_evaluation_and_recalibration_frame_each_batch_once(
    definition: Definition,
    one_pass: Callable[[Definition, Path], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    framed: list[int] = []
    frames = Framing.frames

    def counted(framing: Framing, raw: RawFrames) -> Frames:
        made = frames(framing, raw)
        framed.append(len(made))
        return made

    monkeypatch.setattr(Framing, "frames", counted)
    one_pass(definition, tmp_path / "rows.parquet")
    assert framed == [len(labelled_rows())], "one batch, framed by the detector alone"


def test_scores_of_a_framed_history_are_those_of_one_pass(definition: Definition, tmp_path: Path) -> None:
    data = tmp_path / "rows.parquet"
    labelled_rows().to_parquet(data, index=False)
    layout = discover(data, LABELLED)
    alone = frame_scores(History(layout, list(read(data, layout)), SENSORS, 0.0), definition)
    detector = Detector(definition)
    beside = scored_history(steps(detector, data, layout, batch_rows=7), detector).scores
    for field in fields(alone):
        np.testing.assert_array_equal(getattr(alone, field.name), getattr(beside, field.name), err_msg=field.name)
