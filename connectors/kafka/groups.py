"""How far a consumer group has come, asked in a way that a broker which has just started can answer too."""

from collections.abc import Iterable
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

_TIMEOUT_S: Final = 10.0
_LOADED_WITHIN_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.1


def committed_offsets(
    admin: "AdminClient", group: str, places: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Returns what a group has committed, by topic and partition; not where that is nothing. Blocks.

    A broker that has just become the coordinator of a group loads it first, and refuses to tell of it meanwhile; the
    client passes the refusal on. So it is asked again for some seconds.

    What an open transaction commits is not in the answer: what was committed before it is. An answer that waits for the
    transaction would leave the partition out instead.

    Raises:
        KafkaException: no answer in time, or none for one of the partitions.
    """
    from confluent_kafka import (  # noqa: PLC0415 - only what talks to Kafka waits for librdkafka
        ConsumerGroupTopicPartitions,
        KafkaException,
        TopicPartition,
    )

    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])
    patient_until = monotonic() + _LOADED_WITHIN_S
    while True:
        (answer,) = admin.list_consumer_group_offsets([wanted], request_timeout=_TIMEOUT_S).values()
        try:
            found = answer.result()
        except KafkaException as refusal:
            if not _is_loading(refusal) or monotonic() > patient_until:
                raise
            sleep(_ASK_AGAIN_S)
        else:
            for at in found.topic_partitions:
                if at.error is not None:
                    raise KafkaException(at.error)  # left out, it would be taken for one without a commit
            return {(at.topic, at.partition): at.offset for at in found.topic_partitions if at.offset >= 0}


def _is_loading(refusal: "KafkaException") -> bool:
    from confluent_kafka import KafkaError  # noqa: PLC0415 - as above

    return refusal.args[0].code() in {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
