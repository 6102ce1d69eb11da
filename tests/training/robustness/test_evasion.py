"""Attacks keep to their budget and to what sensors can show, see the very level, and succeed where they should."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from stream.cli import app as cli
from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.model import discriminator
from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from stream.detect.outcome import Verdict
from stream.detect.policy import ValidRange
from stream.intake.parquet import Batch
from stream.registry.bundle import load
from stream.settings.detection import RecalibrationSettings
from tests.support.builders import START, a_definition, a_policy, a_spec, readings
from tests.support.options import changed
from tests.support.small_training import SMALL, a_history, made
from tests.support.small_training import options as small_options
from training.data.framing import FramedHistory, frame
from training.fitting.disagreement import usual_disagreement
from training.pipeline import Trained
from training.robustness.evasion import SIZES
from training.robustness.pgd import Attack, Budget, Effort, Norm
from training.robustness.poisoning import RUNS, SHARES, WAYS
from training.robustness.replay_attack import nearest, playback
from training.robustness.segments import Strips, cut, whole_rows
from training.robustness.setup import Field, gather
from training.robustness.slow_drift import drift
from training.robustness.target import Contestant

SECOND = 1_000_000_000
Floats = NDArray[np.float64]
WIDE = (np.full(2, -10.0, np.float32), np.full(2, 10.0, np.float32))


def a_contestant(kind: str = "dense", members: int = 3, span: str = "window", q: float = 1.0) -> Contestant:
    spec = a_spec(kind=kind, members=members, error_span=span, hidden=0 if kind == "linear" else 8)
    return Contestant(a_definition(spec, q=q), build(spec, range(members)).weights())


def some_frames(definition: Definition, values: Floats, labelled: slice = slice(0, 0)) -> FramedHistory:
    """Frames of series `a`, one a second, some of them labelled."""
    marks = np.zeros(len(values), np.bool_)
    marks[labelled] = True
    given = readings(["a"] * len(values), START + np.arange(len(values)) * SECOND, values)
    return frame([Batch(given, marks)], definition.policy, definition.sensors)


def noise(rows: int, size: float = 2.0) -> Floats:
    return np.random.default_rng(3).normal(scale=size, size=(rows, 2))


@pytest.mark.parametrize("span", ["newest", "window"])
@pytest.mark.parametrize("kind", ["dense", "conv", "variational", "linear"])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_the_level_that_is_descended_on_is_the_one_the_detector_compares(kind: str, span: str, members: int) -> None:
    """Values missing beyond what is carried are masked, for both."""
    contestant = a_contestant(kind, members, span)
    definition = replace(contestant.definition, policy=a_policy(max_carry=0, max_missing=1))
    values = noise(40)
    values[10, 0] = values[22, 1] = np.nan
    frames = some_frames(definition, values)
    given = readings(["a"] * 40, frames.time, values)
    told = Detector(definition).push(given).verdicts.level
    ends = np.arange(definition.spec.receptive_field - 1, 40)
    strips = cut(frames, ends, definition, WIDE)
    true, kept, _ = strips.tensors
    np.testing.assert_array_equal(contestant.levels(strips), told[ends])
    np.testing.assert_allclose(contestant.score().levels(true, kept).numpy(), told[ends], rtol=1e-5)


@pytest.mark.parametrize("span", ["newest", "window"])
def test_what_a_discriminator_adds_is_part_of_the_level_that_is_descended_on(span: str) -> None:
    spec = a_spec(members=3, error_span=span, discriminator=4)
    judge = discriminator.build(spec, range(3))
    judge.floor.fill_(-0.2)
    judge.reach.fill_(0.7)
    plain = a_definition(a_spec(members=3, error_span=span), policy=a_policy(max_carry=0, max_missing=1))
    weights = build(spec, range(3)).weights() | judge.weights()
    definition = replace(plain, spec=spec, ensemble=Ensemble(spec, weights, plain.ensemble.spread))
    values = noise(40)
    values[10, 0] = values[22, 1] = np.nan
    strips = cut(some_frames(definition, values), np.arange(definition.spec.receptive_field - 1, 40), definition, WIDE)
    true, kept, _ = strips.tensors
    contestant = Contestant(definition, weights)
    assert (contestant.levels(strips) > Contestant(plain, {}).levels(strips)).mean() > 0.5
    np.testing.assert_allclose(contestant.score().levels(true, kept).numpy(), contestant.levels(strips), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(norm=st.sampled_from(["linf", "l2"]), size=st.floats(0.01, 3.0), seed=st.integers(0, 99))
def test_an_attack_keeps_to_its_budget_and_to_the_box_and_never_makes_things_worse(
    norm: Norm, size: float, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    true = torch.randn(3, 5, 2, generator=draw)
    box = true - torch.rand(true.shape, generator=draw), true + torch.rand(true.shape, generator=draw)
    target = torch.randn(true.shape, generator=draw)

    def level(strips: Tensor) -> Tensor:
        return (strips - 3 * target).square().sum(dim=(1, 2))

    budget = Budget(norm, size)
    best = Attack(level, true, box).best(budget, Effort(5, 2), true, draw)
    change = best - true
    far = change.abs().amax(dim=(1, 2)) if norm == "linf" else change.square().mean(dim=(1, 2)).sqrt()
    assert float(far.max()) <= size * (1 + 1e-5)
    assert bool((box[0] <= best).all())
    assert bool((best <= box[1]).all())
    assert bool((level(best) <= level(true)).all())
    assert not torch.equal(best, true)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_without_defence_is_evaded_once_the_budget_is_large_enough(norm: Norm) -> None:
    """And not before: with a budget of next to nothing, every strip is found still."""
    contestant = a_contestant("linear", 1, q=0.5)
    strips = cut(some_frames(contestant.definition, noise(40)), np.arange(20, 40), contestant.definition, WIDE)
    true, kept, box = strips.tensors
    score = contestant.score()
    attack = Attack(lambda given: score.levels(given, kept), true, box)
    assert contestant.exceeds(strips).all()
    for size, evades in ((1e-4, False), (5.0, True)):
        best = attack.best(Budget(norm, size), Effort(200, 1), true, torch.Generator().manual_seed(0))
        assert (contestant.exceeds(strips.changed(best.numpy())) != evades).all()


def test_a_cell_may_be_changed_to_what_its_sensor_can_show() -> None:
    """A valid range where a rule gives one, else what training saw; never beyond the clip, never a masked cell."""
    policy = a_policy(clip=4.0, max_carry=0, max_missing=1, valid=(ValidRange("s0", low=-2.5),))
    definition = replace(a_contestant().definition, policy=policy)
    values = noise(12, 0.1)
    values[8], values[10, 1] = [1.0, 2000.0], np.nan
    frames = some_frames(definition, values)
    strips = cut(frames, np.array([11]), definition, (np.full(2, -3.0, np.float32), np.full(2, 3.0, np.float32)))
    row = definition.scales.row("a")
    lowest = max(-4.0, (-2.5 - definition.scales.mean[row, 0]) / definition.scales.scale[row, 0])
    np.testing.assert_allclose(strips.low[0, :, 0], np.minimum(lowest, strips.values[0, :, 0]), rtol=1e-6)
    assert strips.high[0, 0].tolist() == [3.0, 3.0]
    assert strips.high[0, 2].tolist() == [3.0, 4.0]
    assert (strips.values[0, 4, 1], strips.low[0, 4, 1], strips.high[0, 4, 1]) == (0.0, 0.0, 0.0)
    assert strips.masked[0].sum() == 1


def test_strips_of_events_are_whole_and_hold_a_labelled_frame() -> None:
    definition = replace(a_contestant().definition, policy=a_policy(max_carry=0))
    length, values = definition.spec.receptive_field, noise(60)
    values[12] = np.nan
    frames = some_frames(definition, values, slice(10, 20))
    rows = whole_rows(frames, definition, 1000, of_events=True)
    assert rows.tolist() == [10, 11, *range(12 + length, 19 + length)]
    others = whole_rows(frames, definition, 1000, of_events=False)
    assert others.tolist() == [*range(length - 1, 10), *range(19 + length, 60)]
    assert len(whole_rows(frames, definition, 3, of_events=True)) == 3


def test_playing_back_every_sensor_hides_what_the_recording_hides() -> None:
    contestant = a_contestant()
    frames = some_frames(contestant.definition, np.concatenate([noise(20, 0.01), noise(20, 20.0)]))
    length = contestant.definition.spec.receptive_field
    calm, loud = (cut(frames, ends, contestant.definition, WIDE) for ends in (np.arange(8, 20), np.arange(28, 40)))
    limit = (contestant.levels(calm).max() + contestant.levels(loud).min()) / 2
    thresholds = replace(contestant.definition.thresholds, scale=np.full(3, limit), q=1.0)
    contestant = replace(contestant, definition=replace(contestant.definition, thresholds=thresholds))
    assert nearest(loud, calm.values).shape == (12, length, 2)
    one, both = playback(contestant, loud, calm.values)
    assert (one.sensors, both.sensors) == (1, 2)
    assert one.evaded is not None
    assert one.evaded < 1.0
    assert both.evaded == 1.0


def test_a_drift_is_noticed_sooner_or_later_and_how_far_it_got_is_told() -> None:
    """A model of weights of 0 expects the mean: a walk is seen once its square, shared by two sensors, is above 1."""
    spec = a_spec(window=4, smoothing=1)
    weights = {name: value * 0 for name, value in build(spec, [0]).weights().items()}
    plain = a_definition(spec, q=1.0)
    mean, one = plain.scales.mean * 0, np.ones_like(plain.scales.scale)
    definition = replace(
        plain,
        scales=replace(plain.scales, mean=mean, scale=one),
        thresholds=replace(plain.thresholds, scale=np.ones(3)),
        ensemble=Ensemble(spec, weights),
    )
    found = drift(definition, some_frames(definition, np.zeros((400, 2))))
    assert [(one.sensors, one.noticed) for one in found] == [(2, 0), (2, 2), (2, 2), (2, 2)]
    assert found[0].reached is None
    assert found[0].furthest == pytest.approx(0.003 * (399 - definition.spec.receptive_field))
    for slow in found[1:]:
        assert slow.reached == pytest.approx(np.sqrt(2), abs=4 * slow.speed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three members, and a day of labelled rows in which a sensor stands far off."""
    folder = tmp_path_factory.mktemp("pumps")
    history = a_history()
    live = history.groupby("series").tail(200).reset_index(drop=True)
    live["time"] += pd.Timedelta(days=30)
    place = live.groupby("series").cumcount()
    live["anomaly"] = ((place >= 60) & (place < 90)).astype(int)
    sensor = next(name for name in history.columns if name not in ("time", "series"))
    live.loc[live["anomaly"] == 1, sensor] += 6 * history[sensor].std()
    live.to_parquet(folder / "live.parquet", index=False)
    return made(folder, history, model=changed(SMALL, members=3))


