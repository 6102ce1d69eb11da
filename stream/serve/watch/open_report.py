"""Open report: something about the whole process that was reported and not taken back yet.

The commits of all partitions carry the names of open reports. So the next process neither repeats a report nor forgets
to take it back, and a report that an operator has acted on ends.
"""

from collections.abc import Collection

from stream.kafka.partition import Partition


class OpenReport:
    """One report, by its name in the commits.

    Attributes:
        is_open: it was reported by this process, or by an earlier one that had one of these partitions.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.is_open = False

    def carry(self, partitions: Collection[Partition], is_committed: bool) -> None:
        """Takes over what the partitions bring, and makes their next commit carry whether the report is open.

        Args:
            is_committed: no event of the process waits for its commit. While one waits, what a partition brings from
                its last commit is out of date.
        """
        live = [partition for partition in partitions if partition.is_live]
        if is_committed and not self.is_open:
            self.is_open = any(self._name in partition.reports for partition in live)
        for partition in live:
            if (self._name in partition.reports) != self.is_open:
                partition.reports ^= {self._name}
                partition.needs_commit = True
