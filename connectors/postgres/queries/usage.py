"""The statements of ../sql/usage.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection

_UPSERT_TOTALS: Final[LiteralString] = """
INSERT INTO beaas.usage_totals AS t (
    tenant_id, customer_id, subscription_id, price_id, line_group, period_start, period_end, quantity, amount_minor,
    currency, journal_position, as_of
)
SELECT * FROM unnest(
    %(tenant_ids)b::text[], %(customer_ids)b::text[], %(subscription_ids)b::text[], %(price_ids)b::text[],
    %(line_groups)b::jsonb[], %(period_starts)b::timestamptz[], %(period_ends)b::timestamptz[],
    %(quantities)b::numeric[], %(amounts_minor)b::numeric[], %(currencies)b::text[], %(journal_positions)b::bigint[],
    %(as_ofs)b::timestamptz[]
)
ON CONFLICT (tenant_id, customer_id, subscription_id, period_start, line_key) DO UPDATE SET
    period_end = excluded.period_end, quantity = excluded.quantity, amount_minor = excluded.amount_minor,
    currency = excluded.currency, journal_position = excluded.journal_position, as_of = excluded.as_of
WHERE excluded.journal_position >= t.journal_position
"""


async def upsert_totals(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    customer_ids: list[str],
    subscription_ids: list[str],
    price_ids: list[str],
    line_groups: list[str],
    period_starts: list[datetime],
    period_ends: list[datetime],
    quantities: list[Decimal] | list[int],
    amounts_minor: list[Decimal] | list[int],
    currencies: list[str],
    journal_positions: list[int],
    as_ofs: list[datetime],
) -> None:
    """The totals stand as given, but where a newer one (by its journal position) stood already. No key may be given
    twice.
    """
    await connection.execute(
        _UPSERT_TOTALS,
        {
            "tenant_ids": tenant_ids,
            "customer_ids": customer_ids,
            "subscription_ids": subscription_ids,
            "price_ids": price_ids,
            "line_groups": line_groups,
            "period_starts": period_starts,
            "period_ends": period_ends,
            "quantities": quantities,
            "amounts_minor": amounts_minor,
            "currencies": currencies,
            "journal_positions": journal_positions,
            "as_ofs": as_ofs,
        },
    )


_UPSERT_PARKED: Final[LiteralString] = """
INSERT INTO beaas.parked_usage AS p (tenant_id, customer_id, events, reason, as_of, journal_position)
SELECT * FROM unnest(
    %(tenant_ids)b::text[], %(customer_ids)b::text[], %(events)b::bigint[], %(reasons)b::text[],
    %(as_ofs)b::timestamptz[], %(journal_positions)b::bigint[]
)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
    events = excluded.events, reason = excluded.reason, as_of = excluded.as_of,
    journal_position = excluded.journal_position
WHERE excluded.journal_position >= p.journal_position
"""


async def upsert_parked(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    customer_ids: list[str],
    events: list[int],
    reasons: list[str],
    as_ofs: list[datetime],
    journal_positions: list[int],
) -> None:
    """The accounts' parked usage stands as given, but where a newer count (by its journal position) stood already.
    No account may be given twice.
    """
    await connection.execute(
        _UPSERT_PARKED,
        {
            "tenant_ids": tenant_ids,
            "customer_ids": customer_ids,
            "events": events,
            "reasons": reasons,
            "as_ofs": as_ofs,
            "journal_positions": journal_positions,
        },
    )
