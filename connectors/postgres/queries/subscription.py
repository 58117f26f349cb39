"""The statements of ../sql/subscription.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import args_row

_SUBSCRIPTIONS_BY_ID: Final[LiteralString] = """
SELECT
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, ended_at, closed_until, next_due_at, on_calendar, terms, coupons
FROM beaas.subscriptions
WHERE (tenant_id, subscription_id) IN (SELECT * FROM unnest(%(tenant_ids)b::text[], %(subscription_ids)b::text[]))
ORDER BY tenant_id, subscription_id
"""


@dataclass(frozen=True, slots=True)
class SubscriptionsById:
    """A row of `subscriptions_by_id`."""

    tenant_id: str
    subscription_id: str
    customer_id: str
    plan_id: str
    plan_version: int
    state: str
    starts_at: datetime
    anchor_at: datetime
    trial_end_at: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    closed_until: datetime | None
    next_due_at: datetime | None
    on_calendar: bool
    terms: str
    coupons: str


async def subscriptions_by_id(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], subscription_ids: list[str]
) -> list[SubscriptionsById]:
    """Those of the named subscriptions that exist."""
    async with connection.cursor(row_factory=args_row(SubscriptionsById)) as cursor:
        await cursor.execute(_SUBSCRIPTIONS_BY_ID, {"tenant_ids": tenant_ids, "subscription_ids": subscription_ids})
        return await cursor.fetchall()


_DUE_SUBSCRIPTIONS: Final[LiteralString] = """
SELECT s.tenant_id, s.subscription_id, s.customer_id, s.next_due_at::timestamptz AS due_at,
    coalesce(t.test_clock, %(real_now)s::timestamptz) AS tenant_now
FROM beaas.subscriptions AS s
JOIN beaas.tenants AS t USING (tenant_id)
WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s::timestamptz)
ORDER BY s.next_due_at, s.tenant_id, s.subscription_id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class DueSubscriptions:
    """A row of `due_subscriptions`."""

    tenant_id: str
    subscription_id: str
    customer_id: str
    due_at: datetime
    tenant_now: datetime


async def due_subscriptions(
    connection: AsyncConnection[Any], *, real_now: datetime, most: int
) -> list[DueSubscriptions]:
    """The subscriptions with something due by their tenant's now, the first that fall due, with that now."""
    async with connection.cursor(row_factory=args_row(DueSubscriptions)) as cursor:
        await cursor.execute(_DUE_SUBSCRIPTIONS, {"real_now": real_now, "most": most})
        return await cursor.fetchall()


_DUE_OF_ACCOUNT: Final[LiteralString] = """
SELECT subscription_id
FROM beaas.subscriptions
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND next_due_at <= %(instant)s
ORDER BY next_due_at, subscription_id
"""


@dataclass(frozen=True, slots=True)
class DueOfAccount:
    """A row of `due_of_account`."""

    subscription_id: str


async def due_of_account(
    connection: AsyncConnection[Any], *, tenant_id: str, customer_id: str, instant: datetime
) -> list[DueOfAccount]:
    """The account's subscriptions with something due at or before the instant."""
    async with connection.cursor(row_factory=args_row(DueOfAccount)) as cursor:
        await cursor.execute(_DUE_OF_ACCOUNT, {"tenant_id": tenant_id, "customer_id": customer_id, "instant": instant})
        return await cursor.fetchall()


_COUNT_DUE: Final[LiteralString] = """
SELECT count(*) AS due
FROM beaas.subscriptions AS s
JOIN beaas.tenants AS t USING (tenant_id)
WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s::timestamptz)
"""


@dataclass(frozen=True, slots=True)
class CountDue:
    """A row of `count_due`."""

    due: int


async def count_due(connection: AsyncConnection[Any], *, real_now: datetime) -> CountDue | None:
    """How many subscriptions have something due by their tenant's now."""
    async with connection.cursor(row_factory=args_row(CountDue)) as cursor:
        await cursor.execute(_COUNT_DUE, {"real_now": real_now})
        return await cursor.fetchone()


_ADD_SUBSCRIPTIONS: Final[LiteralString] = """
INSERT INTO beaas.subscriptions (
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, closed_until, next_due_at, on_calendar, terms, coupons)
SELECT
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, closed_until, next_due_at, on_calendar, terms::jsonb, coupons::jsonb
FROM unnest(
    %(tenant_ids)b::text[], %(subscription_ids)b::text[], %(customer_ids)b::text[], %(plan_ids)b::text[],
    %(plan_versions)b::integer[], %(states)b::text[], %(starts_ats)b::timestamptz[], %(anchor_ats)b::timestamptz[],
    %(trial_end_ats)b::timestamptz[], %(cancel_ats)b::timestamptz[], %(closed_untils)b::timestamptz[],
    %(next_due_ats)b::timestamptz[], %(on_calendars)b::boolean[], %(terms)b::text[], %(coupons)b::text[])
    AS given (
        tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
        cancel_at, closed_until, next_due_at, on_calendar, terms, coupons)
"""


