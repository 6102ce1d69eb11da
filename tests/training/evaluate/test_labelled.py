"""Labelled rows: odd ones have figures, and those that cannot be evaluated are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from stream.errors import BundleError, DataError
from stream.intake.tables.reader import Hints
from tests.support.options import train_options
from tests.support.plain_bundle import LABELLED, labelled_rows, normal_rows, plain_bundle
from training.evaluate import facts as evaluation_facts
from training.evaluate.evaluation import Evaluation, EvaluationOptions, evaluate
from training.evaluate.labelled import score_labelled
from training.evaluate.page import page
from training.evaluate.summary import sentences

SECOND = pd.Timedelta("1s")


def facts(of: Evaluation) -> dict[str, Any]:
    """The JSON of `narrows evaluate`."""
    plain: dict[str, Any] = msgspec.to_builtins(evaluation_facts.facts(of))
    return plain


ODD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "all labelled": (lambda rows: rows.assign(anomaly=1), "labels of each series are all alike"),
    "none labelled": (lambda rows: rows.assign(anomaly=0), "No row is labelled"),
    "labelled and late": (
        lambda rows: pd.concat(
            [rows.assign(anomaly=0), rows.iloc[[10]].assign(anomaly=1, time=rows["time"][10] + SECOND)]
        ),
        "1 labelled row made no frame (of all readings: 1 late): nothing can be said",
    ),
    "one frame": (lambda rows: rows.head(1), "No alert opened"),
    "never above": (lambda rows: rows.assign(s0=0.0, s1=0.0), "No alert opened"),
    "always above": (lambda rows: rows.assign(s0=9.0, s1=9.0), "2 more were met by an alert that was open before"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_rows_have_figures_words_and_a_page(odd: str, tmp_path: Path) -> None:
    change, said = ODD[odd]
    change(labelled_rows()).to_parquet(tmp_path / "rows.parquet", index=False)
    normal_rows().to_parquet(tmp_path / "history.parquet", index=False)
    history = train_options("plain", tmp_path / "history.parquet", tmp_path / "registry")
    asked = EvaluationOptions(tmp_path / "rows.parquet", LABELLED, None, history)
    found = evaluate(plain_bundle(tmp_path / "registry"), asked)
    assert said in " ".join(sentences(found))
    assert json.dumps(facts(found), allow_nan=False)
    assert page(found).endswith("</html>\n")


def test_rows_without_a_column_of_labels_are_refused(tmp_path: Path) -> None:
    bundle = plain_bundle(tmp_path / "registry")
    labelled_rows().drop(columns="anomaly").to_parquet(tmp_path / "rows.parquet", index=False)
    with pytest.raises(DataError, match=r"no column of labels; there are time .*name it as `input.label`"):
        score_labelled(bundle.definition, tmp_path / "rows.parquet", Hints())
    with pytest.raises(DataError, match="no file has the column 'anomaly', configured as label"):
        score_labelled(bundle.definition, tmp_path / "rows.parquet", LABELLED)


def test_rows_of_which_nothing_can_be_scored_are_refused(tmp_path: Path) -> None:
    bundle = plain_bundle(tmp_path / "registry", window=64)
    labelled_rows().groupby("series").head(50).to_parquet(tmp_path / "rows.parquet", index=False)
    with pytest.raises(
        DataError,
        match=r"not one of 150 frames has a score .* needs 64 frames in a row.* 'c': 0 of 50 frames",
    ):
        score_labelled(bundle.definition, tmp_path / "rows.parquet", LABELLED)


def test_rows_and_history_that_lack_a_sensor_are_refused(tmp_path: Path) -> None:
    bundle = plain_bundle(tmp_path / "registry")
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    narrow = labelled_rows().drop(columns="s1")
    narrow.to_parquet(tmp_path / "narrow.parquet", index=False)
    with pytest.raises(BundleError, match=r"missing \['s1'\]"):
        score_labelled(bundle.definition, tmp_path / "narrow.parquet", LABELLED)
    history = train_options("plain", tmp_path / "narrow.parquet", tmp_path / "registry")
    with pytest.raises(DataError, match=r"narrow.parquet: no column 's1'"):
        evaluate(bundle, EvaluationOptions(tmp_path / "rows.parquet", LABELLED, history=history))
