"""How far consumer groups have come, asked without a line of the product."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

NO_COORDINATOR_YET = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
_KNOWN_WITHIN_S = 60.0
_ASK_AGAIN_S = 0.05


def committed_offsets(bootstrap_servers: str, group: str) -> dict[int, int]:
    """Returns how far a group has come on its topic; asks until its coordinator has loaded it."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    deadline = time.monotonic() + _KNOWN_WITHIN_S
    while True:
        [answer] = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        try:
            return {one.partition: one.offset for one in answer.result(_KNOWN_WITHIN_S).topic_partitions or []}
        except KafkaException as error:
            if error.args[0].code() not in NO_COORDINATOR_YET or time.monotonic() > deadline:
                raise
            time.sleep(_ASK_AGAIN_S)
