"""What an apply file says, checked: every code exists, every definition is one that billing understands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from billing.entry import CustomerId, SubscriptionId, TenantId

MeterCode = NewType("MeterCode", str)
PlanCode = NewType("PlanCode", str)
Definition = NewType("Definition", str)
"""A meter's or price's definition as the catalogue wrote it: a JSON object with sorted keys, scalars as written."""


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
class Customer:
    """Who is billed."""

    code: CustomerId
    name: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's plan from `start` on; canceled at the end of its period number `periods`, if that is given.

    Before `trial_end` usage is measured and nothing is billed.
    """

    code: SubscriptionId
    customer: CustomerId
    plan: PlanCode
    start: datetime
    anchor: Anchor
    periods: int | None = None
    trial_end: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A whole file."""

    tenants: tuple[Tenant, ...]
