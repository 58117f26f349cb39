"""Judges the bus: what stands on the topics, read from end to end, beside the outbox and the books."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from uuid import UUID

from billing.entry import Usage
from billing.invariants import (
    Attempt,
    CommandFact,
    EventFact,
    LagFact,
    OutboxFact,
    PositionFact,
    ReadFact,
    SequenceFact,
    outbox_is_published,
)
from billing.invariants.delivery import PUBLISHED_WITHIN_S
from connectors.audit.books import kind_of, kinds_of
from connectors.audit.facts import digest_of, uuid7_s
from connectors.audit.lags import Standing
from connectors.audit.scratch import Published, Scratch
from connectors.audit.verdicts import Examination
from connectors.kafka.scan import Kafka, Place, Span
from connectors.postgres.pool import Pool
from connectors.postgres.queries import audit
from schemas import topics
from schemas.cloudevents import parse as parse_cloudevent
from schemas.codec import Codec
from schemas.errors import UndecodableRecord
from schemas.records import DeadLetter, InvoiceFinalized, LedgerPosted, StatementClosed
from schemas.topics import Topic

if TYPE_CHECKING:
    from confluent_kafka import Message

RELAYED: Final = (
    topics.JOURNAL,
    topics.CUSTOMER,
    topics.CATALOG,
    topics.SUBSCRIPTION,
    topics.INVOICE,
    topics.LEDGER,
    topics.CREDIT,
)
_TELLS_TIME: Final = 7  # the version of UUIDs that begin with their time
CLOCKS_DIFFER_S: Final = 600
"""What is so close to the end of the outbox's memory is not judged: brokers and databases have clocks of their own."""


