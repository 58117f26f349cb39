"""The outbox against the topics that the relay writes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.auditor.facts import OutboxRow, Record
from tests.faults.auditor.finding import Finding


def check_outbox(outbox: Sequence[OutboxRow], bus: Sequence[Record]) -> Iterator[Finding]:
    """Every row of the outbox is on its topic, first occurrences in the order of the rows, and nothing else is.

    A relay may repeat after a crash. Rows are kept for a day, so a short run has all of them.
    """
    firsts: dict[tuple[str, str], list[str]] = defaultdict(list)
    places: dict[str, Record] = {}
    for record in bus:
        event = record.event
        if event and event not in places:
            places[event] = record
            firsts[record.topic, (record.key or b"").decode()].append(event)
    rows = {row.id: row for row in outbox}
    for row in outbox:
        if row.id not in places:
            yield Finding(
                "I07", row.key.partition("/")[0], f"event {row.id}", f"is in the outbox and not on {row.topic}"
            )
    for (topic, key), events in firsts.items():
        tenant = key.partition("/")[0]
        for event in events:
            if event not in rows:
                yield Finding("I07", tenant, places[event].place, f"has the event {event}, which the outbox never had")
        numbers = [rows[event].sequence for event in events if event in rows]
        if numbers != sorted(numbers):
            yield Finding("I08", tenant, f"{topic} {key}", f"has its events in the order {numbers} of the outbox")
