"""Mutes in force: the topic of mutes, and bundles whose maintenance has them added."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from stream.detect.definition import Definition
from stream.errors import BrokerError
from stream.events.detector_events import BundleRefused
from stream.events.people.mute import MuteRecord, in_force, parse_mute
from stream.kafka.client import KafkaOptions
from stream.kafka.topic_reader import TopicReader, TopicRecord
from stream.serve.served_bundle import BundleSource

log = structlog.get_logger()

# The broker answers this late where there is nothing new.
WAIT_MS = 500


class MuteTopic:
    """The records of the topic of mutes, read to its end at first, and from there on as they come.

    Raises:
        BrokerError: it cannot be read.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._records: list[MuteRecord] = []
        self._fault = ""
        self._reader = TopicReader(options.common, options.mutes, wait_ms=WAIT_MS, group=options.group)
        for record in self._reader.to_end():
            self._add(record)

    def records(self) -> Sequence[MuteRecord]:
        """All records so far."""
        try:
            for record in self._reader.take(seconds=0):
                self._add(record)
            self._fault = ""
        except BrokerError as fault:
            if str(fault) != self._fault:
                log.warning("mutes.unreadable", error=str(fault), effect="the mutes so far stay in force")
            self._fault = str(fault)
        return self._records

    def _add(self, record: TopicRecord) -> None:
        """Adds a record; one that is no mute is told, and passed over. Those of other partitions have no order."""
        if record.partition == 0:
            try:
                self._records.append(parse_mute(record.offset, record.key or b"", record.value))
            except (msgspec.MsgspecError, ValueError) as fault:
                log.error("mute.refused", offset=record.offset, error=str(fault), do="give it with `narrows mute`")


class MutedBundles:
    """The bundles of a source, with the mutes of a topic as maintenance.

    A stamp names both, so a replay scores with the mutes that were in force.
    """

    def __init__(self, source: BundleSource, mutes: MuteTopic) -> None:
        self._source = source
        self._mutes = mutes

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """The definition that the source serves, with the mutes that are in force now."""
        definition, refused = self._source.current()
        return muted(definition, self._mutes.records()), refused

    def version(self, stamp: str) -> Definition | None:
        """The definition of a stamp, with the mutes that were in force then; raises as the source does."""
        version, _, revision = stamp.partition("~")
        definition = self._source.version(version)
        if definition is None:
            return None
        return muted(definition, self._mutes.records(), int(revision) if revision.isdecimal() else 0)


def muted(definition: Definition, records: Sequence[MuteRecord], end: int | None = None) -> Definition:
    """The definition with the mutes of all records, or of those before offset `end`."""
    mutes, revision = in_force(records, end)
    if not revision:
        return definition
    spans = (*definition.policy.maintenance, *(mute.span for mute in mutes))
    policy = msgspec.structs.replace(definition.policy, maintenance=spans)
    return replace(definition, policy=policy, revision=revision, muted=tuple(mute.series for mute in mutes))