@dataclass(slots=True)
class Bus:
    """Reads the topics into verdicts; `examine` blocks, for a thread of its own."""

    kafka: Kafka
    codec: Codec
    prefix: str
    scratch: Scratch
    examination: Examination
    ends: Mapping[Place, Span]
    """How far to read: noted before the books were read, so that they have all that was told by then."""
    intake: Sequence[Standing]
    """How far intake was before the ends were noted, and after."""
    rating: Standing
    sink: Standing
    oldest_s: int
    """The time of the oldest row of the outbox, or of what may have been deleted from it if that is older."""
    kept_since_s: int
    """What was written since then is in the outbox still, however late it was published."""
    tenant: str | None
    advance: Callable[[int], None]
    _journaled: int = 0
    _kept: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Which positions of each partition of the journal the statements are of: the first that is kept, and the last."""
    _usage: Counter[str] = field(default_factory=Counter)

    def read(self) -> None:
        """All topics are read; what has to be held against the books stands in the scratch."""
        handlers: list[tuple[Topic, Callable[[Message], None]]] = [
            (topics.DEAD_LETTERS, self._dead_letter),
            (topics.USAGE, self._usage_record),
            (topics.STATEMENTS, self._statement),
            (topics.USAGE_TOTALS, self._any),
            *((topic, self._relayed) for topic in RELAYED),
        ]
        for topic, handle in handlers:
            self._scan(topic, handle)
        self.scratch.add("kept", ((partition, *ends) for partition, ends in self._kept.items()), 3)

    def _scan(self, topic: Topic, handle: Callable[["Message"], None]) -> None:
        name, published = topic.full_name(self.prefix), list[Published]()
        verdict = self.examination["I18"]
        for records in self.kafka.scan([span for place, span in self.ends.items() if place.topic == name]):
            for record in records:
                try:
                    # First: what can't be read was published all the same, by its headers.
                    if topic in RELAYED and (one := self._published(topic, record)) is not None:
                        published.append(one)
                    handle(record)
                except UndecodableRecord as error:
                    self._unreadable(name, record, error)
                else:
                    verdict.facts += 1
            self.scratch.publish(published)
            published.clear()
            self.advance(len(records))

    # Each topic ------------------------------------------------------------------------------------------------------

    def _any(self, record: "Message") -> None:
        value = record.value()
        if value is not None:  # the compaction's tombstone
            self.codec.decode(_bytes(value))

    def _usage_record(self, record: "Message") -> None:
        partition, offset = record.partition() or 0, record.offset() or 0
        before, after = (one.position(partition) for one in self.intake)
        self._usage["acknowledged" if offset < before else "uncertain" if offset < after else "unread"] += 1
        if offset < before:
            _read_usage(self.codec, record.value())

    def _dead_letter(self, record: "Message") -> None:
        letter = self.codec.decode(_bytes(record.value()))
        if not isinstance(letter, DeadLetter):
            return
        digest = b"" if letter.value is None else _digest(letter.value)
        row = (letter.source_topic, letter.source_partition, letter.source_offset, letter.reason, digest)
        self.scratch.add("letters", [row], 5)
        self._usage["dead"] += letter.source_topic == topics.USAGE.full_name(self.prefix)

    def _statement(self, record: "Message") -> None:
        statement = self.codec.decode(_bytes(record.value()))
        partition, offset = record.partition() or 0, record.offset() or 0
        if not isinstance(statement, StatementClosed):
            raise UndecodableRecord("wrong-record", f"{statement.FULL_NAME} where a statement is expected")
        oldest, newest = self._kept.get(partition, (statement.journal_offset, 0))
        self._kept[partition] = oldest, max(newest, statement.journal_offset)
        if self.tenant not in {None, statement.tenant_id}:  # of other tenants no invoice stands beside it
            return
        row = (
            statement.statement_id,
            digest_of(statement),
            statement.tenant_id,
            partition,
            offset,
            statement.subscription_id,
            statement.issued_at.isoformat(),
            statement.command_id,
            "",
            int(bool(statement.lines)),
            int(offset < self.sink.position(partition)),
        )
        self.scratch.add("statements", [row], 11)

    def _relayed(self, record: "Message") -> None:
        value = _bytes(record.value())
        if record.topic() == topics.JOURNAL.full_name(self.prefix):
            self._journaled += isinstance(self.codec.decode_journal(value), Usage)
            return
        told = self.codec.decode(value)
        match told:
            case InvoiceFinalized():
                self._told("invoice", told.invoice_id, told.tenant_id, told.number, told)
            case LedgerPosted():
                self._told("ledger", told.transaction_id, told.tenant_id, told.transaction_id, told)
            case _:
                pass

    def _told(self, kind: str, name: str, tenant: str, subject: str, record: InvoiceFinalized | LedgerPosted) -> None:
        if self.tenant in {None, tenant}:
            self.scratch.add("told", [(kind, name, tenant, subject, digest_of(record))], 5)

    def _published(self, topic: Topic, record: "Message") -> Published | None:
        """The record as one of the relay's; None where it is not, or is too old to be in the outbox."""
        published_s = record.timestamp()[1] // 1000
        if published_s < self.oldest_s - CLOCKS_DIFFER_S:
            return None
        headers = dict(record.headers() or [])
        event = headers.get("ce_id")
        if not isinstance(event, bytes):
            return None
        tenant = _text(headers.get("ce_tenantid") or b"")
        if self.tenant not in {None, tenant}:
            return None
        aggregate = _text(headers.get("ce_subject") or b"")
        place = record.partition() or 0, record.offset() or 0
        content = _digest(_bytes(record.value()))
        written_s = _written_s(_text(event), published_s)
        return Published(_text(event), tenant, topic.name, aggregate, *place, content, written_s)

    def _unreadable(self, topic: str, record: "Message", error: UndecodableRecord) -> None:
        partition, offset = record.partition() or 0, record.offset() or 0
        letters = list(
            self.scratch.rows(
                "SELECT reason, digest FROM letters WHERE topic = ? AND partition_ = ? AND offset_ = ?",
                topic,
                partition,
                offset,
            )
        )
        value = record.value()
        digest = b"" if value is None else _digest(_bytes(value))
        cause = str(letters[0][0]) if letters else None
        fact = ReadFact(topic, partition, offset, error.reason, cause, any(digest == kept for _, kept in letters))
        self.examination["I18"].judge([fact])

    # What comes together ----------------------------------------------------------------------------------------------

    def judge(self, *, within_s: int | None) -> None:
        """Judges what stands in the scratch by now; the books have to be in it."""
        judged = self.examination
        judged["I02"].judge(self._flow())
        published_within_s = PUBLISHED_WITHIN_S if within_s is None else within_s
        judged["I07"].judge(self._outbox(), judge=partial(outbox_is_published, within_s=published_within_s))
        judged["I08"].judge(self._sequences())
        judged["I13"].judge(self._applied())
        judged["I14"].judge(self._commands())

    def _flow(self) -> Iterator[EventFact]:
        """All usage together: what intake had passed must be in the journal or dead."""
        usage = topics.USAGE.full_name(self.prefix)
        if self.tenant is not None:
            self.examination["I02"].unjudged = "of all tenants together only"
            return
        if any(span.start for place, span in self.ends.items() if place.topic == usage):
            self.examination["I02"].unjudged = "the oldest usage is no longer in its topic"
            return
        sent = self._usage["acknowledged"], self._usage["uncertain"]
        yield EventFact("", usage, *sent, self._journaled, 0, 0, self._usage["dead"], distinct=sum(sent))

    def _outbox(self) -> Iterator[OutboxFact]:
        rows = self.scratch.rows(
            """SELECT o.tenant, o.topic, o.id, 1, coalesce(p.times, 0), o.age_s
            FROM outbox AS o LEFT JOIN published AS p ON p.id = o.id
            UNION ALL SELECT p.tenant, p.topic, p.id, 0, p.times, 0
            FROM published AS p LEFT JOIN outbox AS o ON o.id = p.id WHERE o.id IS NULL AND p.at_s > ?""",
            self.kept_since_s + CLOCKS_DIFFER_S,
        )
        for tenant, topic, event, there, times, age_s in rows:
            yield OutboxFact(str(tenant), str(topic), str(event), bool(there), _int(times), _int(age_s))

    def _sequences(self) -> Iterator[SequenceFact]:
        rows = self.scratch.rows(
            """SELECT p.tenant, p.topic, p.aggregate, p.id, o.place FROM published AS p JOIN (
                SELECT id, row_number() OVER (PARTITION BY topic, tenant, aggregate ORDER BY sequence) AS place
                FROM outbox
            ) AS o ON o.id = p.id ORDER BY p.topic, p.tenant, p.aggregate, p.partition_, p.offset_"""
        )
        for tenant, topic, aggregate, event, place in rows:
            yield SequenceFact(str(tenant), str(topic), str(aggregate), str(event), _int(place))

    def _applied(self) -> Iterator[PositionFact]:
        """The invoicing sink by its effects: the first statement that should have an invoice and has none."""
        for place, position in self.sink.positions.items():
            ((missing,),) = self.scratch.rows(
                """SELECT min(s.offset_) FROM statements AS s
                LEFT JOIN invoices AS i ON i.tenant = s.tenant AND i.statement = s.id
                WHERE s.partition_ = ? AND s.owed AND s.done AND i.id IS NULL AND coalesce(?, s.tenant) = s.tenant""",
                place.partition,
                self.tenant,
            )
            applied = position if missing is None else _int(missing)
            yield PositionFact(
                f"{self.sink.group.name}, by its invoices,", place.topic, place.partition, position, applied - 1
            )

    def _commands(self) -> Iterator[CommandFact]:
        """Commands that rating has passed, by what stands in the journal, and the statements that they had."""
        rows = self.scratch.rows(
            """SELECT p.tenant, p.id, p.contents, p.partition_, p.offset_, count(DISTINCT s.id), count(s.id)
            FROM published AS p LEFT JOIN statements AS s ON s.command = p.id AND s.tenant = p.tenant
            WHERE p.topic = 'journal' GROUP BY p.id"""
        )
        for tenant, command, contents, partition, offset, statements, said in rows:
            if _int(offset) < self.rating.position(_int(partition)) and statements:
                each = _bytes(contents)
                attempts = [Attempt(each[at : at + 16], b"") for at in range(0, len(each), 16)]
                effects = max(_int(statements), _int(said))
                yield CommandFact(str(tenant), str(command), tuple(attempts), effects)


