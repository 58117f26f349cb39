"""Where the product is wrapped for `points`: each seam is one method, called as before, with a point beside it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tests.faults.rig.points import Points

Method: TypeAlias = Callable[..., Awaitable[Any]]


def wrap(points: Points, role: str) -> None:
    """From now on the role of this process passes its points."""
    if role in {"intake", "rating", "sinks"}:
        _wrap_flush(points)
    match role:
        case "sinks":
            _wrap_sinks(points)
        case "relay":
            _wrap_relay(points)
        case "scheduler":
            _wrap_scheduler(points)
        case _:
            pass


def _around(owner: Any, name: str, points: Points, *, before: str = "", after: str = "") -> None:
    method: Method = getattr(owner, name)

    @functools.wraps(method)
    async def wrapped(*args: Any, **options: Any) -> Any:
        if before:
            await points.reach(before)
        result = await method(*args, **options)
        if after:
            await points.reach(after)
        return result

    setattr(owner, name, wrapped)


def _wrap_flush(points: Points) -> None:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - each role loads its own half of the product

    from streams.batching import app  # noqa: PLC0415
    from streams.batching.consumer import BatchConsumer  # noqa: PLC0415
    from streams.batching.flush import Committer  # noqa: PLC0415
    from streams.batching.producer import FencedProducers  # noqa: PLC0415

    _around(FencedProducers, "start", points, after="takeover.fenced")
    _around(app, "restore", points, after="takeover.restored")
    _around(AIOKafkaProducer, "begin_transaction", points, after="flush.begun")
    _around(AIOKafkaProducer, "commit_transaction", points, before="flush.sent", after="flush.committed")
    _around(Committer, "commit", points, after="store.written")
    _around(BatchConsumer, "_commit", points, after="group.committed")


def _wrap_sinks(points: Points) -> None:
    from connectors.postgres.outbox import Outbox  # noqa: PLC0415 - as above
    from connectors.postgres.sinks.invoicing import InvoicingSink  # noqa: PLC0415

    _around(InvoicingSink, "write", points, after="sink.committed")
    append = Outbox.append

    @functools.wraps(append)
    async def appended(outbox: Outbox, connection: Any, events: Any) -> None:
        await append(outbox, connection, events)
        if events:  # only invoices have any; the other sinks' transactions end here too
            await points.reach("sink.before-commit")

    setattr(Outbox, "append", appended)  # noqa: B010 - a plain assignment to a method is one that mypy refuses


def _wrap_relay(points: Points) -> None:
    from connectors.bus.kafka import KafkaBus  # noqa: PLC0415 - as above
    from connectors.relay.relay import Relay  # noqa: PLC0415

    _around(KafkaBus, "publish", points, before="relay.read", after="relay.published")
    _around(Relay, "_publish", points, after="relay.confirmed")


def _wrap_scheduler(points: Points) -> None:
    """Rounds in which nothing was to be done pass no point: dying there would show nothing."""
    from connectors.postgres.queries import schedule  # noqa: PLC0415
    from connectors.scheduler.rounds import Rounds  # noqa: PLC0415
    from connectors.services import journal  # noqa: PLC0415

    def part(name: str, point: str) -> None:
        method: Method = getattr(Rounds, name)

        @functools.wraps(method)
        async def wrapped(*args: Any, **options: Any) -> Any:
            result = await method(*args, **options)
            if result[0] if isinstance(result, tuple) else result:
                await points.reach(point)
            return result

        setattr(Rounds, name, wrapped)

    part("take_due", "due.committed")
    part("note", "noted")
    part("release", "release.committed")
    _around(journal, "take", points, after="due.before-commit")
    _around(schedule, "mark_released", points, after="release.before-commit")
