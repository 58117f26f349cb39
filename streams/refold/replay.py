"""A tenant's journal folded again, and compared with what was issued of it.

What is compared: each statement with its record on the statements topic, byte for byte; each invoice with the rows it
was written as, column for column, and with the event that told of it, byte for byte, in the outbox and on its topic.

What the pipeline is still busy with is not judged: entries that rating has not applied, statements that the sink has
not invoiced. What comes of an entry that rating has still not applied once it was met, no pipeline made. What retention
has deleted cannot be compared, and is counted.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from billing.statement import Statement
from schemas import topics
from schemas.codec import Codec
from schemas.convert import statement_to_domain
from schemas.errors import UndecodableRecord
from schemas.records import InvoiceFinalized, StatementClosed
from schemas.topics import Topic
from streams.agents.groups import rating_group, sink_group
from streams.agents.journal import JournalReader
from streams.agents.rating import RatingPlan
from streams.batching.batch import Record
from streams.refold.difference import Difference, Kind, fields_that_differ
from streams.refold.ports import Books, Issued
from streams.refold.refold import Refold
from streams.refold.scope import Positions, Scope, Stretch, require_rated, require_whole
from streams.refold.spill import Refolded, Spill, Told

REPORT_EVERY: Final = 1_000
_AHEAD_AT_ONCE: Final = 1_000
_MARKED_WITHIN_S: Final = 1.0  # the end of a transaction reaches the topic of offsets a little after other topics
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Where records are read, and what they mean."""

    codec: Codec
    prefix: str
    positions: Positions
    reader: Callable[[str], JournalReader]
    """A reader of its own for a topic."""

    def name(self, topic: topics.Topic) -> str:
        """The topic as the broker knows it."""
        return topic.full_name(self.prefix)

    @property
    def rating(self) -> str:
        """The consumer group that folds the journal."""
        return rating_group(self.prefix)


@dataclass(slots=True)
class Tally:
    """How much of one kind was compared."""

    compared: int = 0
    identical: int = 0
    gone: int = 0
    """No record is left to compare with: retention deleted it."""
    pending: int = 0
    """The pipeline has not come so far."""


@dataclass(slots=True)
class Found:
    """What a replay came to."""

    entries: int = 0
    statements: Tally = field(default_factory=Tally)
    invoices: Tally = field(default_factory=Tally)
    events: Tally = field(default_factory=Tally)
    not_rated: int = 0
    """Positions of the journal that rating has not applied."""


class _Ahead(NamedTuple):
    """Something of an entry that rating had not applied when the replay began."""

    partition: int
    position: int
    subject: str
    where: str


