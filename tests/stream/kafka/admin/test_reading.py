"""Messages that wait and that nobody reads are a failure of `doctor`; those of a process that is behind, a warning."""

import pytest

from stream.kafka.admin.fleet import PartitionStatus
from stream.kafka.admin.live_checks import WAITS_SECONDS, check_reading

LONG = WAITS_SECONDS + 1


def partition(number: int, lag_s: float | None, owner: str | None, committed: int | None = 5) -> PartitionStatus:
    return PartitionStatus(
        partition=number, owner=owner, committed=committed, end=8, lag=3 if lag_s else 0, lag_s=lag_s,
        committed_at=None if committed is None else "2026-03-07T12:00:00Z", instance="one", bundle="v1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "outcomes"),
    [
        ([partition(0, 0.0, "one"), partition(1, 0.0, None)], []),
        ([partition(0, WAITS_SECONDS, None)], []),
        ([partition(0, LONG, None), partition(1, None, None)], ["failure"]),
        ([partition(0, LONG, "one")], ["warning"]),
        ([partition(0, LONG, "one"), partition(1, LONG, None)], ["failure", "warning"]),
        ([partition(0, LONG, None, None), partition(1, LONG, None, None)], []),
        ([partition(0, LONG, None, None), partition(1, LONG, None)], ["failure"]),
    ],
)
def test_what_waits_is_a_fault_once_a_service_has_run(statuses: list[PartitionStatus], outcomes: list[str]) -> None:
    assert [result.outcome for result in check_reading(statuses)] == outcomes


def test_the_line_says_how_much_waits_since_when_and_what_to_do() -> None:
    (result,) = check_reading([partition(0, 3601.0, None), partition(2, 90.0, None)])
    assert result.seen == (
        "nobody reads partitions [0, 2]: 6 messages wait, the oldest for 3,601 s; the last commit was at "
        "2026-03-07T12:00:00Z"
    )
    assert "start `narrows run`" in result.do
