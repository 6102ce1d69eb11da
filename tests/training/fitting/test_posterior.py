"""The variational model: the cost of its code, its collapse, and samples from its prior."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from torch.distributions import Normal, kl_divergence
from typer.testing import CliRunner

from stream.cli import app as cli
from stream.cli.reports import model_facts, models
from stream.detect.model.autoencoders import build, load
from stream.detect.model.kind import divergence
from stream.detect.model.variational import Variational
from stream.detect.policy import ModelSpec
from stream.errors import BundleError
from stream.registry.registry import Registry
from stream.settings.detection import ModelSettings, ThresholdSettings
from tests.support.builders import a_definition, a_spec, publish
from tests.support.options import fit_options, train_options
from training.data.windows import Windows
from training.demo import fleet
from training.demo.pumps import SENSORS
from training.fitting.fit import Epoch, FittedMembers, fit
from training.fitting.members import Progress
from training.fitting.objective import Objective
from training.fitting.posterior import COLLAPSED, mean_divergence
from training.fitting.prior_samples import PANELS, PriorSamples, write_samples
from training.gate.criteria import collapse_criteria
from training.options import FitOptions
from training.pipeline import TrainingRun, train

ROWS, WINDOW = 1200, 4
FIT, STOP = np.arange(WINDOW - 1, 1000), np.arange(1010, ROWS)
OPTIONS = fit_options(max_epochs=14, patience=4, min_windows=1024, batch_size=64, learning_rate=5e-3, anneal=6)


def spec_of(members: int = 1, **others: object) -> ModelSpec:
    sizes = {"window": WINDOW, "smoothing": 1, "sensors": 5, "hidden": 16, "latent": 2, "members": members}
    return a_spec(**{"kind": "variational", **sizes, **others})


def correlated() -> NDArray[np.float32]:
    """Five sensors that follow one hidden, smooth cause and another each of the first two, scaled."""
    draw = np.random.default_rng(0)
    cause = np.sin(np.arange(ROWS) / 9)[:, None]
    values = cause * [1.0, -1.0, 0.5, 2.0, 1.0] + 0.1 * draw.standard_normal((ROWS, 5))
    scaled: NDArray[np.float32] = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    return scaled


def fitted(spec: ModelSpec, options: FitOptions = OPTIONS) -> FittedMembers:
    return fit(correlated(), None, FIT, STOP, spec, options, lambda epoch: None)


def test_the_divergence_is_that_of_a_normal_from_the_standard_normal() -> None:
    draw = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 7, 4, generator=draw)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    assert divergence(torch.zeros(1), torch.zeros(1)) == 0.0


def test_a_reconstruction_takes_the_mean_code_and_is_the_same_each_time() -> None:
    model = build(spec_of(2, dropout=0.0), [1, 2])
    windows = torch.randn(2, 5, WINDOW, 5, generator=torch.Generator().manual_seed(0))
    assert isinstance(model, Variational)
    mean, _ = model.posterior(windows)
    assert torch.equal(model(windows), model.decoded(mean))
    assert torch.equal(model(windows), model(windows))


def test_training_draws_codes_as_wide_as_the_posterior_from_each_members_generator() -> None:
    """The loss depends on the draws, not on other members. A code without variance would give the same loss."""
    ends = torch.from_numpy(FIT[:200]).expand(2, -1)

    def losses(seeds: list[int], narrow: bool = False) -> torch.Tensor:
        spec = spec_of(len(seeds), dropout=0.0)
        model = build(spec, [1] * len(seeds))
        assert isinstance(model, Variational)
        if narrow:
            with torch.no_grad():
                model.log_variance.bias.fill_(-60.0)
        windows = Windows(correlated(), None, spec)
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        return Objective(model, windows, draws).training(ends[: len(seeds)], 1.0).detach()

    assert losses([3, 4])[0] != losses([3, 4])[1]
    torch.testing.assert_close(losses([3, 4])[1], losses([4])[0])
    torch.testing.assert_close(*losses([3, 4], narrow=True), rtol=1e-2, atol=0.0)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_code_costs_beta_per_cell_of_the_window_as_far_as_it_is_annealed(share: float) -> None:
    spec = spec_of(dropout=0.0, beta=0.7)
    ends = torch.from_numpy(STOP[:100]).expand(1, -1)
    windows = Windows(correlated(), None, spec)

    def loss(share: float) -> float:
        draws = [torch.Generator().manual_seed(0)]
        return float(Objective(build(spec, [1]), windows, draws).training(ends, share).detach())

    model = build(spec, [1])
    assert isinstance(model, Variational)
    nats = sum(mean_divergence(model, windows, ends[0])[0])
    assert loss(share) - loss(0.0) == pytest.approx(share * 0.7 * nats / (WINDOW * 5), rel=1e-3, abs=1e-6)


def test_weights_are_kept_once_the_code_pays_in_full_and_chosen_by_the_mean_code() -> None:
    seen: list[Epoch] = []
    found = fit(correlated(), None, FIT, STOP, spec_of(2), OPTIONS, seen.append)
    assert all(epoch.stale == 0 for epoch in seen[: OPTIONS.anneal])
    assert min(found.best_epoch) > OPTIONS.anneal
    windows = torch.from_numpy(correlated()).unfold(0, WINDOW, 1).transpose(1, 2)[STOP - WINDOW + 1]
    made = load(spec_of(2), found.weights)(windows.expand(2, -1, -1, -1))
    errors = (made - windows).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(found.best_loss, errors, rtol=1e-4)


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_a_short_training_anneals_in_the_epochs_it_has(epochs: int) -> None:
    found = fitted(spec_of(), fit_options(OPTIONS, max_epochs=epochs, anneal=6))
    assert found.best_epoch == (epochs,)


def test_the_divergence_per_dimension_is_measured_on_held_out_windows() -> None:
    found = fitted(spec_of(2))
    model = load(spec_of(2), found.weights)
    assert isinstance(model, Variational)
    windows = torch.from_numpy(correlated()).unfold(0, WINDOW, 1).transpose(1, 2)[STOP - WINDOW + 1]
    mean, log_variance = model.posterior(windows.expand(2, -1, -1, -1))
    nats = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).mean(dim=1)
    np.testing.assert_allclose(found.divergence, nats, rtol=1e-4)
    assert max(found.divergence[0]) > 1.0, "one cause drives all sensors, and the code carries it"


def test_a_code_that_has_collapsed_is_refused_with_what_to_change() -> None:
    """With a huge beta the code collapses. The default is fine on the same windows."""
    (fine,), (dead,) = (collapse_criteria(spec, fitted(spec).divergence) for spec in (spec_of(), spec_of(beta=1e4)))
    assert (fine.verdict, dead.verdict, dead.measured, dead.limit) == ("passed", "refused", 0, 1)
    assert "lower `model.beta`, seen 10000" in dead.reason
    assert collapse_criteria(spec_of(kind="dense"), ()) == []


def test_other_models_have_no_divergence() -> None:
    assert fitted(spec_of(kind="dense")).divergence == ()


# A bundle, and windows drawn from it.


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pump for a day and a half."""
    path = tmp_path_factory.mktemp("history") / "history.parquet"
    frame: pd.DataFrame = fleet.generate(pumps=4, history_days=1.5, live_days=0.2).history
    frame[frame["series"] == "pump-01"].to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(history: Path) -> TrainingRun:
    options = train_options(
        "pump",
        history,
        history.parent / "registry",
        model=ModelSettings(kind="variational", window=6, smoothing=3, latent=3, members=2),
        threshold=ThresholdSettings(method="percentile", percentile=95.0),
        fit=fit_options(max_epochs=20, min_windows=8192, patience=20, anneal=5),
    )
    quiet = Progress(lambda name, note: None, lambda epoch: None)
    return train(options, quiet)


