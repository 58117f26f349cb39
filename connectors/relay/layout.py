"""The outbox table as the relay reads it: columns by position, values as PostgreSQL's binary format has them."""

from typing import Final

TABLE_SCHEMA: Final = "beaas"
TABLE_NAME: Final = "billing_events"
TABLE: Final = f"{TABLE_SCHEMA}.{TABLE_NAME}"

Row = tuple[bytes, ...]
"""What one row's record is made of: the first `CARRIED` columns of `LAYOUT`; none of them is ever null."""

Layout = tuple[tuple[str, str], ...]
"""Column names with their types, in order; a domain counts as the type it is made of."""

LAYOUT: Final[Layout] = (
    ("id", "uuid"),
    ("aggregate_type", "text"),
    ("aggregate_id", "text"),
    ("type", "text"),
    ("tenant_id", "text"),
    ("payload", "bytea"),
    ("correlation_id", "text"),
    ("causation_id", "text"),
    ("traceparent", "text"),
    ("occurred_at", "timestamptz"),
    ("shard", "smallint"),
    ("created_at", "timestamptz"),
    ("sequence", "bigint"),
)
CARRIED: Final = 10
"""How many columns, the first ones, go to the bus; those after them are PostgreSQL's own business."""

COLUMNS: Final = ", ".join(name for name, _ in LAYOUT[:CARRIED])

TYPES_BY_OID: Final = {17: "bytea", 20: "bigint", 21: "smallint", 25: "text", 1184: "timestamptz", 2950: "uuid"}
"""The built-in types that the table uses, by the numbers that PostgreSQL never changes."""

POSTGRES_EPOCH_S: Final = 946_684_800
"""2000-01-01T00:00:00Z, which PostgreSQL counts microseconds from, in seconds since 1970."""