async def name_kinds(pool: Pool, scratch: Scratch) -> None:
    """The statements in the scratch say what kind of command closed each."""
    tenants = [str(row[0]) for row in scratch.rows("SELECT DISTINCT tenant FROM statements")]
    for tenant in tenants:
        after = ""
        while True:
            rows = [
                str(row[0])
                for row in scratch.rows(
                    """SELECT DISTINCT command FROM statements WHERE tenant = ? AND command > ?
                    ORDER BY command LIMIT 5000""",
                    tenant,
                    after,
                )
            ]
            if not rows:
                break
            kinds = await kinds_of(pool, tenant, {one for text in rows if (one := _uuid(text)) is not None})
            for command in rows:
                scratch.run(
                    "UPDATE statements SET kind = ? WHERE tenant = ? AND command = ?",
                    kind_of(command, kinds),
                    tenant,
                    command,
                )
            after = rows[-1]


async def unknown_here(pool: Pool, scratch: Scratch, topic: str) -> list[LagFact]:
    """Returns statements that wait for their invoice and never will have one: PostgreSQL lacks what they name.

    A subscription is there before anything is rated of it; so the database was restored to before Kafka, and the
    invoicing sink tries the same statement again and again.
    """
    waiting = scratch.rows(
        """SELECT tenant, subscription, partition_, min(offset_) FROM statements WHERE owed AND NOT done
        GROUP BY tenant, subscription, partition_ LIMIT 1000"""
    )
    lags = []
    for tenant, subscription, partition, offset in list(waiting):
        async with pool.connection() as connection:
            if await audit.audited_subscriptions(connection, tenant_id=tenant, subscription_ids=[subscription]):
                continue
        name = f"{topic}/{partition}/{offset} of subscription {tenant}/{subscription}, which PostgreSQL does not have"
        lags.append(LagFact(f"{name}: was it restored to before Kafka?", 1, "statements", 1, allowed_s=0))
    return lags


def _read_usage(codec: Codec, value: object) -> None:
    if value is None:
        raise UndecodableRecord("tombstone", "the record has no value")
    payload = _bytes(value)
    if payload[:1] == b"\0":
        codec.decode_usage(payload)
    else:
        parse_cloudevent(payload)


def _written_s(event: str, published_s: int) -> int:
    """When the event was written, in seconds since 1970, by its id; a foreign id's may be as young as its record."""
    named = _uuid(event)
    return published_s if named is None or named.version != _TELLS_TIME else uuid7_s(named)


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).digest()


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise UndecodableRecord("tombstone", "the record has no value")
    return value


def _text(header: object) -> str:
    try:
        return _bytes(header).decode()
    except UnicodeDecodeError as error:
        raise UndecodableRecord("malformed", "a header of its event is not UTF-8") from error


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
