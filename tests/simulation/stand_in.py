"""Where the simulation takes the place of the outside: clients of Kafka, clocks, the end of a process, the database.

Nothing else of the product is replaced. Each name is replaced where it is used, for as long as a simulation runs.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from connectors.bus import kafka as bus
from connectors.relay import relay
from connectors.scheduler import rounds
from streams.agents import apps, journal
from streams.batching import app, consumer, flush, producer, recovery
from tests.simulation.broker import Broker
from tests.simulation.clients import SimConsumer, SimProducer
from tests.simulation.control import ScheduleQueries, unit_of_work
from tests.simulation.worker import SimApp

_IDLE_S = 0.25
"""In the place of 20 ms: nothing changes but how often an idle worker looks."""


@contextmanager
def outside(broker: Broker) -> Iterator[None]:
    """The product runs in the broker's world within the block."""
    world = broker.world
    wall = SimpleNamespace(time=world.wall_s)
    replaced: list[tuple[Any, str, Any]] = [
        (producer, "AIOKafkaProducer", partial(SimProducer, broker)),
        (bus, "AIOKafkaProducer", partial(SimProducer, broker)),
        (recovery, "AIOKafkaConsumer", partial(SimConsumer, broker)),
        (journal, "AIOKafkaConsumer", partial(SimConsumer, broker)),
        (apps, "BatchApp", SimApp),
        (rounds, "schedule", ScheduleQueries),
        (rounds, "unit_of_work", unit_of_work),
        (consumer, "_IDLE_S", _IDLE_S),
        (producer, "time", wall),
        (relay, "time", wall),
        (flush, "thread_time", world.cpu_s),
    ]
    replaced += [(module, "monotonic", world.monotonic_s) for module in (app, flush, recovery)]
    replaced += [(module, "die", world.die) for module in (app, flush, consumer)]
    with ExitStack() as stack:
        for module, name, value in replaced:
            stack.enter_context(patch.object(module, name, value))
        yield
