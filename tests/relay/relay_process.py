"""A relay process for the tests: told what to carry on standard input, with the bugs that a test plants."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).parents[2]))

import msgspec

import connectors.relay.replication
import connectors.relay.run
from connectors.bus.kafka import KafkaBus
from connectors.bus.port import BusEvent
from connectors.relay.pgoutput import Batch
from connectors.relay.relay import Limits, Relay
from connectors.relay.run import RelaySettings, serve_relay
from tests.relay.options import PARTITIONS, SLICE_SIZE, Moment, ProcessOptions


class ConfirmsBeforeTheAck(Relay):
    """The planted bug: the position moves on while the events are still on their way.

    It says up to where once rows are on their way and a transaction's end behind them was read, and waits there to be
    killed. Before there is nothing to lose: the first rows may come without that end, and an end without any rows.
    """

    _under_way: ClassVar[set[asyncio.Task[None]]] = set()

    async def _publish(self, batch: Batch) -> None:
        self._log.confirm(batch.end_lsn)
        if batch.rows:
            self._under_way.add(asyncio.create_task(super()._publish(batch)))
        if batch.end_lsn and self._under_way:
            _say(f"planted.confirmed {batch.end_lsn}")
            await asyncio.Event().wait()


class HoldingBus(KafkaBus):
    """Says and waits for ever at one moment of one batch: whoever kills it there knows what is on the bus."""

    def __init__(self, options: ProcessOptions) -> None:
        super().__init__(options.bootstrap_servers, partitions=PARTITIONS)
        self._moment, self._left = options.hold_at, options.hold_after

    async def publish(self, events: Sequence[BusEvent]) -> None:
        """Publishes, or holds; the relay has no batch without rows for it."""
        await self._hold("before it is sent")
        await super().publish(events)
        await self._hold("before it is confirmed")
        self._left -= 1

    async def _hold(self, moment: Moment) -> None:
        if moment == self._moment and self._left <= 0:
            _say("bus.holds")
            await asyncio.Event().wait()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=ProcessOptions)
    vars(connectors.relay.replication)["STATUS_INTERVAL_S"] = options.status_interval_s
    if options.plant == "confirm-before-ack":
        vars(connectors.relay.run)["Relay"] = ConfirmsBeforeTheAck
    settings = RelaySettings(
        postgres_url=options.postgres_url,
        topic_prefix=options.topic_prefix,
        partitions=PARTITIONS,
        slice_size=SLICE_SIZE,
        limits=Limits(max_events=50),
    )
    return asyncio.run(serve_relay(settings, HoldingBus(options)))


if __name__ == "__main__":
    sys.exit(main())