async def add_subscriptions(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    subscription_ids: list[str],
    customer_ids: list[str],
    plan_ids: list[str],
    plan_versions: list[int],
    states: list[str],
    starts_ats: list[datetime],
    anchor_ats: list[datetime],
    trial_end_ats: list[datetime | None],
    cancel_ats: list[datetime | None],
    closed_untils: list[datetime | None],
    next_due_ats: list[datetime | None],
    on_calendars: list[bool],
    terms: list[str],
    coupons: list[str],
) -> None:
    """Adds subscriptions whose codes are new."""
    await connection.execute(
        _ADD_SUBSCRIPTIONS,
        {
            "tenant_ids": tenant_ids,
            "subscription_ids": subscription_ids,
            "customer_ids": customer_ids,
            "plan_ids": plan_ids,
            "plan_versions": plan_versions,
            "states": states,
            "starts_ats": starts_ats,
            "anchor_ats": anchor_ats,
            "trial_end_ats": trial_end_ats,
            "cancel_ats": cancel_ats,
            "closed_untils": closed_untils,
            "next_due_ats": next_due_ats,
            "on_calendars": on_calendars,
            "terms": terms,
            "coupons": coupons,
        },
    )


_LIVE_SUBSCRIPTIONS_OF: Final[LiteralString] = """
SELECT tenant_id, customer_id, subscription_id
FROM beaas.subscriptions
WHERE tenant_id = ANY(%(tenant_ids)b::text[]) AND state <> 'canceled'
ORDER BY tenant_id, subscription_id
"""


@dataclass(frozen=True, slots=True)
class LiveSubscriptionsOf:
    """A row of `live_subscriptions_of`."""

    tenant_id: str
    customer_id: str
    subscription_id: str


async def live_subscriptions_of(
    connection: AsyncConnection[Any], *, tenant_ids: list[str]
) -> list[LiveSubscriptionsOf]:
    """Every subscription of the tenants that has not ended, with its customer."""
    async with connection.cursor(row_factory=args_row(LiveSubscriptionsOf)) as cursor:
        await cursor.execute(_LIVE_SUBSCRIPTIONS_OF, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_MOVE_SUBSCRIPTIONS: Final[LiteralString] = """
UPDATE beaas.subscriptions AS s
SET state = given.state, ended_at = given.ended_at, closed_until = given.closed_until,
    next_due_at = given.next_due_at, updated_at = now()
FROM unnest(
    %(tenant_ids)b::text[], %(subscription_ids)b::text[], %(states)b::text[], %(ended_ats)b::timestamptz[],
    %(closed_untils)b::timestamptz[], %(next_due_ats)b::timestamptz[])
    AS given (tenant_id, subscription_id, state, ended_at, closed_until, next_due_at)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id
"""


async def move_subscriptions(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    subscription_ids: list[str],
    states: list[str],
    ended_ats: list[datetime | None],
    closed_untils: list[datetime | None],
    next_due_ats: list[datetime | None],
) -> int:
    """Writes how far subscriptions have come; their terms stay."""
    cursor = await connection.execute(
        _MOVE_SUBSCRIPTIONS,
        {
            "tenant_ids": tenant_ids,
            "subscription_ids": subscription_ids,
            "states": states,
            "ended_ats": ended_ats,
            "closed_untils": closed_untils,
            "next_due_ats": next_due_ats,
        },
    )
    return cursor.rowcount


_REPLACE_TERMS: Final[LiteralString] = """
UPDATE beaas.subscriptions AS s
SET plan_id = given.plan_id, plan_version = given.plan_version, terms = given.terms::jsonb, updated_at = now()
FROM unnest(
    %(tenant_ids)b::text[], %(subscription_ids)b::text[], %(plan_ids)b::text[], %(plan_versions)b::integer[],
    %(terms)b::text[]) AS given (tenant_id, subscription_id, plan_id, plan_version, terms)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id
"""


async def replace_terms(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    subscription_ids: list[str],
    plan_ids: list[str],
    plan_versions: list[int],
    terms: list[str],
) -> int:
    """Puts subscriptions on other terms."""
    cursor = await connection.execute(
        _REPLACE_TERMS,
        {
            "tenant_ids": tenant_ids,
            "subscription_ids": subscription_ids,
            "plan_ids": plan_ids,
            "plan_versions": plan_versions,
            "terms": terms,
        },
    )
    return cursor.rowcount


_REZONE_SUBSCRIPTIONS: Final[LiteralString] = """
UPDATE beaas.subscriptions AS s
SET anchor_at = given.anchor_at, cancel_at = given.cancel_at, updated_at = now()
FROM unnest(
    %(tenant_ids)b::text[], %(subscription_ids)b::text[], %(anchor_ats)b::timestamptz[], %(cancel_ats)b::timestamptz[])
    AS given (tenant_id, subscription_id, anchor_at, cancel_at)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id
"""


async def rezone_subscriptions(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    subscription_ids: list[str],
    anchor_ats: list[datetime],
    cancel_ats: list[datetime | None],
) -> int:
    """Writes where subscriptions have their boundaries now: what they are counted from, and when they end by
    themselves.
    """
    cursor = await connection.execute(
        _REZONE_SUBSCRIPTIONS,
        {
            "tenant_ids": tenant_ids,
            "subscription_ids": subscription_ids,
            "anchor_ats": anchor_ats,
            "cancel_ats": cancel_ats,
        },
    )
    return cursor.rowcount


_REPLACE_COUPONS: Final[LiteralString] = """
UPDATE beaas.subscriptions AS s
SET coupons = given.coupons::jsonb, updated_at = now()
FROM unnest(%(tenant_ids)b::text[], %(subscription_ids)b::text[], %(coupons)b::text[])
    AS given (tenant_id, subscription_id, coupons)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id
"""


async def replace_coupons(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], subscription_ids: list[str], coupons: list[str]
) -> int:
    """Writes the coupons that subscriptions have now."""
    cursor = await connection.execute(
        _REPLACE_COUPONS, {"tenant_ids": tenant_ids, "subscription_ids": subscription_ids, "coupons": coupons}
    )
    return cursor.rowcount
