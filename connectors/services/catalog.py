"""Tenants, meters, coupons and plan versions: what exists, what a subscription's terms are, and what changes a plan."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from billing.coupon import discount, parse_coupon
from billing.currency import currency
from billing.entry import Coupon, TenantId, Terms
from billing.meter import parse_meter
from billing.price import UsagePrice
from billing.price_definition import parse_price, require_measurable
from billing.quantity import plain
from connectors.postgres.pool import Connection
from connectors.postgres.queries import catalog
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services.errors import Unknown
from schemas import records, topics

Raw = dict[str, object]
"""A definition: texts, lists, mappings and flags, as the catalogue wrote it."""


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant as it is now."""

    code: TenantId
    currency: str
    timezone: str
    tax_percent: str
    test_clock: datetime | None

    def now(self, real_now: datetime) -> datetime:
        """Returns the tenant's moment: its test clock where it has one."""
        return self.test_clock or real_now


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan; it never changes."""

    code: str
    version: int
    billing_period: str
    prices: tuple[Raw, ...]

    def uses(self, meters: Iterable[str]) -> bool:
        """Tells whether a price of it is of one of the meters."""
        return not {price.get("meter") for price in self.prices}.isdisjoint(meters)


@dataclass(slots=True)
class Offer:
    """What a tenant offers now: its meters, its coupons and the newest version of each plan."""

    tenant: TenantState
    meters: dict[str, Raw] = field(default_factory=dict)
    plans: dict[str, PlanVersion] = field(default_factory=dict)
    coupons: dict[str, Raw] = field(default_factory=dict)

    def terms(self, plan: str) -> Terms:
        """Returns all that pricing needs of the plan's newest version.

        Raises:
            Unknown: the tenant has no such plan.
        """
        version = self.plans.get(plan)
        if version is None:
            raise Unknown(
                f"tenant {self.tenant.code} has no plan {plan}; it has {', '.join(sorted(self.plans)) or 'none'}"
            )
        used = sorted({str(price["meter"]) for price in version.prices if "meter" in price})
        return Terms(
            plan=plan,
            plan_version=version.version,
            billing_period=version.billing_period,
            currency=self.tenant.currency,
            timezone=self.tenant.timezone,
            tax_percent=self.tenant.tax_percent,
            meters=tuple(self.meters[meter] for meter in used),
            prices=version.prices,
        )

    def coupon(self, code: str) -> Coupon:
        """Returns the coupon as it is given now.

        Raises:
            Unknown: the tenant has no such coupon.
            InvalidDefinition: it takes off an amount that its tenant's currency, another since then, has no digits for.
        """
        raw = self.coupons.get(code)
        if raw is None:
            known = ", ".join(sorted(self.coupons)) or "none"
            raise Unknown(f"tenant {self.tenant.code} has no coupon {code}; it has {known}")
        given = parse_coupon(raw, f"coupon {code}")
        discount(given, currency(self.tenant.currency))
        return given


async def tenant_of(connection: Connection, tenant: TenantId) -> TenantState:
    """Returns the tenant.

    Raises:
        Unknown: there is none.
    """
    row = await catalog.tenant_by_id(connection, tenant_id=tenant)
    if row is None:
        raise Unknown(f"there is no tenant {tenant}")
    return TenantState(tenant, row.currency, row.timezone, plain(row.tax_percent), row.test_clock)


async def hold_tenant(connection: Connection, tenant: TenantId) -> TenantState:
    """Returns the tenant, whose zone nobody changes until the transaction ends: what is agreed by it moves with it.

    Raises:
        Unknown: there is none.
    """
    row = await catalog.hold_tenant(connection, tenant_id=tenant)
    if row is None:
        raise Unknown(f"there is no tenant {tenant}")
    return TenantState(tenant, row.currency, row.timezone, plain(row.tax_percent), row.test_clock)


async def lock_tenants(connection: Connection, tenants: Sequence[TenantId]) -> dict[TenantId, TenantState]:
    """Returns those tenants that exist; their clocks stand still until the transaction ends."""
    return {
        TenantId(row.tenant_id): TenantState(
            TenantId(row.tenant_id), row.currency, row.timezone, plain(row.tax_percent), row.test_clock
        )
        for row in await catalog.tenants_by_id(connection, tenant_ids=list(tenants))
    }


async def offers_of(connection: Connection, tenants: Iterable[TenantState]) -> dict[TenantId, Offer]:
    """Returns what each of the tenants offers now."""
    offers = {tenant.code: Offer(tenant) for tenant in tenants}
    for meter in await catalog.meters_of(connection, tenant_ids=list(offers)):
        offers[TenantId(meter.tenant_id)].meters[meter.meter_id] = json.loads(meter.definition)
    for plan in await catalog.current_plans_of(connection, tenant_ids=list(offers)):
        offers[TenantId(plan.tenant_id)].plans[plan.plan_id] = PlanVersion(
            plan.plan_id, plan.version, plan.billing_period, tuple(json.loads(plan.prices))
        )
    for coupon in await catalog.coupons_of(connection, tenant_ids=list(offers)):
        offers[TenantId(coupon.tenant_id)].coupons[coupon.coupon_id] = json.loads(coupon.definition)
    return offers


async def save_tenants(work: UnitOfWork, tenants: Sequence[TenantState], now: datetime) -> None:
    """Creates or changes the tenants and tells of it; the clock of one that exists stays."""
    await catalog.save_tenants(
        work.connection,
        tenant_ids=[tenant.code for tenant in tenants],
        currencies=[tenant.currency for tenant in tenants],
        timezones=[tenant.timezone for tenant in tenants],
        tax_percents=[Decimal(tenant.tax_percent) for tenant in tenants],
        test_clocks=[tenant.test_clock for tenant in tenants],
    )
    for tenant in tenants:
        record = records.TenantSaved(
            tenant_id=tenant.code,
            currency=tenant.currency,
            timezone=tenant.timezone,
            tax_percent=tenant.tax_percent,
        )
        work.publish(topics.CATALOG, "tenant", tenant.code, record, occurred_at=tenant.now(now))


async def save_meters(work: UnitOfWork, meters: Sequence[tuple[TenantState, str, Raw]], now: datetime) -> None:
    """Creates or changes the meters and tells of it."""
    await catalog.save_meters(
        work.connection,
        tenant_ids=[tenant.code for tenant, _, _ in meters],
        meter_ids=[code for _, code, _ in meters],
        definitions=[_json(definition) for _, _, definition in meters],
    )
    for tenant, code, definition in meters:
        record = records.MeterSaved(tenant_id=tenant.code, meter=code, definition=_json(definition))
        work.publish(topics.CATALOG, f"meter:{code}", tenant.code, record, occurred_at=tenant.now(now))


async def save_coupons(work: UnitOfWork, coupons: Sequence[tuple[TenantState, str, Raw]], now: datetime) -> None:
    """Creates or changes the coupons and tells of it; whoever was given one keeps it as it was."""
    await catalog.save_coupons(
        work.connection,
        tenant_ids=[tenant.code for tenant, _, _ in coupons],
        coupon_ids=[code for _, code, _ in coupons],
        definitions=[_json(definition) for _, _, definition in coupons],
    )
    for tenant, code, definition in coupons:
        record = records.CouponSaved(tenant_id=tenant.code, coupon=code, definition=_json(definition))
        work.publish(topics.CATALOG, f"coupon:{code}", tenant.code, record, occurred_at=tenant.now(now))


async def publish_plans(work: UnitOfWork, plans: Sequence[tuple[TenantState, PlanVersion]], now: datetime) -> None:
    """Adds the plan versions, making their plans exist, and tells of it."""
    tenant_ids, plan_ids = [str(tenant.code) for tenant, _ in plans], [plan.code for _, plan in plans]
    await catalog.save_plans(work.connection, tenant_ids=tenant_ids, plan_ids=plan_ids)
    await catalog.publish_plan_versions(
        work.connection,
        tenant_ids=tenant_ids,
        plan_ids=plan_ids,
        versions=[plan.version for _, plan in plans],
        billing_periods=[plan.billing_period for _, plan in plans],
        prices=[_json(plan.prices) for _, plan in plans],
    )
    for tenant, plan in plans:
        record = records.PlanVersionPublished(
            tenant_id=tenant.code,
            plan=plan.code,
            plan_version=plan.version,
            billing_period=plan.billing_period,
            prices=_json(plan.prices),
        )
        work.publish(topics.CATALOG, f"plan:{plan.code}", tenant.code, record, occurred_at=tenant.now(now))


def changed_plans(offer: Offer, wanted: Mapping[str, PlanVersion], changed_meters: Iterable[str]) -> list[PlanVersion]:
    """Returns the versions to publish.

    One of every wanted plan that is new or differs from its newest version, and one of every plan, wanted or not, that
    uses a changed meter.
    """
    meters = set(changed_meters)
    published = []
    for code, plan in {**offer.plans, **wanted}.items():
        current = offer.plans.get(code)
        version = 1 if current is None else current.version + 1
        same = current is not None and (plan.billing_period, plan.prices) == (current.billing_period, current.prices)
        if not same or plan.uses(meters):
            published.append(PlanVersion(code, version, plan.billing_period, plan.prices))
    return published


def check_prices(offer: Offer, plan: PlanVersion) -> None:
    """Refuses a version whose prices ask their meters for what these do not measure any more.

    Raises:
        InvalidDefinition: which field, and what is allowed.
    """
    for number, raw in enumerate(plan.prices):
        price, where = parse_price(raw, f"prices[{number}]"), f"prices[{number}]"
        if isinstance(price, UsagePrice):
            require_measurable(price, parse_meter(offer.meters[price.meter], "meter"), where)


def _json(definition: object) -> str:
    return json.dumps(definition, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
