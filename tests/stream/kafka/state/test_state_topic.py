"""The metadata of a commit keeps its one-letter names on the wire: commits of older versions are read."""

import pytest

from stream.kafka.state.state_topic import CommitMetadata, decode_metadata, encode_metadata

# As written by the version that had one-letter names in the code, too.
OLD = '{"f":1,"r":60,"s":5,"l":17,"t":1772881925000000000,"i":"x2Fq","o":"one","b":"pump-1","h":42}'
READ = CommitMetadata(
    format=1,
    replay_from=60,
    state_start=5,
    state_end=17,
    stream_time=1_772_881_925_000_000_000,
    topic_id="x2Fq",
    instance="one",
    bundle="pump-1",
    gap_before=42,
)


def test_metadata_of_an_older_version_is_read() -> None:
    assert decode_metadata(OLD) == READ


def test_metadata_is_written_as_older_versions_read_it() -> None:
    assert encode_metadata(READ, 0) == OLD


def test_metadata_from_before_gaps_were_noted_has_none() -> None:
    oldest = decode_metadata(OLD.replace(',"h":42', ""))
    assert oldest is not None
    assert oldest.gap_before == 0


@pytest.mark.parametrize("text", [None, "", "{}", "reset by hand", OLD.replace('"f":1', '"f":2')])
def test_metadata_of_a_tool_or_another_format_is_not_ours(text: str | None) -> None:
    assert decode_metadata(text) is None
