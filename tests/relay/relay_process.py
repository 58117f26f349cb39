"""A relay process for the tests: told what to carry on standard input, with the bugs that a test plants."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import msgspec

import connectors.relay.replication
import connectors.relay.run
from connectors.bus.kafka import KafkaBus
from connectors.bus.port import BusEvent
from connectors.relay.pgoutput import Batch
from connectors.relay.relay import Limits, Relay
from connectors.relay.run import RelaySettings, serve_relay
from tests.relay.options import PARTITIONS, SLICE_SIZE, ProcessOptions


class ConfirmsBeforeTheAck(Relay):
    """The planted bug: the position moves on while the events are still on their way."""

    async def _publish(self, batch: Batch) -> None:
        self._log.confirm(batch.end_lsn)
        await asyncio.sleep(0)
        await super()._publish(batch)


class SlowBus(KafkaBus):
    """Leaves time to be killed between reading and publishing, and between publishing and confirming."""

    delay_s = 0.0

    async def publish(self, events: Sequence[BusEvent]) -> None:
        """Publishes between two pauses."""
        await asyncio.sleep(self.delay_s)
        await super().publish(events)
        await asyncio.sleep(self.delay_s)


def main() -> int:
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=ProcessOptions)
    vars(connectors.relay.replication)["STATUS_INTERVAL_S"] = options.status_interval_s
    if options.plant == "confirm-before-ack":
        vars(connectors.relay.run)["Relay"] = ConfirmsBeforeTheAck
    bus = SlowBus(options.bootstrap_servers, partitions=PARTITIONS)
    bus.delay_s = options.publish_delay_s
    settings = RelaySettings(
        postgres_url=options.postgres_url,
        topic_prefix=options.topic_prefix,
        partitions=PARTITIONS,
        slice_size=SLICE_SIZE,
        limits=Limits(max_events=50),
    )
    return asyncio.run(serve_relay(settings, bus))


if __name__ == "__main__":
    sys.exit(main())
