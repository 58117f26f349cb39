"""The statements of ../sql/catalog.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import args_row

_SERIALIZE_APPLIES: Final[LiteralString] = """
SELECT FROM pg_advisory_xact_lock(hashtextextended('beaas.apply', 0))
"""


async def serialize_applies(connection: AsyncConnection[Any]) -> None:
    """Lets one transaction at a time change catalogues; the others wait until it has ended."""
    await connection.execute(_SERIALIZE_APPLIES)


_TENANTS_BY_ID: Final[LiteralString] = """
SELECT tenant_id, currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = ANY(%(tenant_ids)b::text[])
ORDER BY tenant_id
FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class TenantsById:
    """A row of `tenants_by_id`."""

    tenant_id: str
    currency: str
    timezone: str
    tax_percent: Decimal
    test_clock: datetime | None


async def tenants_by_id(connection: AsyncConnection[Any], *, tenant_ids: list[str]) -> list[TenantsById]:
    """The tenants that exist, locked against a move of their clocks."""
    async with connection.cursor(row_factory=args_row(TenantsById)) as cursor:
        await cursor.execute(_TENANTS_BY_ID, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_TENANT_BY_ID: Final[LiteralString] = """
SELECT currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True, slots=True)
class TenantById:
    """A row of `tenant_by_id`."""

    currency: str
    timezone: str
    tax_percent: Decimal
    test_clock: datetime | None


async def tenant_by_id(connection: AsyncConnection[Any], *, tenant_id: str) -> TenantById | None:
    """The tenant, if it exists."""
    async with connection.cursor(row_factory=args_row(TenantById)) as cursor:
        await cursor.execute(_TENANT_BY_ID, {"tenant_id": tenant_id})
        return await cursor.fetchone()


_HOLD_TENANT: Final[LiteralString] = """
SELECT currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = %(tenant_id)s
FOR SHARE
"""


@dataclass(frozen=True, slots=True)
class HoldTenant:
    """A row of `hold_tenant`."""

    currency: str
    timezone: str
    tax_percent: Decimal
    test_clock: datetime | None


async def hold_tenant(connection: AsyncConnection[Any], *, tenant_id: str) -> HoldTenant | None:
    """The tenant, if it exists, as it stays until the transaction ends: nobody moves its zone meanwhile."""
    async with connection.cursor(row_factory=args_row(HoldTenant)) as cursor:
        await cursor.execute(_HOLD_TENANT, {"tenant_id": tenant_id})
        return await cursor.fetchone()


_SAVE_TENANTS: Final[LiteralString] = """
INSERT INTO beaas.tenants (tenant_id, currency, timezone, tax_percent, test_clock)
SELECT * FROM unnest(
    %(tenant_ids)b::text[], %(currencies)b::text[], %(timezones)b::text[], %(tax_percents)b::numeric[],
    %(test_clocks)b::timestamptz[])
ON CONFLICT (tenant_id) DO UPDATE
SET currency = excluded.currency, timezone = excluded.timezone, tax_percent = excluded.tax_percent
"""


async def save_tenants(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    currencies: list[str],
    timezones: list[str],
    tax_percents: list[Decimal] | list[int],
    test_clocks: list[datetime | None],
) -> None:
    """Creates or changes tenants; the clock of one that exists stays."""
    await connection.execute(
        _SAVE_TENANTS,
        {
            "tenant_ids": tenant_ids,
            "currencies": currencies,
            "timezones": timezones,
            "tax_percents": tax_percents,
            "test_clocks": test_clocks,
        },
    )


_TENANTS_WITH_SUBSCRIPTIONS: Final[LiteralString] = """
SELECT t.tenant_id
FROM beaas.tenants AS t
WHERE t.tenant_id = ANY(%(tenant_ids)b::text[])
AND EXISTS (SELECT FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id)
"""


@dataclass(frozen=True, slots=True)
class TenantsWithSubscriptions:
    """A row of `tenants_with_subscriptions`."""

    tenant_id: str


async def tenants_with_subscriptions(
    connection: AsyncConnection[Any], *, tenant_ids: list[str]
) -> list[TenantsWithSubscriptions]:
    """Those of the tenants that have a subscription, in whatever state."""
    async with connection.cursor(row_factory=args_row(TenantsWithSubscriptions)) as cursor:
        await cursor.execute(_TENANTS_WITH_SUBSCRIPTIONS, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_MOVE_CLOCK: Final[LiteralString] = """
UPDATE beaas.tenants SET test_clock = %(instant)s
WHERE tenant_id = %(tenant_id)s AND test_clock IS NOT NULL AND test_clock <= %(instant)s
"""


async def move_clock(connection: AsyncConnection[Any], *, instant: datetime, tenant_id: str) -> int:
    """Moves the tenant's test clock forward, or leaves it where it is."""
    cursor = await connection.execute(_MOVE_CLOCK, {"instant": instant, "tenant_id": tenant_id})
    return cursor.rowcount


_METERS_OF: Final[LiteralString] = """
SELECT tenant_id, meter_id, definition
FROM beaas.meters
WHERE tenant_id = ANY(%(tenant_ids)b::text[])
"""


@dataclass(frozen=True, slots=True)
class MetersOf:
    """A row of `meters_of`."""

    tenant_id: str
    meter_id: str
    definition: str


async def meters_of(connection: AsyncConnection[Any], *, tenant_ids: list[str]) -> list[MetersOf]:
    """Every meter of the tenants."""
    async with connection.cursor(row_factory=args_row(MetersOf)) as cursor:
        await cursor.execute(_METERS_OF, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_SAVE_METERS: Final[LiteralString] = """
INSERT INTO beaas.meters (tenant_id, meter_id, definition)
SELECT tenant_id, meter_id, definition::jsonb
FROM unnest(%(tenant_ids)b::text[], %(meter_ids)b::text[], %(definitions)b::text[])
    AS given (tenant_id, meter_id, definition)
ON CONFLICT (tenant_id, meter_id) DO UPDATE SET definition = excluded.definition, updated_at = now()
"""


async def save_meters(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], meter_ids: list[str], definitions: list[str]
) -> None:
    """Creates or changes meters."""
    await connection.execute(
        _SAVE_METERS, {"tenant_ids": tenant_ids, "meter_ids": meter_ids, "definitions": definitions}
    )


_CURRENT_PLANS_OF: Final[LiteralString] = """
SELECT DISTINCT ON (tenant_id, plan_id) tenant_id, plan_id, version, billing_period, prices
FROM beaas.plan_versions
WHERE tenant_id = ANY(%(tenant_ids)b::text[])
ORDER BY tenant_id, plan_id, version DESC
"""


@dataclass(frozen=True, slots=True)
class CurrentPlansOf:
    """A row of `current_plans_of`."""

    tenant_id: str
    plan_id: str
    version: int
    billing_period: str
    prices: str


async def current_plans_of(connection: AsyncConnection[Any], *, tenant_ids: list[str]) -> list[CurrentPlansOf]:
    """The newest version of every plan of the tenants."""
    async with connection.cursor(row_factory=args_row(CurrentPlansOf)) as cursor:
        await cursor.execute(_CURRENT_PLANS_OF, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_SAVE_PLANS: Final[LiteralString] = """
INSERT INTO beaas.plans (tenant_id, plan_id)
SELECT * FROM unnest(%(tenant_ids)b::text[], %(plan_ids)b::text[])
ON CONFLICT DO NOTHING
"""


async def save_plans(connection: AsyncConnection[Any], *, tenant_ids: list[str], plan_ids: list[str]) -> None:
    """Makes the plans exist."""
    await connection.execute(_SAVE_PLANS, {"tenant_ids": tenant_ids, "plan_ids": plan_ids})


_PUBLISH_PLAN_VERSIONS: Final[LiteralString] = """
INSERT INTO beaas.plan_versions (tenant_id, plan_id, version, billing_period, prices)
SELECT tenant_id, plan_id, version, billing_period, prices::jsonb
FROM unnest(
    %(tenant_ids)b::text[], %(plan_ids)b::text[], %(versions)b::integer[], %(billing_periods)b::text[],
    %(prices)b::text[]) AS given (tenant_id, plan_id, version, billing_period, prices)
"""


async def publish_plan_versions(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    plan_ids: list[str],
    versions: list[int],
    billing_periods: list[str],
    prices: list[str],
) -> None:
    """Adds versions of plans that exist."""
    await connection.execute(
        _PUBLISH_PLAN_VERSIONS,
        {
            "tenant_ids": tenant_ids,
            "plan_ids": plan_ids,
            "versions": versions,
            "billing_periods": billing_periods,
            "prices": prices,
        },
    )


_COUPONS_OF: Final[LiteralString] = """
SELECT tenant_id, coupon_id, definition
FROM beaas.coupons
WHERE tenant_id = ANY(%(tenant_ids)b::text[])
"""


@dataclass(frozen=True, slots=True)
class CouponsOf:
    """A row of `coupons_of`."""

    tenant_id: str
    coupon_id: str
    definition: str


async def coupons_of(connection: AsyncConnection[Any], *, tenant_ids: list[str]) -> list[CouponsOf]:
    """Every coupon of the tenants."""
    async with connection.cursor(row_factory=args_row(CouponsOf)) as cursor:
        await cursor.execute(_COUPONS_OF, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_SAVE_COUPONS: Final[LiteralString] = """
INSERT INTO beaas.coupons (tenant_id, coupon_id, definition)
SELECT tenant_id, coupon_id, definition::jsonb
FROM unnest(%(tenant_ids)b::text[], %(coupon_ids)b::text[], %(definitions)b::text[])
    AS given (tenant_id, coupon_id, definition)
ON CONFLICT (tenant_id, coupon_id) DO UPDATE SET definition = excluded.definition, updated_at = now()
"""


async def save_coupons(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], coupon_ids: list[str], definitions: list[str]
) -> None:
    """Creates or changes coupons."""
    await connection.execute(
        _SAVE_COUPONS, {"tenant_ids": tenant_ids, "coupon_ids": coupon_ids, "definitions": definitions}
    )
