"""What a relay process of the tests is told; a module of its own, so that the process starts quickly."""

from typing import TypedDict

import msgspec

PARTITIONS = 4
SLICE_SIZE = 2


class ProcessOptions(msgspec.Struct, frozen=True):
    """Where to relay from and to, and what to do wrong."""

    postgres_url: str
    bootstrap_servers: str
    topic_prefix: str
    publish_delay_s: float = 0.0
    status_interval_s: float = 0.01  # far below the usual: the more is confirmed, the more can be confirmed wrongly
    plant: str = ""


class Unusual(TypedDict, total=False):
    """What a test may ask for beside the defaults of `ProcessOptions`."""

    publish_delay_s: float
    status_interval_s: float
    plant: str
