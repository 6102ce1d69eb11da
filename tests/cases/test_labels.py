"""Labels are understood, and said; or refused with the setting to write. No column of labels is a sensor."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows, Result

SENSORS = ["flow", "pressure", "temp"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels") / "registry"


@pytest.fixture
def evaluated(case: MakeCase, narrows: Narrows, registry: Path) -> "Evaluated":
    """Evaluates the bundle of the case, which is trained once, on a file."""
    shared = ("--set", f"registry={registry}", "--set", "detector=labels")
    folder = case("c07_labels")
    if not registry.exists():
        trained = narrows("train", "--data", f"{folder}/train_attack.parquet", *QUICK, "--json", *shared)
        assert trained.code == 0
        assert trained.data["sensors"] == SENSORS
        assert "left out: attack_P1 (named like a label" in trained.err
        assert "too short to promise" in trained.err
        assert trained.err.count("warning") == 1
    return Evaluated(narrows, folder, shared)


class Evaluated:
    """Runs a command with the bundle of the case on one of its files."""

    def __init__(self, narrows: Narrows, folder: Path, shared: tuple[str, ...]) -> None:
        self._narrows, self._folder, self._shared = narrows, folder, shared

    def __call__(self, name: str, *more: str, command: str = "evaluate") -> Result:
        return self._narrows(command, "--data", f"{self._folder}/{name}.parquet", "--json", *self._shared, *more)


@pytest.mark.parametrize(
    ("name", "more", "label"),
    [
        ("plain", (), "label, 120 of 2,000 rows are anomalous: 0 in 1,880 rows, 1 in 120 rows"),
        ("swat", (), "Normal/Attack, 120 of 2,000 rows are anomalous: 'Normal' in 1,880 rows, 'Attack' in 120 rows"),
        ("hai", (), "attack, 120 of 2,000 rows are anomalous"),
        ("sk", ("--set", "input.anomalous=[-1]"), "label, 120 of 2,000 rows are anomalous: 1 in 1,880 rows"),
    ],
)
def test_two_kinds_of_value_are_understood_and_said(
    evaluated: Evaluated, name: str, more: tuple[str, ...], label: str
) -> None:
    """All four files have the same 120 anomalous rows, in two events."""
    result = evaluated(name, *more)
    assert result.code == 0
    assert f"label: {label}" in result.err
    assert "warning" not in result.err
    assert result.data["detectors"][0]["all"]["events"] == 2


def test_labels_that_do_not_say_which_of_them_is_normal_are_refused_with_the_setting(evaluated: Evaluated) -> None:
    refused = evaluated("sk")
    assert (refused.code, refused.out) == (1, "")
    assert "the label 'label' has 1 in 1,880 rows, -1 in 120 rows" in refused.err
    assert "such as `input.anomalous: [-1]`" in refused.err


def test_more_than_half_of_all_rows_anomalous_is_a_warning(evaluated: Evaluated) -> None:
    questioned = evaluated("sk", "--set", "input.anomalous=[1]")
    assert questioned.code == 0
    wanted = "1,880 of 2,000 rows are labelled anomalous by 'label'"
    (note,) = [note for note in questioned.data["notes"] if note.startswith(wanted)]
    assert f"sk.parquet: {note}\n" in questioned.err


def test_replay_says_that_labels_are_left_out_and_training_that_marked_rows_are_learned(
    evaluated: Evaluated, narrows: Narrows
) -> None:
    replayed = evaluated("hai", command="replay")
    assert replayed.code == 0
    assert "left out: attack, named like a label\nleft out: attack_P1, named like a label\n" in replayed.err
    trained = evaluated("hai", *QUICK, "--set", "detector=marked", command="train")
    (doubt,) = trained.data["data"]["doubts"]
    assert f"hai.parquet: {doubt}\n" in trained.err
    assert "`input.label: attack` keeps marked rows out of training" in doubt
    kept = evaluated("hai", *QUICK, "--set", "detector=kept", "--set", "input.label=attack", command="train")
    assert (kept.data["data"]["labelled"], kept.data["data"].get("doubts")) == (120, None)


def test_init_writes_the_label_and_what_in_it_means_anomalous(case: MakeCase, narrows: Narrows) -> None:
    written = {}
    for name in ("sk", "hai", "swat"):
        assert narrows("init", "--from-file", f"{case('c07_labels')}/{name}.parquet", "--force").code == 0
        given = yaml.safe_load(Path("narrows.yaml").read_text("utf-8"))["input"]
        assert given["sensors"] == SENSORS
        written[name] = given["label"], given.get("anomalous"), given.get("exclude")
    assert written == {
        "sk": ("label", [-1], None), "hai": ("attack", None, ["attack_P1"]), "swat": ("Normal/Attack", None, None),
    }  # fmt: skip


def test_init_writes_no_label_that_marks_every_row_and_what_it_says_to_write_works(
    case: MakeCase, narrows: Narrows, tmp_path: Path
) -> None:
    table = pq.read_table(case("c07_labels") / "train_attack.parquet").drop_columns(["attack_P1"])
    ones = pa.array([1] * len(table))
    pq.write_table(table.append_column("label", ones), tmp_path / "h.parquet")
    started = narrows("init", "--from-file", "h.parquet")
    assert "`input.label` is not written, because with it all rows are labelled anomalous: 'label' has" in started.err
    assert "label" not in yaml.safe_load((tmp_path / "narrows.yaml").read_text())["input"]
    label = ("--set", "input.label=label")
    refused = narrows("train", "--data", "h.parquet", *QUICK, *label)
    assert refused.code == 1
    assert "narrows: h.parquet: all rows are labelled anomalous: 'label' has 1 in" in refused.err
    assert narrows("train", "--data", "h.parquet", *QUICK, *label, "--set", "input.anomalous=[0]").code == 0
