"""An outbox row as a record of the bus: CloudEvents 1.0, binary content mode of its Kafka protocol binding."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Final

from connectors.bus.port import BusEvent, Header
from connectors.relay.layout import Row
from connectors.relay.placing import placing

_CACHED: Final = 1 << 15
_INT8: Final = Struct("!q")
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SPEC_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/avro")

Envelopes = Callable[[Sequence[Row]], list[BusEvent]]
"""`envelopes(rows)` are the bus's records of the rows, one for each, in their order."""


def enveloping(*, topic_prefix: str, partitions: int, slice_size: int) -> Envelopes:
    """Returns the function that makes records of rows.

    Topic `<prefix><aggregate type>`, key `tenant/aggregate id`, placed by `schemas.partition`; a header whose column is
    empty is left out.
    """
    places = placing(partitions=partitions, slice_size=slice_size)

    @lru_cache(maxsize=_CACHED)
    def common(aggregate_type: bytes, kind: bytes, tenant: bytes) -> tuple[str, bytes, Header, Header, Header]:
        """Topic, how keys begin, and the headers that events of a tenant's aggregates share."""
        name = aggregate_type.decode()
        source = f"/beaas/{name}".encode()
        return f"{topic_prefix}{name}", tenant + b"/", ("ce_type", kind), ("ce_source", source), ("ce_tenantid", tenant)

    def envelopes(rows: Sequence[Row]) -> list[BusEvent]:
        events: list[BusEvent] = []
        partitions_of_rows = places([row[4] for row in rows], [row[2] for row in rows])
        for row, partition in zip(rows, partitions_of_rows, strict=True):  # one call a row less is 5 % of the relay
            event_id, aggregate_type, aggregate, kind, tenant, payload, correlation, causation, trace, occurred = row
            topic, owner, type_, source, tenant_id = common(aggregate_type, kind, tenant)
            headers = [
                _SPEC_VERSION,
                ("ce_id", _uuid(event_id)),
                type_,
                source,
                _time(occurred),
                ("ce_subject", aggregate),
                tenant_id,
                _CONTENT_TYPE,
            ]
            if correlation:
                headers.append(("ce_correlationid", correlation))
            if causation:
                headers.append(("ce_causationid", causation))
            if trace:
                headers.append(("traceparent", trace))
            events.append(BusEvent(topic, owner + aggregate, partition, payload, tuple(headers)))
        return events

    return envelopes


def _uuid(value: bytes) -> bytes:
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


@lru_cache(maxsize=_CACHED)  # events of one transaction share it; a hit saves 2 µs
def _time(value: bytes) -> Header:
    """RFC 3339 in UTC, with microseconds where there are any."""
    moment = _POSTGRES_EPOCH + timedelta(microseconds=_INT8.unpack(value)[0])
    return "ce_time", moment.isoformat().replace("+00:00", "Z").encode()
