"""Changes that an administrator, or a tool of Kafka, makes to topics and groups."""

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.support.live import Live

SECONDS = 20.0


def configure(admin: AdminClient, topic: str, **settings: str) -> None:
    """Sets options of a topic; their names with underscores."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(SECONDS)


def delete_below(admin: AdminClient, topic: str, offsets: dict[int, int]) -> None:
    """Deletes the records below these offsets, by partition, as retention does."""
    partitions = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
    for done in admin.delete_records(partitions).values():
        done.result(SECONDS)


def committed(live: Live, admin: AdminClient) -> dict[int, int]:
    """Committed offsets by partition."""
    group = f"g-{live.input}"
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(SECONDS)
    return {tp.partition: tp.offset for tp in answer.topic_partitions}


def set_offsets(live: Live, admin: AdminClient, offsets: dict[int, int]) -> None:
    """Sets committed offsets without metadata, as kafka-consumer-groups.sh does; waits for the session to end."""
    group = f"g-{live.input}"

    def done() -> bool:
        partitions = [TopicPartition(live.input, number, offset) for number, offset in offsets.items()]
        answer = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, partitions)])[group]
        return all(tp.error is None for tp in answer.result(SECONDS).topic_partitions)

    live.wait(done, "the offsets set")
