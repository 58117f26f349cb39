"""What a relay process of the tests is told; a module of its own, so that the process starts quickly."""

from typing import Literal, TypedDict

import msgspec

PARTITIONS = 4
SLICE_SIZE = 2
Moment = Literal["before it is sent", "before it is confirmed"]
"""Of a batch: nothing of it is on the bus; all of it is, and PostgreSQL does not know."""


class ProcessOptions(msgspec.Struct, frozen=True):
    """Where to relay from and to, and what to do wrong."""

    postgres_url: str
    bootstrap_servers: str
    topic_prefix: str
    hold_at: Moment | None = None  # where it waits for ever, to be killed
    hold_after: int = 0  # how many batches it carries before
    status_interval_s: float = 0.01  # far below the usual: the more is confirmed, the more can be confirmed wrongly
    plant: str = ""


class Unusual(TypedDict, total=False):
    """What a test may ask for beside the defaults of `ProcessOptions`."""

    hold_at: Moment
    hold_after: int
    status_interval_s: float
    plant: str
