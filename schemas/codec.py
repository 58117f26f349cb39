"""Records to bytes and back: Confluent's frame (0x00, the schema's id in four bytes, Avro), and what may go wrong.

Everything read is untrusted. Whatever is wrong with it comes out as one error, `UndecodableRecord`, whose reason is

| reason | the payload |
|---|---|
| `tombstone` | is null: the record has no value |
| `no-framing` | is empty, shorter than a frame, or does not begin with 0x00 |
| `too-large` | is larger than any record of ours |
| `unknown-schema` | names an id that the registry does not have, or that too many unknown ones came before |
| `incompatible-schema` | was written by a schema that is no version of ours, or that would be misread |
| `unbounded-schema` | was written by a schema whose records could take any memory |
| `wrong-record` | is another record than this place takes |
| `malformed` | is no record of its schema: cut short, bad UTF-8, impossible lengths |
| `trailing-bytes` | goes on behind its record |
| `instant-out-of-range` | holds an instant that is none of the years 1 to 9999 |
| `amount-out-of-range` | holds an amount of more digits than there are |
"""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, cast

import fastavro

from billing.account import usage_digest, usage_key
from billing.entry import Entry, Usage
from billing.instant import instant
from billing.statement import Total
from schemas import convert, topics, wire
from schemas.compatibility import SchemaTree, check_bounded, logical_changes, structural_changes
from schemas.errors import UndecodableRecord, Unencodable
from schemas.files import Schema, plain, plain_schema, schema_text
from schemas.records import RECORDS, UsageRecorded, UsageTotal
from schemas.topics import Topic
from schemas.total_wire import write_total
from schemas.usage_wire import (
    FRAME_SIZE_BYTES,
    NamedBatch,
    NamedUsage,
    read_all_named,
    read_named,
    read_usage,
    write_usage,
)
from schemas.wire import Record

MAX_USAGE_SIZE_BYTES: Final = 1 << 20
MAX_RECORD_SIZE_BYTES: Final = 1 << 24
REASONS: Final = frozenset(
    {
        "tombstone",
        "no-framing",
        "too-large",
        "unknown-schema",
        "incompatible-schema",
        "unbounded-schema",
        "wrong-record",
        "malformed",
        "trailing-bytes",
        "instant-out-of-range",
        "amount-out-of-range",
    }
)
"""All of them. Of a topic that only beaas writes, each tells of a fault of its own."""
_MAX_SCHEMA_SIZE_CHARS: Final = 1 << 17
_FOREIGN_SCHEMAS: Final = 256
_MAGIC: Final = b"\0"


NamedEntry: TypeAlias = NamedUsage | tuple[Entry, None, None]
"""An entry; usage with its key and digest (`billing.account.identity`)."""


class SchemaSource(Protocol):
    """Where schemas of other writers come from: the registry."""

    def schema(self, schema_id: int) -> str | None:
        """Returns the schema's JSON text, or None where no schema has this id; may block for a bounded time."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """A writer's schema: which record of ours it writes, and how it resolves (None: it is our own version)."""

    record: str
    schema: Schema
    reader: Schema | None


