"""Bundle swaps: which bundle is to be served, and how live partitions change over to it."""

from collections.abc import Callable

from stream.detect.definition import Definition
from stream.events.detector_events import BundleRefused
from stream.events.status_event import StatusEvent
from stream.intake.decode import Decoder
from stream.kafka import failpoints
from stream.kafka.assignment import Assignment
from stream.kafka.commit.transaction import RolledBackError, Transaction
from stream.kafka.partition import Partition
from stream.serve.served_bundle import BundleSource

# Share of the transaction timeout that one commit of a swap may take.
SWAP_SHARE = 0.7
MAX_SWAPS = 5


class BundleSwap:
    """Follows the bundle source, and moves one partition per turn to the bundle that is to be served.

    Args:
        source: where the bundle to serve is looked up.
        make_decoder: makes a decoder for the sensors of a definition.
        commit: commits all progress, or marks it for roll-back; takes the time limit in seconds.
        report: takes status events for the next commit.
        transaction_timeout_s: after so long the broker aborts a transaction.

    Attributes:
        definition: of the bundle to serve.
    """

    def __init__(
        self,
        source: BundleSource,
        definition: Definition,
        make_decoder: Callable[[Definition], Decoder],
        assignment: Assignment,
        transaction: Transaction,
        commit: Callable[[float], None],
        report: Callable[[StatusEvent], None],
        clock: Callable[[], float],
        transaction_timeout_s: float,
    ) -> None:
        self.definition = definition
        self._source = source
        self._make_decoder = make_decoder
        self._assignment = assignment
        self._transaction = transaction
        self._commit = commit
        self._report = report
        self._clock = clock
        # The snapshots of everything that has changed may be much: take almost the time that the broker allows.
        self._commit_s = SWAP_SHARE * transaction_timeout_s
        self._looked_up_at = clock()
        self._failures = 0
        # A swap (from version, to version) that has failed too often to be tried again.
        self._refused: tuple[str, str] | None = None

    def decoder(self) -> Decoder:
        """A decoder for the bundle to serve."""
        return self._make_decoder(self.definition)

    def look_up_every(self, seconds: float) -> None:
        """Looks up which bundle is to be served, unless that was done less than `seconds` ago."""
        if self._clock() - self._looked_up_at >= seconds:
            self.look_up()

    def look_up(self) -> None:
        """Looks up which bundle is to be served."""
        self._looked_up_at = self._clock()
        self.definition, refused = self._source.current()
        if refused is not None:
            self._report(refused)

    def of_version(self, version: str) -> tuple[Definition, Decoder]:
        """Bundle of a version that a partition was scored with; the one to serve, if that version is gone.

        Looks up the bundle to serve first: another process may have seen a newer one before.
        """
        self.look_up()
        definition = self._source.version(version) or self.definition
        return definition, self._make_decoder(definition)

    def swap_one(self) -> None:
        """Moves one live partition to the bundle that is to be served, if there is one with another bundle.

        1. Commits all progress, with a snapshot of everything in the partition that has changed.
        2. Takes the new bundle, with a status event, and commits.

        A crash before the end of 2 leaves the old bundle in force, a crash after it the new one. A swap that fails
        `MAX_SWAPS` times in a row is refused: the old bundle goes on.
        """
        partition = self._next_partition()
        if partition is None or self._assignment.has_rolled_back():
            return
        swap = (partition.definition.stamp, self.definition.stamp)
        try:
            self._transaction.begin()
            partition.require_all_snapshots()
            self._commit(self._commit_s)
            failpoints.at("swapping")
            if not self._assignment.has_rolled_back():
                partition.swap(self.definition, self.decoder())
                self._transaction.begin()
                self._commit(self._commit_s)
                failpoints.at("swapped")
        except RolledBackError:
            self._assignment.roll_back()
        self._failures = self._failures + 1 if self._assignment.has_rolled_back() else 0
        if self._failures == MAX_SWAPS:
            self._refuse(swap)

    def _next_partition(self) -> Partition | None:
        version = self.definition.stamp
        for partition in self._assignment.partitions.values():
            served = partition.definition.stamp
            if partition.is_live and served != version and (served, version) != self._refused:
                return partition
        return None

    def _refuse(self, swap: tuple[str, str]) -> None:
        self._refused, self._failures = swap, 0
        old, new = swap
        message = f"taking {new} over failed {MAX_SWAPS} times in a row; see the log for transaction.failed"
        self._report(BundleRefused(new, old, message=message))
