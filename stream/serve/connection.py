"""From settings to the broker and who we are: all that a client needs, and nothing that is slow to import."""

from stream.kafka.client import KafkaOptions
from stream.settings import Settings

MS_NS = 1_000_000


def kafka_options(settings: Settings) -> KafkaOptions:
    """Where the broker is and who we are."""
    topics, serve = settings.topics, settings.serve
    return KafkaOptions(
        group=settings.group,
        instance=settings.instance,
        input=topics.readings,
        alerts=topics.alerts,
        dead_letters=topics.dead_letters,
        state=topics.state,
        status=topics.status,
        scores=topics.scores,
        common=settings.kafka.connection(),
        transaction_timeout_ms=serve.transaction_timeout // MS_NS,
        session_timeout_ms=serve.session_timeout // MS_NS,
        feedback=topics.feedback,
    )