class UnknownIds:
    """Remembers ids that no schema has, for a short time, and how many may be asked for in that time.

    A producer that frames noise would otherwise make the registry answer for each of its records.
    """

    def __init__(self, *, limit: int = 100, remembered_s: float = 30.0, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._remembered_s = remembered_s
        self._clock = clock
        self._until: dict[int, float] = {}

    def add(self, schema_id: int) -> None:
        """Remembers the id from now on."""
        self._until[schema_id] = self._clock() + self._remembered_s

    def may_ask(self, schema_id: int) -> bool:
        """Returns whether the registry may be asked for this id now."""
        if not self._until:
            return True
        now = self._clock()
        self._until = {known: until for known, until in self._until.items() if until > now}
        return schema_id not in self._until and len(self._until) < self._limit


class Codec:
    """Writes and reads the records of ours; one for each process, as it remembers the schemas of other writers."""

    def __init__(
        self,
        ids: Mapping[str, int],
        source: SchemaSource,
        *,
        prefix: str = "beaas.",
        unknown: UnknownIds | None = None,
    ) -> None:
        """Makes a codec that writes with the registered `ids` of `schemas.topics.subjects(prefix)`.

        Raises:
            ValueError: a subject has no id.
        """
        missing = sorted(topics.subjects(prefix).keys() - ids.keys())
        if missing:
            raise ValueError(f"no schema id for {', '.join(missing)}: run `beaas schemas register`")
        self._source = source
        self._unknown = unknown or UnknownIds(clock=time.monotonic)
        self._headers = {
            (topic.full_name(prefix), record): _header(ids[topics.subject(topic, record, prefix)])
            for topic in topics.TOPICS
            for record in topic.records
        }
        self._largest = {topic.full_name(prefix): topic.largest_value_bytes for topic in topics.TOPICS}
        self._own = {
            ids[subject]: _Writer(record, plain_schema(record), None)
            for subject, record in topics.subjects(prefix).items()
        }
        self._foreign: dict[int, _Writer | UndecodableRecord] = {}
        self._usage_headers = frozenset(
            header for (_, record), header in self._headers.items() if record == UsageRecorded.FULL_NAME
        )
        self._usage_frame = self._headers[topics.USAGE.full_name(prefix), UsageRecorded.FULL_NAME]

    @property
    def usage_frame(self) -> bytes:
        """The five bytes before usage that we write; usage framed so may go to the journal as it came."""
        return self._usage_frame

    def encode(self, topic: str, record: Record) -> bytes:
        """Returns the framed bytes of a record on a topic (its name with the prefix).

        Raises:
            Unencodable: the topic does not carry it, a field holds what its schema does not allow, or it is too large.
        """
        header = self._headers.get((topic, record.FULL_NAME))
        if header is None:
            raise Unencodable(f"topic {topic} does not carry {record.FULL_NAME}")
        payload = _written(header, record.FULL_NAME, record.to_wire())
        if len(payload) > self._largest[topic]:  # refused here, it stops its writer; refused by Kafka, everybody
            raise Unencodable(f"{record.FULL_NAME} of {len(payload)} bytes: {topic} takes {self._largest[topic]}")
        return payload

    def encode_usage(self, usage: Usage) -> bytes:
        """Returns usage as framed `UsageRecorded`, for the usage topic and the journal alike.

        Raises:
            Unencodable: a field holds what its schema does not allow.
        """
        return write_usage(self._usage_frame, usage) or _written(
            self._usage_frame, UsageRecorded.FULL_NAME, _usage_fields(usage)
        )

    def encode_total(self, topic: str, total: Total, as_of_us: int) -> bytes:
        """Returns a running total as framed `UsageTotal`, as it was flushed at `as_of_us`.

        Raises:
            Unencodable: as `encode`.
        """
        header = self._headers[topic, UsageTotal.FULL_NAME]
        payload = write_total(header, total, as_of_us)
        if payload is None:  # usual ones are far from too large
            return self.encode(topic, convert.total_from_domain(total, as_of=instant(as_of_us)))
        return payload

    def decode(self, payload: bytes | None) -> Record:
        """Returns the record in a framed payload, resolved to our version of its schema.

        Raises:
            UndecodableRecord: as the module says.
        """
        payload = _present(payload)
        writer = self._writer(payload, MAX_RECORD_SIZE_BYTES)
        return RECORDS[writer.record].from_wire(_read(payload, writer))

    def decode_usage(self, payload: bytes | None) -> Usage:
        """Returns the usage in a framed payload; `schemas.limits.validated` then says whether it is acceptable.

        Raises:
            UndecodableRecord: as the module says.
        """
        if payload is not None and payload[:FRAME_SIZE_BYTES] in self._usage_headers:
            usage = read_usage(payload)
            if usage is not None:
                return usage
        return self._decode_usage_by_schema(_present(payload))

    def decode_journal(self, payload: bytes | None) -> Entry:
        """Returns the journal entry in a framed payload, with the definitions in its terms parsed.

        Raises:
            UndecodableRecord: as the module says; `malformed` also where a definition is no JSON.
        """
        payload = _present(payload)
        if payload[:FRAME_SIZE_BYTES] in self._usage_headers:
            return self.decode_usage(payload)
        writer = self._writer(payload, MAX_RECORD_SIZE_BYTES)
        if writer.record == UsageRecorded.FULL_NAME:
            return self.decode_usage(payload)
        _expect(writer, topics.JOURNAL)
        return convert.entry_to_domain(RECORDS[writer.record].from_wire(_read(payload, writer)))

    def decode_named(self, payload: bytes | None) -> NamedEntry:
        """Returns the journal entry in a framed payload; usage with its `usage_key` and `usage_digest`.

        Raises:
            UndecodableRecord: as `decode_journal`.
        """
        if (
            payload is not None
            and payload[:FRAME_SIZE_BYTES] in self._usage_headers
            and (named := read_named(payload)) is not None
        ):
            return named
        entry = self.decode_journal(payload)
        if isinstance(entry, Usage):
            return entry, usage_key(entry), usage_digest(entry)
        return entry, None, None

    def named_usage(self, payloads: Sequence[bytes | None]) -> NamedBatch:
        """Returns what `decode_named` does, for all at once and of usual usage only; the rest is for it to look at."""
        return read_all_named(payloads, self._usage_headers)

    def _decode_usage_by_schema(self, payload: bytes) -> Usage:
        writer = self._writer(payload, MAX_USAGE_SIZE_BYTES)
        _expect(writer, topics.USAGE)
        return _usage(_read(payload, writer))

    def _writer(self, payload: bytes, limit_bytes: int) -> _Writer:
        if len(payload) < FRAME_SIZE_BYTES or payload[:1] != _MAGIC:
            raise UndecodableRecord("no-framing", f"{len(payload)} bytes that begin with {payload[:5].hex() or 'none'}")
        if len(payload) > limit_bytes:
            raise UndecodableRecord("too-large", f"{len(payload)} bytes, at most {limit_bytes} are read")
        schema_id = int.from_bytes(payload[1:FRAME_SIZE_BYTES], "big")
        writer = self._own.get(schema_id) or self._foreign.get(schema_id)
        if writer is None:
            writer = self._fetched(schema_id)
        if isinstance(writer, UndecodableRecord):
            raise UndecodableRecord(writer.reason, writer.detail)
        return writer

    def _fetched(self, schema_id: int) -> _Writer | UndecodableRecord:
        known = self._unknown.may_ask(schema_id)
        text = self._source.schema(schema_id) if known else None
        if text is None:
            if known:
                self._unknown.add(schema_id)
            raise UndecodableRecord("unknown-schema", f"the registry has no schema {schema_id}")
        while len(self._foreign) >= _FOREIGN_SCHEMAS:
            del self._foreign[next(iter(self._foreign))]
        try:
            self._foreign[schema_id] = _foreign_writer(schema_id, text)
        except UndecodableRecord as refusal:
            self._foreign[schema_id] = refusal
        return self._foreign[schema_id]


def _foreign_writer(schema_id: int, text: str) -> _Writer:
    """Returns how another writer's schema resolves to ours, having refused those that would be misread."""
    if len(text) > _MAX_SCHEMA_SIZE_CHARS:
        raise UndecodableRecord("incompatible-schema", f"schema {schema_id} is {len(text)} characters long")
    try:
        return _resolved(schema_id, text)
    except UndecodableRecord:
        raise
    except Exception as error:  # noqa: BLE001 - parsers of foreign text raise what they like, and each is stricter elsewhere
        raise UndecodableRecord(
            "incompatible-schema", f"schema {schema_id} is no Avro schema: {error!s:.200}"
        ) from None


def _resolved(schema_id: int, text: str) -> _Writer:
    tree = SchemaTree.of(text)
    schema = fastavro.parse_schema(plain(json.loads(text)))
    record = tree.root.get("name") if isinstance(tree.root, dict) else None
    if not isinstance(record, str) or record not in RECORDS:
        raise UndecodableRecord("incompatible-schema", f"schema {schema_id} is of {record!s:.80}, no record of ours")
    check_bounded(tree)
    ours = schema_text(record)
    changes = structural_changes(ours, text) + logical_changes(SchemaTree.of(ours), tree)
    if changes:
        raise UndecodableRecord("incompatible-schema", f"schema {schema_id} of {record}: {'; '.join(changes):.400}")
    return _Writer(record, schema, plain_schema(record))


def _present(payload: bytes | None) -> bytes:
    if payload is None:
        raise UndecodableRecord("tombstone", "the record has no value")
    return payload


def _expect(writer: _Writer, topic: Topic) -> None:
    if writer.record not in topic.records:
        raise UndecodableRecord("wrong-record", f"{writer.record}; {topic.name} carries {', '.join(topic.records)}")


def _read(payload: bytes, writer: _Writer) -> dict[str, Any]:
    """Returns the fields of a payload; the one place where fastavro's errors are translated."""
    body = io.BytesIO(payload)
    body.seek(FRAME_SIZE_BYTES)
    try:
        fields = cast("dict[str, Any]", fastavro.schemaless_reader(body, writer.schema, writer.reader))
    except Exception as error:  # noqa: BLE001 - EOFError, IndexError, TypeError, ValueError … by turns
        where = f"{writer.record}, {len(payload)} bytes"
        raise UndecodableRecord("malformed", f"{where}: {type(error).__name__} {error!s:.200}".strip()) from None
    if body.tell() != len(payload):
        raise UndecodableRecord("trailing-bytes", f"{writer.record}: {len(payload) - body.tell()} bytes behind it")
    return fields


def _written(header: bytes, record: str, fields: Mapping[str, object]) -> bytes:
    body = io.BytesIO(header)
    body.seek(FRAME_SIZE_BYTES)
    try:
        fastavro.schemaless_writer(body, plain_schema(record), fields)
    except Exception as error:
        raise Unencodable(f"{record}: {error}") from error
    return body.getvalue()


def _usage(fields: Mapping[str, Any]) -> Usage:
    return Usage(
        tenant=fields["tenant_id"],
        customer=fields["customer_id"],
        id=fields["id"],
        source=fields["source"],
        type=fields["type"],
        occurred_at_us=fields["occurred_at"],
        properties=fields["properties"],
        subscription=fields["subscription_id"],
    )


def _usage_fields(usage: Usage) -> dict[str, object]:
    named = usage.subscription
    return {
        "tenant_id": wire.text(usage.tenant, "Usage.tenant"),
        "customer_id": wire.text(usage.customer, "Usage.customer"),
        "id": wire.text(usage.id, "Usage.id"),
        "source": wire.text(usage.source, "Usage.source"),
        "type": wire.text(usage.type, "Usage.type"),
        "occurred_at": wire.whole(usage.occurred_at_us, "Usage.occurred_at_us", 64),
        "properties": wire.texts(usage.properties, "Usage.properties"),
        "subscription_id": None if named is None else wire.text(named, "Usage.subscription"),
    }


def _header(schema_id: int) -> bytes:
    return _MAGIC + schema_id.to_bytes(4, "big")
