"""Usage as bytes: Confluent-framed Avro by the registry's schema, CloudEvents JSON, and both made unreadable."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from msgspec.structs import replace

from tests.faults.history.log import Content
from tests.faults.history.steps import Form, Send

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FRAME_BYTES: Final = 5
_UNKNOWN_SCHEMA: Final = (2_000_000_000).to_bytes(4, "big")
_LARGE_BYTES: Final = 2_000_000
_LATE_YEAR_US: Final = 33_000_000_000_000_000  # in 3015

UNREADABLE: Final[Mapping[str, str]] = {
    "cut Avro": "malformed",
    "cut to its frame": "malformed",
    "bytes behind it": "trailing-bytes",
    "an unknown schema": "unknown-schema",
    "no magic byte": "no-framing",
    "neither Avro nor JSON": "no-framing",
    "cut JSON": "malformed-json",
    "CloudEvents without a time": "missing-time",
    "nested values": "invalid-data",
    "two megabytes": "too-large",
    "a tombstone": "tombstone",
    "a control character": "id-control-character",
    "NUL": "customer-control-character",
    "65 properties": "properties-too-many",
    "a long value": "property-value-too-long",
    "a year nobody bills": "occurred-at-out-of-range",
}
"""What intake cannot take, and the reason of the dead letter."""
UNMEASURABLE: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "NaN": ("not-a-decimal", {"n": "NaN"}),
    "infinity": ("not-a-decimal", {"n": "-Infinity"}),
    "words": ("not-a-decimal", {"n": "many"}),
    "ten to the 38th": ("out-of-range", {"n": "1" + "0" * 38}),
    "a missing property": ("missing-property", {}),
}
"""What rating cannot measure: the reason, and the properties."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes usage by one registered schema."""

    frame: bytes
    schema: Any

    @classmethod
    def of_registry(cls, url: str, topic: str) -> "Writer":
        """The newest schema that the registry has for the topic."""
        registry = SchemaRegistryClient({"url": url})
        try:
            found = registry.get_latest_version(f"{topic}-value")
        finally:
            registry.close()
        assert found.schema_id is not None
        assert found.schema.schema_str is not None
        return cls(
            b"\0" + found.schema_id.to_bytes(4, "big"), fastavro.parse_schema(json.loads(found.schema.schema_str))
        )

    def value(self, send: Send) -> bytes | None:
        """The record's value; None is a tombstone."""
        if send.plant in UNREADABLE:
            return self._unreadable(send.plant, send.content)
        return self.avro(send.content) if send.form is Form.AVRO else cloudevent(send.content)

    def avro(self, content: Content) -> bytes:
        """As framed Avro."""
        fields = {
            "tenant_id": content.tenant,
            "customer_id": content.customer,
            "id": content.id,
            "source": content.source,
            "type": content.type,
            "occurred_at": content.at_us,
            "properties": content.properties,
            "subscription_id": content.subscription,
        }
        written = io.BytesIO(self.frame)
        written.seek(_FRAME_BYTES)
        fastavro.schemaless_writer(written, self.schema, fields)
        return written.getvalue()

    def _unreadable(self, plant: str, content: Content) -> bytes | None:
        avro, event = self.avro(content), cloudevent(content)
        made: dict[str, Callable[[], bytes | None]] = {
            "cut Avro": lambda: avro[:-3],
            "cut to its frame": lambda: avro[:_FRAME_BYTES],
            "bytes behind it": lambda: avro + b"\0",
            "an unknown schema": lambda: b"\0" + _UNKNOWN_SCHEMA + avro[_FRAME_BYTES:],
            "no magic byte": lambda: avro[_FRAME_BYTES:],
            "neither Avro nor JSON": lambda: b"hello, " + content.id.encode(),
            "cut JSON": lambda: event[:-1],
            "CloudEvents without a time": lambda: event.replace(b'"time"', b'"when"'),
            "nested values": lambda: event.replace(b'"data": {', b'"data": {"deep": {"n": 1}, '),
            "two megabytes": lambda: b"{" + b" " * _LARGE_BYTES + b"}",
            "a tombstone": lambda: None,
            "a control character": lambda: self.avro(replace(content, id=f"{content.id}\x1b[2J")),
            "NUL": lambda: self.avro(replace(content, customer=f"{content.customer}\0")),
            "65 properties": lambda: self.avro(replace(content, properties={f"p{n}": "1" for n in range(65)})),
            "a long value": lambda: self.avro(replace(content, properties={"n": "1" * 1_025})),
            "a year nobody bills": lambda: self.avro(replace(content, at_us=_LATE_YEAR_US)),
        }
        return made[plant]()


def cloudevent(content: Content) -> bytes:
    """As a CloudEvents 1.0 object in which decimal properties are JSON numbers, digit by digit as they are."""
    head: dict[str, object] = {
        "specversion": "1.0",
        "id": content.id,
        "source": content.source,
        "type": content.type,
        "time": (_EPOCH + timedelta(microseconds=content.at_us)).isoformat(),
        "subject": content.customer,
        "tenantid": content.tenant,
    }
    if content.subscription is not None:
        head["subscriptionid"] = content.subscription
    values = ", ".join(f"{json.dumps(name)}: {_written(value)}" for name, value in content.properties.items())
    return (json.dumps(head, ensure_ascii=False)[:-1] + f', "data": {{{values}}}}}').encode()


def _written(value: str) -> str:
    digits = value.removeprefix("-").replace(".", "", 1)
    is_number = digits.isascii() and digits.isdigit() and value[0] != "." and value[-1] != "."
    return value if is_number and (digits[0] != "0" or "." in value[:3] or digits == "0") else json.dumps(value)
