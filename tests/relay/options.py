"""What a relay process of the tests is told; a module of its own, so that the process starts quickly."""

import msgspec

PARTITIONS = 4
SLICE_SIZE = 2


class ProcessOptions(msgspec.Struct, frozen=True):
    """Where to relay from and to, and what to do wrong."""

    postgres_url: str
    bootstrap_servers: str
    topic_prefix: str
    publish_delay_s: float = 0.0
    plant: str = ""
