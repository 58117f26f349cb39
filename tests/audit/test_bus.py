"""What is on the bus is judged whatever it is: foreign records too, and in as much time as was given."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest

from billing.invariants import Finding
from connectors.audit.books import judge_periods
from connectors.audit.bus import CLOCKS_DIFFER_S, Bus
from connectors.audit.lags import Group, Standing
from connectors.audit.scratch import Scratch
from connectors.audit.verdicts import Examination
from connectors.kafka.scan import Place, Span
from schemas import topics
from schemas.codec import Codec
from schemas.convert import statement_from_domain
from schemas.records import DeadLetterRedriven
from tests.postgres.builders import FEBRUARY, NoRegistry, line, statement

IDS = {subject: number for number, subject in enumerate(sorted(topics.subjects("beaas.")), start=1)}
CODEC = Codec(IDS, NoRegistry())
NOWHERE = Standing(Group("some", "beaas.usage", "some-changelog"), {}, {})


class Record:
    """As the client hands it over."""

    def __init__(self, topic: str, value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> None:
        self._topic, self._value, self._headers = topic, value, headers

    def topic(self) -> str:
        """Where it stands."""
        return self._topic

    def partition(self) -> int:
        """Where it stands."""
        return 2

    def offset(self) -> int:
        """Where it stands."""
        return 5

    def timestamp(self) -> tuple[int, int]:
        """When it was written."""
        return 1, 2_000_000

    def value(self) -> bytes | None:
        """Its bytes."""
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        """As they were sent."""
        return self._headers


class Topics:
    """A cluster that has this one record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def scan(self, spans: Iterable[Span]) -> Iterator[list[Record]]:
        """The record, where its topic is asked for."""
        if any(span.place.topic == self._record.topic() for span in spans):
            yield [self._record]


def bus_with(record: Record, *, tenant: str | None = None) -> Bus:
    """A bus on which only this record is."""
    kafka: Any = Topics(record)
    place = Place(record.topic(), 2)
    return Bus(
        kafka=kafka,
        codec=CODEC,
        prefix="beaas.",
        scratch=Scratch(),
        examination=Examination(),
        ends={place: Span(place, 5, 6)},
        intake=(NOWHERE, NOWHERE),
        rating=NOWHERE,
        sink=NOWHERE,
        oldest_s=0,
        kept_since_s=0,
        tenant=tenant,
        advance=lambda _: None,
    )


CLOSED = statement_from_domain(statement(line(100)), journal_partition=0)
STATEMENT = CODEC.encode("beaas.statements", CLOSED)
MARKER = CODEC.encode(
    "beaas.dead-letters",
    DeadLetterRedriven(
        letter_partition=0,
        letter_offset=0,
        reason="conflict",
        target_topic="beaas.usage",
        target_partition=0,
        target_offset=0,
        run_id="r1",
        redriven_at=FEBRUARY,
    ),
)
FOREIGN = {
    "another record among the statements": (Record("beaas.statements", MARKER), "wrong-record"),
    "a tombstone with an event's id": (Record("beaas.invoice", None, [("ce_id", b"e1")]), "tombstone"),
    "an event's id that is no text": (Record("beaas.invoice", STATEMENT, [("ce_id", b"\xff\xfe")]), "malformed"),
    "a tenant that is no text": (
        Record("beaas.invoice", STATEMENT, [("ce_id", b"e1"), ("ce_tenantid", b"\xff")]),
        "malformed",
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_record_is_a_finding_with_its_place_and_one_fact(what: str) -> None:
    record, reason = FOREIGN[what]
    bus = bus_with(record)
    bus.read()
    verdict = bus.examination["I18"]
    detail = f"can't be read ({reason}) and is no dead letter: whoever reads the topic stands still"
    assert verdict.findings == [Finding("I18", "", f"{record.topic()}/2/5", detail)]
    assert verdict.facts == 1


def test_a_record_that_can_be_read_is_one_fact() -> None:
    bus = bus_with(Record("beaas.statements", STATEMENT))
    bus.read()
    assert (bus.examination["I18"].facts, bus.examination["I18"].found) == (1, 0)


PARTITION = 2  # of the record


def invoice(at: int, *, of: str = "none", partition: int = PARTITION, settled: bool = False) -> tuple[object, ...]:
    """An invoice's row in the scratch, of a position of the journal and of a statement."""
    drawn = "i1", "acme", "INV-000001", 1, of, "s1", "2026-02-01", "cmd", "command cmd"
    return *drawn, partition, at, settled


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (invoice(CLOSED.journal_offset), 1),
        (invoice(CLOSED.journal_offset, of=CLOSED.statement_id), 0),
        (invoice(CLOSED.journal_offset - 1, settled=True), 0),
        (invoice(CLOSED.journal_offset + 1), 0),
        (invoice(CLOSED.journal_offset + 1, settled=True), 1),
        (invoice(CLOSED.journal_offset, partition=PARTITION + 1, settled=True), 0),
    ],
    ids=[
        "of no statement",
        "of this one",
        "older than what is kept",
        "just drawn",
        "long drawn",
        "nothing is kept there",
    ],
)
def test_an_invoice_has_a_statement_where_the_topic_would_still_keep_it(row: tuple[object, ...], found: int) -> None:
    bus = bus_with(Record("beaas.statements", STATEMENT))
    bus.read()
    bus.scratch.add("invoices", [row], len(row))
    judge_periods(bus.scratch, bus.examination)
    assert bus.examination["I03"].found == found


