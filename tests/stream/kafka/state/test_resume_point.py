"""The start of a partition after anything that retention, tools and accidents do to topics and offsets."""

from typing import Any

import pytest

from stream.detect.frames.clock import NEVER
from stream.kafka.state.resume_point import NO_LIMIT, PartitionOffsets, ResumePoint, resume_point_of
from stream.kafka.state.state_topic import FORMAT, CommitMetadata

KNOWN = CommitMetadata(
    format=FORMAT,
    replay_from=60,
    state_start=5,
    state_end=17,
    stream_time=1234,
    topic_id="topic-1",
    instance="one",
    bundle="v1",
)


def found(**changes: Any) -> PartitionOffsets:
    given: dict[str, Any] = {
        "partition": 0,
        "committed": 100,
        "metadata": KNOWN,
        "low": 0,
        "high": 200,
        "topic_id": "topic-1",
    }
    return PartitionOffsets(**({"state_end": 30} | given | changes))


def test_replay_begins_at_r_and_ends_at_c_with_the_snapshots_below_l() -> None:
    assert resume_point_of(found()) == ResumePoint(60, 100, 5, 17, "topic-1", 1234, "v1")


def test_a_group_without_an_offset_begins_at_the_oldest_record_and_leaves_old_snapshots_alone() -> None:
    assert resume_point_of(found(committed=None, metadata=None, low=7)) == ResumePoint(7, 7, 30, 30, "topic-1")


def test_an_offset_set_by_a_tool_goes_on_with_the_snapshots_that_are_not_newer() -> None:
    assert resume_point_of(found(metadata=None)) == ResumePoint(
        100, 100, 0, NO_LIMIT, "topic-1", NEVER, gap_before=100, log_truncated=True
    )


def test_where_retention_has_deleted_r_the_rest_is_replayed() -> None:
    point = resume_point_of(found(low=80))
    assert (point.replay_from, point.committed, point.lost) == (80, 100, 0)


def test_where_retention_has_deleted_c_the_lost_messages_are_counted() -> None:
    point = resume_point_of(found(low=130))
    assert (point.replay_from, point.committed, point.lost) == (130, 130, 30)
    (event,) = point.status_events()
    assert (event.kind, event.details) == ("data.readings_lost", {"lost": 30})


def test_a_topic_made_anew_is_read_from_its_beginning_even_where_it_has_grown_past_c() -> None:
    assert resume_point_of(found(topic_id="topic-2", high=5_000)) == ResumePoint(0, 0, 30, 30, "topic-2")


def test_without_a_topic_id_of_the_broker_the_known_one_is_kept() -> None:
    assert resume_point_of(found(topic_id="")) == ResumePoint(60, 100, 5, 17, "topic-1", 1234, "v1")


@pytest.mark.parametrize("high", [70, 40])
def test_a_truncated_topic_goes_on_at_its_end(high: int) -> None:
    point = resume_point_of(found(high=high))
    assert (point.replay_from, point.committed, point.lost) == (min(60, high), high, 0)
