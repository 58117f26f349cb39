"""Reads an apply file: the shape of `beaas apply`, its references, and every definition by the rules of billing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from billing.currency import currency
from billing.entry import CustomerId, SubscriptionId, TenantId
from billing.errors import InvalidDefinition
from billing.instant import EPOCH
from billing.period import BillingPeriod, Unit, billing_period, boundary, zone
from connectors.catalogue_file.definitions import ReadCoupon, read_coupon, read_meter, read_plan
from connectors.catalogue_file.document import LARGEST_SIZE_BYTES, parse_document
from connectors.catalogue_file.model import (
    MOST_COUPONS,
    Anchor,
    Catalogue,
    CouponCode,
    Customer,
    Plan,
    PlanCode,
    Subscription,
    Tenant,
)
from connectors.catalogue_file.problems import Problems
from connectors.catalogue_file.section import Section, distinct, reference

MOST_PERIODS: Final = 10_000
LONGEST_TRIAL_DAYS: Final = 3_650


def read_catalogue(path: Path) -> Catalogue:
    """Returns what the file says.

    Raises:
        BadFile: it can't be read, or something in it is wrong; nothing of such a file is to be applied.
    """
    problems = Problems(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_SIZE_BYTES + 1)
    except OSError as error:
        raise problems.fatal(1, f"can't be read: {error.strerror}") from None
    return parse_catalogue(content, str(path))


def parse_catalogue(content: bytes, file: str) -> Catalogue:
    """Returns what the content of `file` says; `file` is only its name in the errors.

    Raises:
        BadFile: see `read_catalogue`.
    """
    problems = Problems(file)
    section = Section.of(parse_document(_text(content, problems), problems), "", problems)
    tenants = distinct(section, "tenants", _tenant, lambda tenant: tenant.code, required=True)
    section.close()
    if problems.found:
        raise problems.refusal()
    return Catalogue(tuple(tenants.values()))


def _text(content: bytes, problems: Problems) -> str:
    if len(content) > LARGEST_SIZE_BYTES:
        raise problems.fatal(1, f"has more than {LARGEST_SIZE_BYTES} bytes; apply it in several files")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise problems.fatal(1 + content.count(b"\n", 0, error.start), "is no UTF-8 text") from None


def _tenant(section: Section) -> Tenant:
    code = TenantId(section.code())
    money, timezone = section.text("currency", currency), section.text("timezone", zone)
    meters = distinct(section, "meters", read_meter, lambda meter: meter.said.code)
    plans = distinct(section, "plans", lambda inner: read_plan(inner, meters), lambda plan: plan.code)
    coupons = distinct(section, "coupons", lambda inner: read_coupon(inner, money), lambda coupon: coupon.said.code)
    customers = distinct(section, "customers", _customer, lambda customer: customer.code)
    known = _Known(timezone, plans, customers, coupons)
    subscriptions = distinct(section, "subscriptions", known.subscription, lambda subscription: subscription.code)
    return Tenant(
        code=code,
        currency=money,
        timezone=timezone,
        tax_percent=section.percent("tax_percent"),
        test_clock=section.instant("test_clock"),
        meters=tuple(meter.said for meter in meters.values()),
        plans=tuple(plans.values()),
        customers=tuple(customers.values()),
        subscriptions=tuple(subscriptions.values()),
        coupons=tuple(coupon.said for coupon in coupons.values()),
    )


def _customer(section: Section) -> Customer:
    code = section.code()
    return Customer(CustomerId(code), section.name("name", default=code))


@dataclass(frozen=True, slots=True)
class _Known:
    """What a tenant's subscriptions may refer to."""

    timezone: str
    plans: Mapping[str, Plan]
    customers: Mapping[str, Customer]
    coupons: Mapping[str, ReadCoupon]

    def subscription(self, section: Section) -> Subscription:
        """Returns the subscription, its references looked up."""
        customer = section.optional_text("customer", required=True) or ""
        plan = self.plan(section)
        start = section.instant("start", required=True) or EPOCH
        return Subscription(
            code=SubscriptionId(section.code()),
            customer=CustomerId(customer and reference(section, "customer", customer, self.customers)),
            plan=plan.code if plan else PlanCode(""),
            start=start,
            anchor=section.choice("anchor", plan.anchor if plan else Anchor.SUBSCRIPTION),
            periods=self.periods(section, plan, start),
            trial_end=self.trial_end(section, start),
            coupons=self.given(section, plan, start),
        )

    def plan(self, section: Section) -> Plan | None:
        code = section.optional_text("plan", required=True)
        return None if code is None else self.plans.get(reference(section, "plan", code, self.plans))

    def periods(self, section: Section, plan: Plan | None, start: datetime) -> int | None:
        """Every end that can be asked for has to be an instant."""
        count = section.count("periods", MOST_PERIODS)
        if count:
            self.check_end(section, "periods", plan, start, count)
        return count

    def given(self, section: Section, plan: Plan | None, start: datetime) -> tuple[CouponCode, ...]:
        """Each once, and each with an end that is an instant, if it has one."""
        codes = section.texts("coupons")
        if len(codes) > MOST_COUPONS:
            section.wrong("coupons", f"has {len(codes)} codes; at most {MOST_COUPONS} are allowed")
        for code in dict.fromkeys(codes):
            if codes.count(code) > 1:
                section.wrong("coupons", f"has {code[:80]!r} twice; remove one")
            known = self.coupons.get(reference(section, "coupons", code, self.coupons))
            if known and known.understood and known.understood.periods:
                self.check_end(section, "coupons", plan, start, known.understood.periods)
        return tuple(CouponCode(code) for code in codes)

    def check_end(self, section: Section, name: str, plan: Plan | None, start: datetime, periods: int) -> None:
        """Notes a problem where so many periods lead beyond the calendar."""
        if plan and plan.billing_period and self.timezone:
            try:
                boundary(start, billing_period(plan.billing_period), zone(self.timezone), periods + 1)
            except InvalidDefinition as refusal:
                section.wrong(name, refusal.problem)

    def trial_end(self, section: Section, start: datetime) -> datetime | None:
        """Days of a trial are days of the wall clock, so they end at the hour they began, whatever the clocks do."""
        end, days = section.instant("trial_end"), section.count("trial_days", LONGEST_TRIAL_DAYS)
        if end and days:
            section.wrong("trial_days", "stands beside trial_end; one of them is allowed")
        if end and end <= start:
            section.wrong("trial_end", "is not after start")
        if days and self.timezone:
            return boundary(start, BillingPeriod(days, Unit.DAY), zone(self.timezone), 1)
        return end
