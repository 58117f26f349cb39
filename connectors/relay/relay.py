"""One shard's way from the log to the bus.

What it promises: every committed event gets to the bus, events of one key in commit order, perhaps more than once after
a crash. Why that holds:

- one batch at a time is on its way to the bus, and within it `EventBus.publish` lets no event past an earlier one of
  its partition, so whatever dies, each partition holds a prefix of what the log says;
- the log position is confirmed only when the batch and all before it are durable, so nothing is left out;
- one session at a time can read a slot. A frozen reader that wakes up again can only repeat what its successor has
  published or will publish, in the same order.

The next batch is read while one is under way. That is all that is held in memory: two batches of bounded size.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from connectors.bus.port import EventBus
from connectors.relay.envelope import Envelopes
from connectors.relay.metrics import ShardMetrics
from connectors.relay.pgoutput import Batch


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may get, before its last row is added."""

    max_events: int = (
        2_000  # what is under way then fits the processor's cache: a tenth less time a row than with 4,000
    )
    max_bytes: int = 4_000_000


class EventLog(Protocol):
    """What the relay reads; `ReplicationStream` in earnest."""

    async def read(self, *, max_events: int, max_bytes: int) -> Batch:
        """Waits for rows; a cancelled read loses none."""

    def confirm(self, lsn: int) -> None:
        """Everything up to here is durable on the bus."""


class Relay:
    """Carries one shard.

    Args:
        log: where events come from.
        bus: where they go; started.
        envelopes: makes the bus's records of rows.
        metrics: of the shard.
        limits: of one batch.
    """

    def __init__(
        self,
        log: EventLog,
        bus: EventBus,
        envelopes: Envelopes,
        metrics: ShardMetrics,
        limits: Limits,
    ) -> None:
        self._log = log
        self._bus = bus
        self._envelopes = envelopes
        self._limits = limits
        self._oldest_s: float | None = None
        self._metrics = metrics
        metrics.oldest_unconfirmed_seconds.set_function(lambda: self.oldest_unconfirmed_age_s)

    @property
    def oldest_unconfirmed_age_s(self) -> float:
        """Age of the oldest event that was read and is not confirmed, by its commit; 0 if there is none."""
        return max(time.time() - self._oldest_s, 0.0) if self._oldest_s is not None else 0.0

    async def carry(self, stop: asyncio.Event) -> None:
        """Carries events until `stop` is set; what was read by then is on the bus and confirmed.

        Raises:
            RelayError: the log cannot be read on.
            BusError: events are in doubt.
            Either way nothing is lost: another relay goes on from what was confirmed.
        """
        stopping = asyncio.create_task(stop.wait())
        reading = self._read()
        try:
            while True:
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    return
                batch = reading.result()
                if stop.is_set():
                    await self._publish(batch)
                    return
                reading = self._read()
                await self._publish(batch)
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    def _read(self) -> asyncio.Task[Batch]:
        return asyncio.create_task(self._log.read(max_events=self._limits.max_events, max_bytes=self._limits.max_bytes))

    async def _publish(self, batch: Batch) -> None:
        if batch.rows:
            self._oldest_s = batch.committed_at_s
            with self._metrics.batch_seconds.time():
                await self._bus.publish(self._envelopes(batch.rows))
            self._metrics.published.inc(len(batch.rows))
            self._oldest_s = None
        self._log.confirm(batch.end_lsn)