def test_the_bundle_and_the_report_say_what_the_code_tells(
    trained: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    nats = trained.manifest.metrics.code_kl
    assert [len(own) for own in nats or ()] == [3, 3]
    assert trained.manifest.model.beta == 0.1
    models.show_page(model_facts.page(Registry(trained.folder.parents[2]), "pump", trained.manifest.version))
    assert f"of 3 collapsed (below {COLLAPSED:g})" in " ".join(capsys.readouterr().out.split())


def sampled(folder: Path, *arguments: str) -> pd.DataFrame:
    """Runs `narrows models sample` and reads its table."""
    output = folder / "sample.parquet"
    done = CliRunner().invoke(
        cli.app, ["models", "sample", "--output", str(output), *arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    drawn: pd.DataFrame = pq.read_table(output).to_pandas()
    return drawn


def test_windows_are_drawn_in_the_units_of_the_sensors_and_hang_together_as_these_do(
    trained: TrainingRun, history: Path, tmp_path: Path
) -> None:
    """Means within half a deviation, deviations within a factor of three, the same sensors correlated."""
    drawn = sampled(tmp_path, "--bundle", str(trained.folder), "--n", "2000")
    assert list(drawn.columns) == ["sample", "step", *SENSORS]
    assert drawn["sample"].tolist() == [i for i in range(2000) for _ in range(6)]
    assert drawn["step"].tolist() == list(range(6)) * 2000
    real, made = pd.read_parquet(history)[list(SENSORS)].to_numpy(), drawn[list(SENSORS)].to_numpy()
    assert (np.abs(made.mean(axis=0) - real.mean(axis=0)) < 0.5 * real.std(axis=0)).all()
    wide = made.std(axis=0) / real.std(axis=0)
    assert 1 / 3 < wide.min() <= wide.max() < 3
    together, expected = np.corrcoef(made.T), np.corrcoef(real.T)
    assert np.abs(together - expected).max() < 0.4
    assert together[SENSORS.index("flow"), SENSORS.index("pressure")] < -0.5, "along the pump curve"


def test_another_seed_draws_other_windows_and_the_same_seed_the_same(trained: TrainingRun, tmp_path: Path) -> None:
    bundle = ("--bundle", str(trained.folder))
    first, again = sampled(tmp_path, *bundle), sampled(tmp_path, *bundle, "--seed", "0")
    assert first["sample"].nunique() == 100
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(sampled(tmp_path, *bundle, "--seed", "1"))


def test_a_picture_is_a_png_whatever_its_name_and_folders_are_made(trained: TrainingRun, tmp_path: Path) -> None:
    picture = tmp_path / "of" / "samples.jpg"
    sampled(tmp_path / "new", "--bundle", str(trained.folder), "--n", "3", "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_members_take_turns(trained: TrainingRun, tmp_path: Path) -> None:
    """Three windows of two members are the first three of four windows."""
    bundle = ("--bundle", str(trained.folder))
    three, four = (sampled(tmp_path, *bundle, "--n", n) for n in ("3", "4"))
    pd.testing.assert_frame_equal(three, four.head(18))


@pytest.mark.parametrize(("window", "sensors"), [(4, 2), (1, 2), (3, 30)])
def test_the_picture_shows_a_panel_per_sensor(window: int, sensors: int, tmp_path: Path) -> None:
    """A window of one frame is drawn too, and of many sensors the first."""
    publish(tmp_path, a_definition(a_spec(kind="variational", window=window, sensors=sensors, latent=1)))
    plot, where = tmp_path / "sample.png", (f"registry={tmp_path}", "detector=test")
    sampled(tmp_path, "--plot", str(plot), *(word for path in where for word in ("--set", path)))
    from matplotlib.image import imread

    height = imread(plot).shape[0]
    assert height == round(120 * (1.0 + 1.3 * min(sensors, PANELS)))


def test_a_model_without_a_prior_is_not_drawn_from(tmp_path: Path) -> None:
    publish(tmp_path, a_definition(a_spec(kind="dense")))
    with pytest.raises(
        BundleError, match=r"a dense model has no prior to draw windows from; train one with .model.kind"
    ):
        sampled(tmp_path, "--set", f"registry={tmp_path}", "--set", "detector=test")
    assert not (tmp_path / "sample.parquet").exists()


def test_a_sensor_named_as_a_column_of_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"sensors \['step'\] have the names of the table's own columns"):
        write_samples(PriorSamples(("flow", "step"), np.zeros((3, 4, 2))), tmp_path / "sample.parquet")
