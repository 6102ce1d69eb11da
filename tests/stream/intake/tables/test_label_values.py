"""The values of a column of labels: understood, or asked for."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream.errors import DataError
from stream.intake.tables.labels import is_label_name, label_column
from stream.intake.tables.reader import Hints, discover, read
from tests.stream.intake.tables.test_reader import stamps, write


def labels(tmp_path: Path, values: Any, *anomalous: bool | float | str) -> list[bool]:
    path = write(tmp_path / "p.parquet", {"time": stamps(*range(len(values))), "x": [1.0] * len(values), "bad": values})
    layout = discover(path, Hints(label="bad", anomalous=anomalous))
    return [label for batch in read(path, layout) if batch.labels is not None for label in batch.labels.tolist()]


@pytest.mark.parametrize(
    "values",
    [
        [False, True, None],
        pa.array([0, 1, None], pa.int8()),
        [0.0, 1.0, float("nan")],
        [Decimal(0), Decimal(1), None],
        ["0", "1", None],
        ["Normal", "Attack", None],
        pa.array(["ok", "bearing broken", None]).dictionary_encode(),
        ["FALSE", "true", "False"],
        ["No", "Yes", "no "],
        ["benign", "DoS", "Benign"],
    ],
)
def test_true_one_and_the_word_beside_normal_are_anomalous(tmp_path: Path, values: Any) -> None:
    assert labels(tmp_path, values) == [False, True, False]


@pytest.mark.parametrize(
    ("values", "proposed"),
    [
        ([1, 1, -1], r"\[-1\]"),
        ([0, 2, 0], r"\[2\]"),
        ([2.5, 2.5, 3.5], r"\[3.5\]"),
        ([3, 3, 3], r"\[3\]"),
        (["Normal", "Attack", "A ttack"], r"\[Attack, A ttack\]"),
        (["run", "run", "stop"], r"\[stop\]"),
        (["stop", "stop", "stop"], r"\[stop\]"),
        (["ok", "good", "ok"], r"\[good\]"),
    ],
)
def test_other_values_are_refused_with_the_setting_and_read_with_it(
    tmp_path: Path, values: list[Any], proposed: str
) -> None:
    with pytest.raises(
        DataError, match=rf"the label 'bad' has .* in \d rows?.*, such as `input.anomalous: {proposed}`"
    ):
        labels(tmp_path, values)
    assert labels(tmp_path, values, values[2]) == [value == values[2] for value in values]


def test_words_for_an_anomaly_need_no_normal_beside_them(tmp_path: Path) -> None:
    assert labels(tmp_path, ["attack", "attack"]) == [True, True]
    assert labels(tmp_path, ["normal", None]) == [False, False]
    assert labels(tmp_path, [1, 2, 3, 4], 3, "4") == [False, False, True, True]


@pytest.mark.parametrize(
    "name",
    [
        *("attack", "attack_P1", "Normal/Attack", "is_fault", "isFault", "Machine failure", "FAULT", "Anomalies"),
        *("y_label", "outlierFlag", "failed", "changepoint", "label2", "Attack-1", "anomaly.score"),
    ],
)
def test_a_word_for_a_label_makes_a_column_no_sensor(tmp_path: Path, name: str) -> None:
    assert is_label_name(name)
    path = write(tmp_path / "p.parquet", {"time": stamps(0), "x": [1.0], name: [0]})
    layout = discover(path)
    assert layout.sensors == ("x",)
    assert "named like a label" in layout.why[f"left out: {name}"]
    assert set(discover(path, Hints(sensors=["x", name])).sensors) == {"x", name}


@pytest.mark.parametrize("name", ["default_flow", "DefaultTemp", "failover", "labelling_speed", "normal_force", "flow"])
def test_a_part_of_another_word_is_none(name: str) -> None:
    assert not is_label_name(name)


def test_several_columns_that_may_be_the_label_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"time": stamps(0), "x": [1.0], "pump_fault": [0], "valve_fault": [0]})
    with pytest.raises(DataError, match=r"named like labels: pump_fault, valve_fault; .*`input.label: pump_fault`"):
        label_column(path)
    one = write(tmp_path / "q.parquet", {"time": stamps(0), "x": [1.0], "pump_fault": [0], "changepoint": [0]})
    assert label_column(one) == "pump_fault"


def test_marked_rows_that_nothing_keeps_out_of_training_are_doubted(tmp_path: Path) -> None:
    columns = {"time": stamps(0, 1), "x": [1.0, 2.0], "pump_fault": [0, 1], "fault_kind": ["a", "b"], "attack": [0, 0]}
    path = write(tmp_path / "p.parquet", columns)
    (doubt,) = discover(path).doubts
    assert "'pump_fault' has 0 in 1 row, 1 in 1 row" in doubt
    assert "'fault_kind' has 'a' in 1 row" in doubt
    assert "every row counts as normal" in doubt
    assert not discover(path, Hints(label="attack")).doubts
    (half,) = discover(write(tmp_path / "h.parquet", {**columns, "attack": [1, 1]}), Hints(label="attack")).doubts
    assert "2 of 2 rows are labelled anomalous by 'attack'" in half


def test_a_column_whose_words_say_that_a_machine_is_well_looks_like_a_label(tmp_path: Path) -> None:
    columns = {"time": stamps(0, 1, 2), "x": [1.0, 2.0, 3.0]}
    path = write(tmp_path / "x.parquet", columns | {"etat": ["normal", "panne", "normal"], "mode": ["on", "off", "on"]})
    [doubt] = discover(path).doubts
    assert doubt.startswith("'etat' has 'normal' in 2 rows, 'panne' in 1 row; it looks like a label")
    assert doubt.endswith("`input.label: etat` keeps marked rows out of training")
    assert discover(path, Hints(label="etat")).doubts == ()
    many = write(tmp_path / "y.parquet", columns | {"state": ["normal", "eco", "boost"]})
    assert discover(many).doubts == ()


def test_a_label_that_marks_every_row_is_questioned_with_what_to_write(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"time": stamps(0, 1), "x": [1.0, 2.0], "label": [1, 1]})
    [doubt] = discover(path).doubts
    assert "all rows are labelled anomalous: 'label' has 1 in 2 rows; write `input.label: label` and" in doubt
    assert "such as `input.anomalous: [0]`" in doubt
