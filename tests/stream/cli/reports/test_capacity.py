"""The capacity of a model as `narrows train`, `narrows models show` and the page of an evaluation show it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from stream.registry.capacity_facts import CapacityFacts, InjectedKind, InjectedSize
from stream.registry.manifest_facts import MetricFacts
from tests.support.commands import in_process
from tests.support.plain_bundle import LABELLED, labelled_rows, plain_bundle
from tests.training.evaluate.test_page import Page
from training.data.synthetic import KINDS, SIZES
from training.evaluate.evaluation import EvaluationOptions, evaluate
from training.evaluate.page import page

Narrows = Callable[..., tuple[str, str]]


@pytest.fixture
def narrows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Narrows:
    """Runs the command, which must succeed: what it says on stdout and on stderr."""
    monkeypatch.chdir(tmp_path)
    run = in_process(monkeypatch, capsys, "--set", "train.max_epochs=8")

    def succeed(*arguments: str) -> tuple[str, str]:
        code, out, err = run(*arguments)
        assert code == 0, err
        return out, err

    return succeed


def a_short_history(path: Path) -> None:
    """186 readings of one sensor."""
    draw, place = np.random.default_rng(0), np.arange(186)
    level = np.sin(place / 12) + 0.1 * draw.standard_normal(186)
    pd.DataFrame({"time": pd.to_datetime(1_700_000_000 + 3600 * place, unit="s", utc=True), "level": level}).to_parquet(
        path, index=False
    )


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_short_history_trains_without_a_flag_and_its_strength_is_told_everywhere(
    narrows: Narrows, tmp_path: Path
) -> None:
    """In the page of `train`, in the manifest, in `models show`: the same summary; there, each kind by each size."""
    a_short_history(tmp_path / "short.parquet")
    out, err = narrows("train", "--data", "short.parquet")
    assert "W = 2, M = 2: 186 usable frames are too few for windows of 32" in err
    (manifest,) = (tmp_path / "registry").glob("*/versions/*/manifest.json")
    strength = json.loads(manifest.read_text())["metrics"]["strength"]
    assert (strength["verdict"], strength["strips"], strength["part"]) == ("fine", 27, "gate")
    assert set(strength["kinds"]) == set(KINDS)
    spike = strength["kinds"]["spike"]
    assert [step["size"] for step in spike["sizes"]] == list(SIZES["spike"])
    assert all(step["n"] == 27 for step in spike["sizes"])
    assert spike["sizes"][-1]["found"] == 1.0
    shown = narrows("models", "show")[0]
    assert narrows("models", "show", "--json")[0].count('"half_from"') == len(KINDS)
    for text in (out, shown):
        assert f"fine: {strength['said']}" in " ".join(text.split())
    lines = squeezed(shown)
    assert any(line.startswith("27 strips of 3 frames of the gate part") for line in lines)
    for row in msgspec.convert(strength, CapacityFacts).rows:
        assert " ".join(" ".join(row).split()) in lines
    assert "swap, share one sensor, and no other to swap it with - - -" in lines


def test_the_page_of_an_evaluation_shows_it_where_the_bundle_says_it(tmp_path: Path) -> None:
    """Share and size of each field, as text; a bundle that says nothing has no such part."""
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    silent = plain_bundle(tmp_path / "registry")
    asked = EvaluationOptions(tmp_path / "rows.parquet", LABELLED)
    evaluation = evaluate(silent, asked)
    assert "constrained enough" not in page(evaluation)
    sizes = tuple(InjectedSize(size, n=50, found=size / 10, given_back=0.25) for size in (0.5, 9.0))
    kinds = {
        "spike": InjectedKind("deviations", sizes, half_from=9.0, nine_tenths_from=9.0, why_none=None),
        "swap": InjectedKind("share", (), half_from=None, nine_tenths_from=None, why_none="one sensor"),
    }
    capacity = CapacityFacts("too strong", "<it> copies", "gate", 50, 3, None, None, None, 0.02, kinds)
    manifest = msgspec.structs.replace(silent.manifest, metrics=MetricFacts(capacity=capacity))
    shown = Page(page(dataclasses.replace(evaluation, bundle=dataclasses.replace(silent, manifest=manifest))))
    text = [piece.strip() for piece in shown.text]
    for piece in ("too strong: <it> copies", "spike, deviations", "0.5", "9", "5%", "90%", "swap, share", "one sensor"):
        assert piece in text
    nothing = CapacityFacts("not judged", "3 strips", None, None, None, None, None, None, None, {})
    manifest = msgspec.structs.replace(silent.manifest, metrics=MetricFacts(capacity=nothing))
    unjudged = page(dataclasses.replace(evaluation, bundle=dataclasses.replace(silent, manifest=manifest)))
    assert "not judged: 3 strips" in unjudged