class Replay:
    """One refold of a scope; `spill` holds what it came to."""

    def __init__(self, plan: RatingPlan, wire: Wire, scope: Scope, directory: Path, progress: Progress) -> None:
        self._plan, self._wire, self._scope, self._progress = plan, wire, scope, progress
        self._directory = directory
        self.spill = Spill(directory / "refolded.sqlite")
        self.found = Found()
        self._rated: dict[int, Stretch] = {}
        self._readers: dict[str, JournalReader] = {}

    async def refold(self) -> list[Difference]:
        """Every statement of the journal is in the spill; returns what stands where it may not.

        Raises:
            JournalCut: the journal's beginning is gone.
            NotRated: rating has committed nothing of a partition that has entries.
            KafkaConnectionError: no broker answers.
        """
        journal, group = self._wire.name(topics.JOURNAL), self._wire.rating
        held = await self._wire.positions.stretches(journal, self._scope.homes)
        require_whole(journal, held.values())
        rated = await self._committed(topics.JOURNAL, group)
        require_rated(journal, group, held.values(), rated)
        self._rated = {one.partition: one.until(rated.get(one.partition, 0)) for one in held.values()}
        self.found.not_rated = sum(one.end - self._rated[one.partition].end for one in held.values())
        misplaced: list[Difference] = []
        for stretch in self._rated.values():
            if stretch.end > stretch.start:
                await self._refold(stretch, misplaced)
        return misplaced

    async def compare(self, books: Books, *, on_topic: bool = True) -> AsyncGenerator[Difference, None]:
        """Yields all that is not as the journal says.

        Args:
            books: where the invoices stand.
            on_topic: whether the events were carried to Kafka.
        """
        invoicing = sink_group(self._wire.prefix, topics.STATEMENTS.name)
        invoiced = await self._committed(topics.STATEMENTS, invoicing)
        async for difference in self._compare_statements():
            yield difference
        async for difference in self._compare_invoices(books, invoiced):
            yield difference
        async for difference in self._compare_events(on_topic=on_topic):
            yield difference

    def statements(self) -> Iterator[Statement]:
        """Yields what was refolded, in the order of the journal."""
        for refolded in self.spill.all():
            yield self._statement(refolded.value)

    async def close(self) -> None:
        """Files and connections are closed; the files are the caller's."""
        self.spill.close()
        for reader in self._readers.values():
            await reader.stop()

    # Refolding --------------------------------------------------------------------------------------------------------

    async def _refold(self, stretch: Stretch, misplaced: list[Difference]) -> None:
        refold = Refold(self._plan, stretch.partition, self._directory / "tables")
        try:
            async with aclosing(self._entries(stretch, misplaced)) as entries:
                async for outgoing in refold.statements(entries):
                    assert outgoing.value is not None
                    statement = self._closed(outgoing.value)
                    self.spill.add(
                        Refolded(
                            statement.statement_id,
                            stretch.partition,
                            statement.journal_offset,
                            outgoing.value,
                            bool(statement.lines),
                            None,
                        )
                    )
        finally:
            refold.close()

    async def _entries(self, stretch: Stretch, misplaced: list[Difference]) -> AsyncGenerator[Record, None]:
        keys: set[bytes] = set()
        async for record in self._read(topics.JOURNAL, stretch):
            if not self._scope.has(record.key):
                continue
            self.found.entries += 1
            if record.key not in keys:
                keys.add(record.key)
                customer = record.key.decode().partition("/")[2]
                if self._scope.home(customer) != stretch.partition:
                    where = f"{record.topic}/{record.partition}/{record.offset}"
                    home = f"the account lives in partition {self._scope.home(customer)}"
                    misplaced.append(Difference(Kind.UNEXPECTED, record.key.decode(), where, issued=home))
            yield record

    async def _read(self, topic: topics.Topic, stretch: Stretch) -> AsyncGenerator[Record, None]:
        if stretch.end <= stretch.start:
            return
        name = self._wire.name(topic)
        reader = self._readers.get(name) or self._readers.setdefault(name, self._wire.reader(name))
        what, whole = f"{name} {stretch.partition}", stretch.end - stretch.start
        async with aclosing(reader.records(stretch.partition, stretch.start, stretch.end)) as records:
            async for record in records:
                if record.offset % REPORT_EVERY == 0:
                    self._progress(what, record.offset - stretch.start, whole)
                yield record
        self._progress(what, whole, whole)

    # Comparing --------------------------------------------------------------------------------------------------------

    async def _compare_statements(self) -> AsyncGenerator[Difference, None]:
        held = await self._wire.positions.stretches(self._wire.name(topics.STATEMENTS), self._scope.homes)
        oldest: dict[int, int] = {}
        ahead: list[_Ahead] = []
        for stretch in held.values():
            async for record in self._read(topics.STATEMENTS, stretch):
                ours = record.key is None or self._scope.has(record.key)  # without a key it may be anybody's
                if stretch.partition in oldest and not ours:
                    continue
                try:
                    statement = self._closed(record.value)
                except UndecodableRecord as error:
                    if ours:
                        yield Difference(Kind.UNEXPECTED, _key(record), _at(record), issued=str(error))
                    continue
                oldest.setdefault(stretch.partition, statement.journal_offset)
                account = f"{statement.tenant_id}/{statement.customer_id}".encode()
                if not self._scope.has(account if record.key is None else record.key):
                    continue
                for difference in await self._meet(record, statement, ahead):
                    yield difference
        for difference in await self._impossible(ahead, self.found.statements):
            yield difference
        for difference in self._unpublished(held, oldest):
            yield difference

    def _unpublished(self, held: Mapping[int, Stretch], oldest: Mapping[int, int]) -> Iterator[Difference]:
        for refolded in self.spill.unpublished():
            cut = held[refolded.partition].start > 0
            if cut and refolded.position < oldest.get(refolded.partition, 1 << 62):
                self.found.statements.gone += 1
            else:
                statement = self._closed(refolded.value)
                yield Difference(Kind.MISSING, _subject(statement), self._wire.name(topics.STATEMENTS))

    async def _meet(self, record: Record, statement: StatementClosed, ahead: list[_Ahead]) -> list[Difference]:
        if statement.journal_offset < self._rated[record.partition].end:
            return list(self._compare_statement(record, statement))
        ahead.append(_Ahead(record.partition, statement.journal_offset, _subject(statement), _at(record)))
        return await self._impossible(ahead, self.found.statements, most=_AHEAD_AT_ONCE)

    async def _impossible(self, ahead: list[_Ahead], tally: Tally, *, most: int = 0) -> list[Difference]:
        """What lies beyond rating even now; the rest is under way. Nothing is asked before more than `most` are met."""
        if len(ahead) <= most:
            return []
        beyond = await self._beyond(ahead)
        if beyond:
            await asyncio.sleep(_MARKED_WITHIN_S)
            beyond = await self._beyond(beyond)
        tally.pending += len(ahead) - len(beyond)
        ahead.clear()
        note = "of position {} of the journal, which rating has not applied"
        return [Difference(Kind.UNEXPECTED, one.subject, one.where, issued=note.format(one.position)) for one in beyond]

    async def _committed(self, topic: Topic, group: str) -> Mapping[int, int]:
        return await self._wire.positions.committed(self._wire.name(topic), group, self._scope.homes)

    async def _beyond(self, ahead: Iterable[_Ahead]) -> list[_Ahead]:
        rated = await self._committed(topics.JOURNAL, self._wire.rating)
        return [one for one in ahead if one.position >= rated.get(one.partition, 0)]

    def _compare_statement(self, record: Record, statement: StatementClosed) -> Iterator[Difference]:
        refolded = self.spill.statement(statement.statement_id)
        if refolded is None:
            yield Difference(Kind.UNEXPECTED, _subject(statement), _at(record))
            return
        if refolded.published is not None:
            note = f"a second time, first at offset {refolded.published}"
            yield Difference(Kind.UNEXPECTED, _subject(statement), _at(record), issued=note)
            return
        self.spill.published(statement.statement_id, record.offset)
        yield from self._compare_bytes(
            self.found.statements, _subject(statement), _at(record), refolded.value, record.value
        )

    async def _compare_invoices(self, books: Books, invoiced: Mapping[int, int]) -> AsyncGenerator[Difference, None]:
        ahead: list[_Ahead] = []
        async for issued in books.invoices(self._scope.tenant, self._scope.customer):
            home = self._scope.home(issued.customer)
            if issued.position >= self._rated[home].end:
                ahead.append(_Ahead(home, issued.position, f"{issued.number} of {issued.customer}", "beaas.invoices"))
                for difference in await self._impossible(ahead, self.found.invoices, most=_AHEAD_AT_ONCE):
                    yield difference
                continue
            for difference in self._compare_invoice(issued):
                yield difference
            if self.found.invoices.compared % REPORT_EVERY == 0:
                self._progress("invoices", self.found.invoices.compared, 0)
        for difference in await self._impossible(ahead, self.found.invoices):
            yield difference
        for refolded in self.spill.uninvoiced():
            if refolded.published is not None and refolded.published >= invoiced.get(refolded.partition, 0):
                self.found.invoices.pending += 1
            else:
                yield Difference(Kind.MISSING, _subject(self._closed(refolded.value)), "beaas.invoices")

    def _compare_invoice(self, issued: Issued) -> Iterator[Difference]:
        subject = f"{issued.number} of {issued.customer}"
        self.found.invoices.compared += 1
        refolded = self.spill.statement(issued.statement_id)
        if refolded is None or not refolded.owes:
            yield Difference(Kind.UNEXPECTED, subject, "beaas.invoices", issued=f"statement {issued.statement_id}")
            return
        self.spill.invoiced(issued.statement_id)
        statement = self._statement(refolded.value)
        differences = list(issued.differences(statement))
        for name, ought, found in differences:
            yield Difference(Kind.DIFFERENT, subject, "beaas", name, ought, found)
        self.found.invoices.identical += not differences
        value = self._wire.codec.encode(self._wire.name(topics.INVOICE), issued.event(statement))
        self.spill.tell(Told(issued.invoice_id, subject, value))
        for event in issued.events:
            self.spill.told(issued.invoice_id)
            yield from self._compare_bytes(self.found.events, subject, "beaas.billing_events", value, event)

    async def _compare_events(self, *, on_topic: bool) -> AsyncGenerator[Difference, None]:
        """The events on their topic; there an event may stand twice, as the relay may repeat."""
        cut = not on_topic
        if on_topic:
            held = await self._wire.positions.stretches(self._wire.name(topics.INVOICE), self._scope.slice)
            cut = any(stretch.start > 0 for stretch in held.values())
            for stretch in held.values():
                async for record in self._read(topics.INVOICE, stretch):
                    for difference in self._compare_event(record):
                        yield difference
        for told in self.spill.untold():
            if cut:
                self.found.events.gone += 1
            else:
                yield Difference(Kind.MISSING, told.number, self._wire.name(topics.INVOICE))

    def _compare_event(self, record: Record) -> Iterator[Difference]:
        tenant, _, invoice_id = (record.key or b"").decode(errors="replace").partition("/")
        if tenant != self._scope.tenant:
            return
        told = self.spill.event(invoice_id)
        if told is not None:
            self.spill.told(invoice_id)
            yield from self._compare_bytes(self.found.events, told.number, _at(record), told.value, record.value)
            return
        try:
            event = self._wire.codec.decode(record.value)
        except UndecodableRecord as error:
            yield Difference(Kind.UNEXPECTED, invoice_id, _at(record), issued=str(error))
            return
        if isinstance(event, InvoiceFinalized) and self._was_refolded(event):
            yield Difference(Kind.UNEXPECTED, f"{event.number} of {event.customer_id}", _at(record))

    def _was_refolded(self, event: InvoiceFinalized) -> bool:
        """Whether its statement was: an event of a later one is not judged."""
        return self._scope.customer in {None, event.customer_id} and (
            self.spill.statement(event.statement_id) is not None
        )

    def _compare_bytes(
        self, tally: Tally, subject: str, where: str, refolded: bytes, issued: bytes
    ) -> Iterator[Difference]:
        tally.compared += 1
        if refolded == issued:
            tally.identical += 1
            return
        try:
            found = list(fields_that_differ(self._wire.codec.decode(refolded), self._wire.codec.decode(issued)))
        except UndecodableRecord as error:
            yield Difference(Kind.DIFFERENT, subject, where, "record", "a record that can be read", str(error))
            return
        for name, ought, have in found or _frames(refolded, issued):
            yield Difference(Kind.DIFFERENT, subject, where, name, ought, have)

    def _closed(self, value: bytes) -> StatementClosed:
        record = self._wire.codec.decode(value)
        if not isinstance(record, StatementClosed):
            raise UndecodableRecord("wrong-record", f"{record.FULL_NAME} where a statement is expected")
        return record

    def _statement(self, value: bytes) -> Statement:
        return statement_to_domain(self._closed(value))


def _frames(refolded: bytes, issued: bytes) -> Iterable[tuple[str, str, str]]:
    """Where every field is equal, what differs are the bytes around them."""
    at = next((at for at, (a, b) in enumerate(zip(refolded, issued, strict=False)) if a != b), len(refolded))
    yield f"byte {at}", refolded[at : at + 8].hex() or "the end", issued[at : at + 8].hex() or "the end"


def _subject(statement: StatementClosed) -> str:
    return f"statement {statement.statement_id} of {statement.customer_id}, {statement.issued_at:%Y-%m-%d %H:%M:%SZ}"


def _key(record: Record) -> str:
    return "a record without a key" if record.key is None else record.key.decode(errors="replace")


def _at(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
