"""The Faust applications: each agent with its source, its tables and what it publishes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from billing.statement import Statement
from schemas import topics
from schemas.codec import Codec
from schemas.convert import statement_to_domain
from schemas.errors import UndecodableRecord
from schemas.letters import LetterId, PlacedRecord
from schemas.partition import placement
from schemas.records import DeadLetter, DeadLetterRedriven, StatementClosed, UsageParked, UsageTotal
from schemas.topics import Topic
from schemas.wire import Record as WireRecord
from streams.agents.deadletters import DeadLetters
from streams.agents.groups import intake_group, rating_group, sink_group
from streams.agents.intake import IntakeFold, IntakePlan
from streams.agents.journal import JournalReader
from streams.agents.rating import RatingFold, RatingPlan
from streams.agents.sinks import Sink, SinkFold
from streams.batching.app import BatchApp
from streams.batching.batch import Record
from streams.batching.settings import BatchSettings

T = TypeVar("T", bound="WireRecord")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Streams:
    """What all agents share: names, placement, the wire, how batches run."""

    codec: Codec
    batching: BatchSettings
    prefix: str
    partitions: int
    tenant_slice: int

    def name(self, topic: Topic) -> str:
        """The topic as the broker knows it."""
        return topic.full_name(self.prefix)

    @property
    def dead_letters(self) -> DeadLetters:
        """Where records go that can't be used."""
        return DeadLetters(self.codec, self.name(topics.DEAD_LETTERS), self.partitions, self.tenant_slice)


def intake_app(streams: Streams, *, usage_max_bytes: int) -> BatchApp:
    """Usage -> journal."""
    app = BatchApp(intake_group(streams.prefix), streams.batching)
    plan = IntakePlan(
        codec=streams.codec,
        journal=streams.name(topics.JOURNAL),
        dead_letters=streams.dead_letters,
        place=placement(partitions=streams.partitions, slice_size=streams.tenant_slice),
        usage_max_bytes=usage_max_bytes,
    )
    app.fold(
        streams.name(topics.USAGE),
        lambda _: IntakeFold(plan),
        home=app.fold_table("position"),
        publishes=[plan.journal, plan.dead_letters.topic],
    )
    return app


@asynccontextmanager
async def rating(streams: Streams, *, usage_window: timedelta) -> AsyncIterator[BatchApp]:
    """Journal -> statements and totals; the block holds its second reader of the journal."""
    journal = JournalReader(streams.batching.bootstrap_servers, streams.name(topics.JOURNAL))
    try:
        yield _rating_app(streams, journal, usage_window)
    finally:
        await journal.stop()


def _rating_app(streams: Streams, journal: JournalReader, usage_window: timedelta) -> BatchApp:
    app = BatchApp(rating_group(streams.prefix), streams.batching)
    accounts, ids = app.fold_table("accounts"), app.packed_id_table("ids")
    plan = RatingPlan(
        codec=streams.codec,
        journal=journal,
        statements=streams.name(topics.STATEMENTS),
        totals=streams.name(topics.USAGE_TOTALS),
        dead_letters=streams.dead_letters,
        accounts=accounts,
        ids=ids,
        usage_window=usage_window,
    )
    app.fold(
        streams.name(topics.JOURNAL),
        lambda partition: RatingFold(plan, partition),
        home=accounts,
        publishes=[plan.statements, plan.totals, plan.dead_letters.topic],
    )
    return app


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where facts stay; the composition root brings PostgreSQL's."""

    statements: Sink[Statement]
    totals: Sink[UsageTotal | UsageParked]
    dead_letters: Sink[PlacedRecord]


def sink_apps(streams: Streams, sinks: Sinks) -> list[BatchApp]:
    """Statements, totals and dead letters -> PostgreSQL."""
    codec = streams.codec

    def statement(record: Record) -> Statement:
        return statement_to_domain(_expect(codec.decode(record.value), StatementClosed))

    def total(record: Record) -> UsageTotal | UsageParked:
        decoded = codec.decode(record.value)
        if isinstance(decoded, UsageParked):
            return decoded
        return _expect(decoded, UsageTotal)

    def dead_letter(record: Record) -> PlacedRecord:
        at, decoded = LetterId(record.partition, record.offset), codec.decode(record.value)
        if isinstance(decoded, DeadLetterRedriven):
            return PlacedRecord(at, decoded)
        return PlacedRecord(at, _expect(decoded, DeadLetter))

    return [
        _sink_app(streams, topics.STATEMENTS, statement, sinks.statements),
        _sink_app(streams, topics.USAGE_TOTALS, total, sinks.totals),
        _sink_app(streams, topics.DEAD_LETTERS, dead_letter, sinks.dead_letters),
    ]


def _sink_app(streams: Streams, source: Topic, read: Callable[[Record], F], sink: Sink[F]) -> BatchApp:
    app = BatchApp(sink_group(streams.prefix, source.name), streams.batching)
    # An unreadable dead letter makes no other dead letter: it would be as unreadable, for ever.
    letters = None if source is topics.DEAD_LETTERS else streams.dead_letters
    app.fold(
        streams.name(source),
        lambda _: SinkFold(read, sink, letters),
        home=app.fold_table("position"),
        publishes=[] if letters is None else [letters.topic],
    )
    return app


def _expect(record: WireRecord, kind: type[T]) -> T:
    if not isinstance(record, kind):
        raise UndecodableRecord("wrong-record", f"{record.FULL_NAME} where {kind.FULL_NAME} is expected")
    return record
