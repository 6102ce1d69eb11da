"""Joins what a history and a topic tell to one configuration, a producer's example, and what is still to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.errors import ConfigError
from stream.settings import Settings
from stream.settings.starter import Guess, settings_of, with_given

if TYPE_CHECKING:  # Its import is heavy, and without a source nothing needs it.
    from stream.cli.starting.source import Source


@dataclass(frozen=True)
class Start:
    """A first configuration.

    Attributes:
        guesses: every setting that is written with a reason.
        warnings: sentences about what may be wrong.
        history, topic: the sources; None where they were not given.
        training: options that training needs beside the file, because history and topic name a column differently.
    """

    guesses: Sequence[Guess]
    warnings: Sequence[str]
    history: "Source | None"
    topic: "Source | None"
    training: Sequence[str] = ()

    def program(self, config: str) -> str:
        """A program that sends readings of the layout; `config` is the file that names it.

        Raises:
            ConfigError: there is no source whose layout it could have.
        """
        source = self.topic or self.history
        if source is None:
            raise ConfigError("--producer: no layout is known; add --from-file PATH or --from-topic TOPIC")
        from stream.cli.starting.producer import producer_program

        settings = settings_of(self.guesses)
        known = settings.input.sensors.keys()
        # A long reading may be of a sensor that is left out; a wide one has some that are not.
        examples = [one for one in source.look.examples if known & one.values.keys()]
        return producer_program(settings, config, examples)

    @property
    def hints(self) -> Sequence[str]:
        """Sentences about what is still open."""
        return [_FOR_KAFKA] if self.history is not None and self.topic is None else []


_FOR_KAFKA = (
    "for the stream, look at input.topic, kafka.bootstrap and input.series (empty: the key of a message names the "
    "asset), or let a topic tell: narrows init --from-file PATH --from-topic TOPIC --bootstrap HOST:PORT"
)


def start(settings: Settings, from_file: str | None, from_topic: str | None) -> Start:
    """Guesses a configuration from the sources that are given; `settings` stay as they are.

    Raises:
        DataError: a source cannot be understood, or the two have no sensor in common.
        BrokerError: the topic cannot be read.
    """
    if from_file is None and from_topic is None:
        return Start(with_given((), settings), (), None, None)
    from stream.cli.starting.agreement import Agreement, agree
    from stream.cli.starting.history import guess_from_history
    from stream.cli.starting.topic import guess_from_topic

    history = None if from_file is None else guess_from_history(from_file, settings.input.hints)
    topic = None if from_topic is None else guess_from_topic(settings, from_topic)
    sources = [source for source in (history, topic) if source is not None]
    agreement = Agreement.of(sources) if history is None or topic is None else agree(history, topic)
    warnings = [warning for source in sources for warning in source.warnings]
    guesses = with_given(agreement.guesses, settings)
    return Start(guesses, [*warnings, *agreement.warnings], history, topic, agreement.training)
