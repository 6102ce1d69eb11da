"""Drawn histories go through init, train, replay and evaluate: no traceback, counts that add up, no silent loss."""

from pathlib import Path

import pytest

from tests.histories.journey import travel
from tests.histories.kinds import drawn
from tests.support.commands import in_process


@pytest.mark.parametrize("seed", range(6))
def test_every_row_of_a_drawn_history_is_counted_and_nothing_is_lost_in_silence(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m tests.histories FIRST LAST` does the same for other seeds."""
    monkeypatch.chdir(tmp_path)
    assert travel(drawn(seed), tmp_path, in_process(monkeypatch, capsys)) == ""


def test_the_seeds_of_every_run_draw_one_of_each_kind_that_matters() -> None:
    kinds = [drawn(seed) for seed in range(6)]
    assert len({kind.times for kind in kinds}) > 3
    assert len({kind.files for kind in kinds}) > 2
    assert len({kind.order for kind in kinds}) > 2
