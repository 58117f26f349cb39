from pathlib import Path
from typing import Any

from tests.pipeline.books import instants, write_catalogue
from tests.pipeline.oracle import Event
from tests.pipeline.wire import Stranger
from tests.support.pipeline import Pipeline, until

START, MIDDLE, END = instants("2026-01-01T00:00:00Z", "2026-01-16T00:00:00Z", "2026-02-01T00:00:00Z")
TOPICS = ["catalog", "credit", "customer", "dead-letters", "invoice", "journal", "ledger", "statements", "subscription"]
TOPICS += ["usage", "usage-totals"]


def tenant(plan: str) -> dict[str, Any]:
    """A customer on one of two plans."""
    return {
        "code": "FOREIGN",
        "currency": "USD",
        "timezone": "UTC",
        "test_clock": START.isoformat(),
        "meters": [{"code": "calls", "event": "call", "aggregation": "count", "group_by": ["where"]}],
        "plans": [
            {
                "code": code,
                "billing_period": "P1M",
                "prices": [
                    {"code": "fee", "type": "recurring", "amount": fee},
                    {"code": "calls", "type": "usage", "meter": "calls", "model": "per_unit", "unit_amount": "0.01"},
                ],
            }
            for code, fee in (("large", "500.00"), ("small", "5.00"))
        ],
        "customers": [{"code": "c", "name": "Zoë's Läden"}],
        "subscriptions": [{"code": "s", "customer": "c", "plan": plan, "start": START.isoformat()}],
    }


async def test_a_stranger_reads_every_record_of_every_topic_by_the_registry_alone(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    await pipeline.ok("apply", write_catalogue(tmp_path / "large.yaml", tenant("large")))
    calls = [Event(f"e{n}", "c", "call", START, {"where": f"place {n % 3}"}, START) for n in range(9)]
    stranger.send([(None, stranger.avro("FOREIGN", call), ()) for call in calls])
    [foreign] = stranger.send([(None, b"\0foreign bytes", ())])
    await pipeline.settle("FOREIGN", MIDDLE.isoformat())
    await pipeline.ok("apply", write_catalogue(tmp_path / "small.yaml", tenant("small")))
    await pipeline.settle("FOREIGN", MIDDLE.isoformat())

    async def told() -> bool:
        return all(any(stranger.ends(topic).values()) for topic in TOPICS)

    async def dead() -> bool:
        return (pipeline.topic("usage"), foreign.partition, foreign.offset) in dead_letters(pipeline)

    await until(told, "a record on every topic")  # the relay and the totals come a little later
    await until(dead, "the foreign bytes among the dead letters")
    assert stranger.topics() == TOPICS
    letters, read = dead_letters(pipeline), dict.fromkeys(TOPICS, 0)
    for topic in TOPICS:
        for message in stranger.records(topic):
            if topic == "usage" and is_foreign(message, letters):
                continue
            record = stranger.decoded(message)
            assert isinstance(record, dict), (topic, message.partition(), message.offset())
            assert record, topic
            read[topic] += 1
    assert all(read.values()), read


def dead_letters(pipeline: Pipeline) -> set[Any]:
    """Where the records stand that died."""
    return set(pipeline.rows('SELECT topic, "partition", "offset" FROM report.dead_letters'))


def is_foreign(message: Any, letters: set[Any]) -> bool:
    """Whether a usage record is no Avro: a dead letter, or CloudEvents."""
    return (message.topic(), message.partition(), message.offset()) in letters or message.value()[:1] != b"\0"
