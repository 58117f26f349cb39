"""A bus that counts and forgets: for measuring what comes before it, and for running without a bus."""

from collections import Counter
from collections.abc import Sequence

from connectors.bus.errors import BusFailed
from connectors.bus.port import BusEvent


class NoopBus:
    """Takes everything while it is started.

    Attributes:
        published: how many events each topic got.
    """

    def __init__(self) -> None:
        self.published: Counter[str] = Counter()
        self._started = False

    async def start(self) -> None:
        """Events are counted from here on."""
        self._started = True

    async def stop(self) -> None:
        """Nothing is counted any more."""
        self._started = False

    async def publish(self, events: Sequence[BusEvent]) -> None:
        """The events are counted.

        Raises:
            BusFailed: the bus is not started.
        """
        if not self._started:
            raise BusFailed("the bus is not started: call start() first.")
        self.published.update(event.topic for event in events)