Told = Callable[..., dict[str, Any]]


@pytest.fixture
def told(trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What the command says in JSON."""
    folder = trained.folder.parents[3]

    def run(*more: str) -> dict[str, Any]:
        given = ["--data", str(folder / "live.parquet"), "--fit", str(folder / "history.parquet")]
        chosen = ["detector=pumps", f"registry={folder / 'registry'}", "train.max_epochs=2"]
        options = [part for one in chosen for part in ("--set", one)]
        monkeypatch.setattr(sys, "argv", ["narrows", "robustness", *given, *options, *more])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        printed = capsys.readouterr().out
        return dict(json.loads(printed)) if "--json" in more else {"text": printed}

    return run


def test_the_command_measures_attackers_budgets_and_norms(told: Told, trained: Trained, tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "evasion.png"
    said = told("--strips", "12", "--steps", "8", "--plot", str(plot), "--json")
    assert set(said) == {
        "data", "version", "members", "trained", "discriminator", "history", "seed", "effort", "strips",
        "normal_disagreeing", "usual_disagreement", "evasion", "playback", "drift", "poisoning", "seconds",
    }  # fmt: skip
    assert (said["members"], said["trained"], said["history"], said["seed"]) == (3, False, None, 0)
    assert said["strips"]["attacked"] == 12
    assert [(one["knows"], one["norm"], one["budget"]) for one in said["evasion"]] == [
        (knows, norm, size)
        for norm in ("linf", "l2")
        for knows in ("recorded data", "a surrogate", "one member", "everything")
        for size in SIZES
    ]
    assert set(said["evasion"][0]) == {"knows", "norm", "budget", "one", "ensemble", "ratio", "betrayed", "counterpart"}
    for column in ("one", "ensemble", "counterpart"):
        assert all(0.0 <= one[column] <= 1.0 for one in said["evasion"])
        all_knowing = [one[column] for one in said["evasion"] if one["knows"] == "everything" and one["norm"] == "l2"]
        assert all_knowing == sorted(all_knowing)
        assert all_knowing[-1] > all_knowing[0]
    assert said["discriminator"] is False
    assert said["strips"]["found_by_counterpart"] > 0
    assert [(one["how"], one["share"]) for one in said["poisoning"]] == [
        ("nobody attacks", 0.0), *((how, share) for how in WAYS for share in SHARES)
    ]  # fmt: skip
    assert all(
        len(one["factors"]) == RUNS and one["threshold"] <= RecalibrationSettings().max_total
        for one in said["poisoning"]
    )
    assert said["playback"][-1]["sensors"] == len(trained.manifest.sensors)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_a_bundle_of_one_member_is_compared_with_an_ensemble_trained_by_its_settings(
    told: Told, trained: Trained, tmp_path: Path
) -> None:
    folder = trained.folder.parents[3]
    alone = made(tmp_path / "alone", pd.read_parquet(folder / "history.parquet"))
    said = told("--bundle", str(alone.folder), "--strips", "4", "--steps", "2")["text"]
    assert "the bundle has one member: an ensemble of 5 was trained" in said
    assert "evasion rate in %, K = 1 / K = 5 / counterpart (betrayed)" in said
    assert "recorded data" in said


def test_the_counterpart_is_the_same_members_with_the_other_choice_of_a_discriminator(
    told: Told, tmp_path: Path
) -> None:
    """Trained where the bundle has none, and adding to the level; left out where it has one."""
    history, frames = a_history(), np.arange(40)
    for has_one in (False, True):
        model = changed(SMALL, members=2, discriminator=has_one)
        bundle = made(tmp_path / f"{has_one}", history, model=model)
        field = gathered(bundle)
        own, other = (discriminator.parted(one.weights) for one in (field.ensemble, field.counterpart))
        assert (bool(own[1]), bool(other[1])) == (has_one, not has_one)
        assert all(torch.equal(own[0][name], other[0][name]) for name in own[0])
        assert (field.ensemble.definition.ensemble.spread == field.counterpart.definition.ensemble.spread).all()
        plain, judged = (field.ensemble, field.counterpart)[:: -1 if has_one else 1]
        loud = field.recorded[frames] * 8
        strips = Strips(("a",) * len(loud), loud, np.zeros(loud.shape, np.bool_), loud, loud)
        assert (judged.levels(strips) >= plain.levels(strips)).all()
        assert (judged.levels(strips) > plain.levels(strips)).any()
        above = (field.normal.level / field.given.table.of_each(field.normal.names)[field.normal.series] > 1.0).mean()
        assert above <= 0.1, "held-out levels are those of the bundle, below its thresholds mostly"
    said = told("--bundle", str(bundle.folder), "--strips", "4", "--steps", "2")["text"]
    assert "counterpart: the same members without their discriminator" in said


def gathered(bundle: Trained) -> Field:
    manifest, definition = load(bundle.folder)
    return gather(bundle.folder, manifest, definition, small_options(bundle.folder.parents[3]))


def test_rows_in_which_nothing_is_found_are_refused(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = trained.folder.parents[3]
    live = pd.read_parquet(folder / "history.parquet").groupby("series").tail(100).assign(anomaly=0)
    live.to_parquet(tmp_path / "quiet.parquet", index=False)
    given = ["--data", str(tmp_path / "quiet.parquet"), "--fit", str(folder / "history.parquet")]
    chosen = ["--set", "detector=pumps", "--set", f"registry={folder / 'registry'}", "--set", "train.max_epochs=1"]
    monkeypatch.setattr(sys, "argv", ["narrows", "robustness", *given, *chosen])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert "nothing to hide" in capsys.readouterr().err


def test_usual_disagreement_is_kept_in_the_bundle_and_counted_by_the_detector(trained: Trained) -> None:
    """One frame in a hundred of the history it was found on; a bundle of one member disagrees with nobody."""
    manifest, definition = load(trained.folder)
    assert 0.0 < manifest.usual_disagreement < 1.0
    assert definition.usual_disagreement == manifest.usual_disagreement
    detector, counts = Detector(definition), Counter[Count]()
    for batch in trained.history.batches:
        verdicts = (outcome := detector.push(batch.readings)).verdicts
        counts.update(outcome.counts())
        unusual = (verdicts.disagreement > manifest.usual_disagreement) & (verdicts.verdict == Verdict.SCORED)
        np.testing.assert_array_equal(verdicts.disagreeing, unusual)
    assert 0 < counts[Count.DISAGREEING] < 0.1 * counts[Count.SCORED]
    alone = a_contestant(members=1).definition.ensemble
    assert usual_disagreement(alone, WIDE[0][None], None, np.zeros(1, np.int64)) == 0.0
