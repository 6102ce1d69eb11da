"""Connection to the broker, made from the settings. It imports nothing slow, for commands that only ask the broker."""

from stream.kafka.client import KafkaOptions
from stream.settings import Settings
from stream.settings.run_faults import check_run

MS_NS = 1_000_000


def kafka_options(settings: Settings) -> KafkaOptions:
    """Options of every Kafka client: the broker, the group, the instance, the topics.

    Durations are ns in the settings and ms here, as the client takes them.

    Raises:
        SettingsError: login, files or paths with which nothing can be read.

    `common` holds passwords in clear text: for a client, never for a log.
    """
    check_run(settings)
    topics, serve = settings.topics, settings.serve
    return KafkaOptions(
        group=settings.group,
        instance=settings.instance,
        input=topics.readings,
        alerts=topics.alerts,
        dead_letters=topics.dead_letters,
        state=topics.state,
        status=topics.status,
        open_incidents=topics.open_incidents,
        mutes=topics.mutes,
        scores=topics.scores,
        common=settings.kafka.connection(),
        transaction_timeout_ms=serve.transaction_timeout // MS_NS,
        session_timeout_ms=serve.session_timeout // MS_NS,
        feedback=topics.feedback,
    )
