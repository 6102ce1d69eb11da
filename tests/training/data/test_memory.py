"""Memory foreseen for a history, beside the memory that a machine and its control groups have left."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from stream.errors import DataError
from stream.intake.tables.formats.parquet import ParquetTable
from stream.intake.tables.reader import Hints, discover
from tests.support.commands import in_process
from training.data import memory

GB = 10**9


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """1,000 rows of two sensors."""
    time = pd.date_range("2025-01-01", periods=1000, freq="1min", tz="UTC")
    path = tmp_path / "history.parquet"
    pd.DataFrame({"time": time, "a": range(1000), "b": 0.5}).to_parquet(path, index=False)
    return path


def a_machine(root: Path, available_kb: int, groups: dict[str, dict[str, str]], own: str) -> Path:
    """Files as Linux shows them below `root`; `own`: the lines of the groups of this process."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available_kb} kB\nSwapFree: 1000 kB\n")
    (root / "proc/self/cgroup").write_text(own)
    for folder, files in groups.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True)
        for name, text in files.items():
            (root / "sys/fs/cgroup" / folder / name).write_text(text)
    return root


def test_the_least_of_machine_and_control_groups_is_free(tmp_path: Path) -> None:
    """Version 2: the parent's limit holds too, pages of files are given up; version 1 has other names."""
    second = {
        "a/b": {"memory.max": "max\n", "memory.current": "5\n"},
        "a": {"memory.max": "900000\n", "memory.current": "500000\n", "memory.stat": "anon 1\ninactive_file 100000\n"},
    }
    assert memory.free_memory(a_machine(tmp_path / "2", 9000, dict(reversed(second.items())), "0::/a/b\n")) == 500_000
    first = {"memory/a": {"memory.limit_in_bytes": "700000", "memory.usage_in_bytes": "400000"}}
    assert memory.free_memory(a_machine(tmp_path / "1", 9000, first, "4:memory:/a\n3:cpu:/a\n")) == 300_000
    assert memory.free_memory(a_machine(tmp_path / "no group", 9000, {}, "0::/\n")) == 10_000 * 1024
    assert memory.free_memory(tmp_path / "another system") is None


def test_more_than_is_free_is_refused_and_near_is_a_warning_both_with_the_numbers(
    history: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = discover(history, Hints())
    monkeypatch.setattr(memory, "PER_VALUE", 5_000_000)
    for free, said in ((50 * GB, 0), (12 * GB, 1), (None, 0)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        memory.foresee(history, layout)
        assert capsys.readouterr().err.count("warning: ") == said
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * GB)
    with pytest.raises(
        DataError,
        match=r"1,000 rows of 2 sensors need about 10 GB of memory, and 4 GB are free, enough for about 39% of it; ",
    ):
        memory.foresee(history, layout)


def test_text_is_weighed_by_its_size_before_it_is_parsed(
    tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.csv").write_text("time,a\n" * 100)
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    memory.foresee_text(history)
    with pytest.raises(DataError, match="MB of text need about"):
        memory.foresee_text(tmp_path / "history.csv")


def test_a_file_that_is_too_large_is_not_called_damaged(
    history: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arrow's error for memory is one of its errors for damage too."""

    def full(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 8000 failed")

    monkeypatch.setattr(ParquetTable, "batches", full)
    result = in_process(monkeypatch, capsys)("train", "--data", str(history), "--set", f"registry={history.parent}/r")
    assert result.code == 1
    assert "narrows: out of memory (malloc of size 8000 failed); give fewer columns" in result.err
    assert "damaged" not in result.err
