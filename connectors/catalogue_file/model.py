"""What an apply file says, checked: every code exists, every definition is one that billing understands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from billing.entry import CustomerId, SubscriptionId, TenantId

MOST_COUPONS: Final = 32
"""How many coupons a subscription may have at once: all of them travel with it."""

MeterCode = NewType("MeterCode", str)
PlanCode = NewType("PlanCode", str)
CouponCode = NewType("CouponCode", str)
Definition = NewType("Definition", str)
"""What the catalogue wrote of a meter, a price or a coupon: a JSON object with sorted keys, scalars as written."""


class Anchor(StrEnum):
    """What a subscription's periods are counted from."""

    SUBSCRIPTION = "subscription"
    """Its start."""
    CALENDAR = "calendar"
    """The first of the month or year, or Monday, in the tenant's zone."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured of which events."""

    code: MeterCode
    definition: Definition


@dataclass(frozen=True, slots=True)
class Plan:
    """What is charged for, in the order of the invoice's lines. `meters` are those that the prices use, sorted."""

    code: PlanCode
    billing_period: str
    anchor: Anchor
    prices: tuple[Definition, ...]
    meters: tuple[MeterCode, ...]


@dataclass(frozen=True, slots=True)
class Coupon:
    """What a subscription may be given off."""

    code: CouponCode
    definition: Definition


@dataclass(frozen=True, slots=True)
class Customer:
    """Who is billed."""

    code: CustomerId
    name: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's plan from `start` on; canceled at the end of its period number `periods`, if that is given.

    Before `trial_end` usage is measured and nothing is billed. It begins with `coupons`, in their order.
    """

    code: SubscriptionId
    customer: CustomerId
    plan: PlanCode
    start: datetime
    anchor: Anchor
    periods: int | None = None
    trial_end: datetime | None = None
    coupons: tuple[CouponCode, ...] = ()


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose customers they are. Without `test_clock` the tenant lives on the real clock."""

    code: TenantId
    currency: str
    timezone: str
    tax_percent: str
    test_clock: datetime | None
    meters: tuple[Meter, ...]
    plans: tuple[Plan, ...]
    customers: tuple[Customer, ...]
    subscriptions: tuple[Subscription, ...]
    coupons: tuple[Coupon, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A whole file."""

    tenants: tuple[Tenant, ...]
