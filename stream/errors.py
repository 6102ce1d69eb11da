"""The errors that narrows raises on purpose. All rooms import them.

A message says what was seen, what was expected, and what to do.
"""


class NarrowsError(Exception):
    """Root of all errors for users; the command line ends with `exit_code`."""

    exit_code = 1


class ConfigError(NarrowsError):
    """A wrong configuration or command line; lists every fault with its path."""

    exit_code = 2


class DataError(NarrowsError):
    """History that cannot be trained on or replayed: empty, unreadable, too short, no such column."""


class BundleError(NarrowsError):
    """A bundle that is missing, was altered, or does not fit the data."""


class StorageError(NarrowsError, OSError):
    """Storage of the registry that does not answer, refuses this process, or holds a file of unknown origin."""


class ShapeError(NarrowsError):
    """An array whose sizes differ from those the bundle was trained with."""


class BrokerError(NarrowsError):
    """A refusal by Kafka that a retry cannot fix: topic, permission, configuration."""


class FencedError(BrokerError):
    """Another process runs with the transactional identity of this one."""

    exit_code = 5


class GateError(NarrowsError):
    """A model that the gate refused for production."""

    exit_code = 4
