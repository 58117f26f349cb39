"""The numbers of usage, written anew from their description: 16 bytes of its identity, 8 of its content.

Both are BLAKE2b of Avro: of tenant, customer, id and source, and of type, instant, properties by name and subscription.
"""

import io
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import fastavro

from tests.faults.history.log import Content

MODULUS: Final = 1 << 192


def _record(**types: object) -> Any:
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    return fastavro.parse_schema({"type": "record", "name": "Said", "fields": fields})


_IDENTITY: Final = _record(tenant="string", customer="string", id="string", source="string")
_CONTENT: Final = _record(
    type="string", at_us="long", properties={"type": "map", "values": "string"}, subscription=["null", "string"]
)


def number_of(content: Content) -> int:
    """What an event adds to the digest of its line."""
    return _number(
        (content.tenant, content.customer, content.id, content.source),
        (content.type, content.at_us, tuple(sorted(content.properties.items())), content.subscription),
    )


@lru_cache(maxsize=1 << 17)
def _number(identity: tuple[str, ...], said: tuple[str, int, tuple[tuple[str, str], ...], str | None]) -> int:
    kind, at_us, properties, subscription = said
    name = _hashed(_IDENTITY, 16, dict(zip(("tenant", "customer", "id", "source"), identity, strict=True)))
    told = {"type": kind, "at_us": at_us, "properties": dict(properties), "subscription": subscription}
    return int.from_bytes(name + _hashed(_CONTENT, 8, told), "big")


def _hashed(schema: Any, size: int, fields: dict[str, object]) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, fields)
    return blake2b(written.getvalue(), digest_size=size).digest()