def test_the_oldest_statement_that_is_kept_may_be_of_another_tenant_than_the_one_that_is_asked_for() -> None:
    bus = bus_with(Record("beaas.statements", STATEMENT), tenant="other")
    bus.read()
    row = ("i1", "other", *invoice(CLOSED.journal_offset)[2:])
    bus.scratch.add("invoices", [row], len(row))
    judge_periods(bus.scratch, bus.examination)
    assert [one.detail for one in bus.examination["I03"].findings] == [
        "no statement stands behind INV-000001. Find who wrote it, or altered it"
    ]


def uuid_of(version: int, at_s: int = 0) -> str:
    return str(UUID(int=(at_s * 1000 << 80) | (version << 76) | (0b10 << 62)))


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (uuid_of(7, at_s=1_990), 1),
        (uuid_of(7, at_s=990), 0),  # the relay was away for longer than the outbox is kept
        (uuid_of(4), 1),
        ("a stranger's", 1),
    ],
    ids=["young", "pruned before it was published", "an id that tells no time", "no UUID"],
)
def test_an_event_that_was_never_in_the_outbox_is_found_where_it_would_still_be(event: str, found: int) -> None:
    bus = bus_with(Record("beaas.invoice", STATEMENT, [("ce_id", event.encode())]))  # published at 2,000 s
    bus.kept_since_s = 1_000 - CLOCKS_DIFFER_S
    bus.read()
    bus.judge(within_s=None)
    assert bus.examination["I07"].found == found


@pytest.mark.parametrize(("tenant", "kept"), [(None, 1), ("acme", 1), ("other", 0)])
def test_of_one_tenant_only_its_own_statements_are_held_against_its_invoices(tenant: str | None, kept: int) -> None:
    bus = bus_with(Record("beaas.statements", STATEMENT), tenant=tenant)
    bus.sink = Standing(bus.sink.group, {Place("beaas.usage", 2): 6}, {})
    bus.read()
    judge_periods(bus.scratch, bus.examination)
    assert (bus.examination["I18"].facts, bus.examination["I03"].found) == (1, kept)


@pytest.mark.parametrize(("within_s", "found"), [(None, 1), (3600, 0), (40, 0), (0, 1)])
def test_an_event_that_waits_is_found_after_the_time_that_was_given(within_s: int | None, found: int) -> None:
    bus = bus_with(Record("beaas.statements", STATEMENT))
    bus.scratch.add("outbox", [("e1", "acme", "invoice", "i1", 1, 35)], 6)
    bus.judge(within_s=within_s)
    assert bus.examination["I07"].found == found
