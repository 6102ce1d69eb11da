"""NAB's and SKAB's scores of an evaluation, on rows whose scores are known by hand."""

import pytest

from tests.quality.published.benchmarks import all_detections, nab_facts, nab_scores, skab_counts, skab_facts
from tests.support.plain_bundle import plain_evaluation
from training.evaluate.evaluation import Evaluation
from training.metrics.floors import FLOORS


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The plain bundle on the three labelled series, beside floors that learned from noise."""
    return plain_evaluation(tmp_path_factory.mktemp("plain"))


def test_skab_and_nab_are_computed_of_ours(measured: Evaluation) -> None:
    ours, *_ = all_detections(measured)
    skab, nab = skab_counts(measured.truth, ours), nab_scores(measured.truth, ours)
    assert skab is not None
    assert (skab.true_alarms, skab.false_alarms, skab.true_rests, skab.missed) == (8, 2, 278, 12)
    assert set(nab) == {"standard", "low FP", "low FN"}
    opened, above = nab["standard"].opened, nab["standard"].above
    assert opened is not None
    assert above is not None
    assert (opened.windows, opened.found, opened.false, above.false) == (2, 1, 1, 2)
    assert nab["standard"].oracle.raw >= above.raw, "the best of all thresholds on frames"
    assert skab_facts(skab) == {**vars(skab), "f1": skab.f1, "far": skab.far, "mar": skab.mar}
    assert nab_facts(nab)["standard"]["opened"] == vars(opened)


def test_floors_have_the_scores_too_and_the_one_that_is_always_on_alarms_in_every_whole_frame(
    measured: Evaluation,
) -> None:
    names = [one.name for one in all_detections(measured)]
    assert names == ["narrows", *FLOORS] == [one.name for one in measured.figures]
    (always,) = (one for one in all_detections(measured) if one.name == "always on")
    skab = skab_counts(measured.truth, always)
    assert skab is not None
    assert (skab.true_alarms, skab.false_alarms, skab.true_rests) == (10, 190, 90)
