"""The port that the relay publishes through."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

Header = tuple[str, bytes]
Headers = tuple[Header, ...]


class BusEvent(NamedTuple):
    """One record for the bus. A named tuple, because a frozen dataclass costs 1 µs more for each of a batch's rows."""

    topic: str
    key: bytes
    partition: int
    value: bytes
    headers: Headers


class EventBus(Protocol):
    """A durable bus with an order for each (topic, key)."""

    async def start(self) -> None:
        """The bus can be published to afterwards.

        Raises:
            BusUnreachable: nobody answered in time.
        """

    async def stop(self) -> None:
        """All connections are closed afterwards; nothing more is sent."""

    async def publish(self, events: Sequence[BusEvent]) -> None:
        """Every event is durable afterwards, those of one (topic, key) in the order given, after all earlier ones.

        An event is not sent before all those ahead of it on its partition are durable, so whatever fails, what the
        bus holds of one publish is a prefix on each partition.

        Raises:
            BusError: some of the events may be durable and others not. The bus is of no more use: start a new one and
                publish again from the first event that is in doubt.
        """
