"""Everything narrows raises on purpose. Imported by all rooms, imports none.

A message says what was seen, what was expected, and what to do: its reader has no debugger.
"""


class NarrowsError(Exception):
    """Root of what a user may meet; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigError(NarrowsError):
    """The configuration or the command line is wrong; lists every fault with its path."""

    exit_code = 2


class DataError(NarrowsError):
    """History that cannot be trained on or replayed: empty, unreadable, too short, no such column."""


class BundleError(NarrowsError):
    """A bundle that is missing, tampered with, or does not fit the data it is pointed at."""


class StorageError(NarrowsError, OSError):
    """The storage of the registry does not answer, refuses this process, or holds what nobody wrote there."""


class ShapeError(NarrowsError):
    """An array whose sizes differ from those the bundle was trained with."""


class BrokerError(NarrowsError):
    """Kafka said no in a way that waiting does not mend (topic, permission, configuration)."""


class FencedError(BrokerError):
    """Another process runs with this process's transactional identity."""

    exit_code = 5


class GateError(NarrowsError):
    """A model that may not go to production: it was judged, and refused."""

    exit_code = 4
