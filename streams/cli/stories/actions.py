"""What a story says, in the words of the services: its tenant as an apply file, its commands, its usage."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from billing.entry import CustomerId, SubscriptionId, TenantId, Usage
from billing.instant import micros
from connectors.catalogue_file import BadFile, Catalogue, model, parse_catalogue
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services import customers, subscriptions
from connectors.services.amendments import Charge
from streams.conformance.case import (
    Action,
    AddCharge,
    ApplyCoupon,
    Cancel,
    ChangePlan,
    ChangeQuantity,
    ChangeZone,
    GrantCredit,
    InvalidCase,
    Pause,
    RemoveCoupon,
    ReportUsage,
    Resume,
    Scenario,
    Subscribe,
    VoidUsage,
)
from streams.conformance.pipeline import SentUsage


def catalogue_of(code: str, scenario: Scenario, *, timezone: str) -> Catalogue:
    """Returns the story's tenant, with its catalogue and every customer that it names, as an apply file says it.

    Its test clock begins with the story.

    Raises:
        InvalidCase: `beaas apply` would not take it.
    """
    catalog: Mapping[str, list[dict[str, object]]] = msgspec.to_builtins(scenario.catalog)
    tenant: dict[str, object] = {
        "code": code,
        "currency": scenario.tenant.currency,
        "timezone": timezone,
        "tax_percent": scenario.tenant.tax_percent,
        **{kind: [_given(item) for item in items] for kind, items in catalog.items() if items},
        "customers": [{"code": customer} for customer in _customers(scenario)],
    }
    if scenario.timeline:
        tenant["test_clock"] = scenario.timeline[0].at.isoformat()
    try:
        return parse_catalogue(json.dumps({"tenants": [tenant]}).encode(), "the story as an apply file")
    except BadFile as refusal:
        raise InvalidCase(str(refusal)) from None


def _given(item: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in item.items() if value is not None}


def _customers(scenario: Scenario) -> list[str]:
    named = [getattr(moment.action, "customer", None) for moment in scenario.timeline]
    return sorted({customer for customer in named if customer is not None})


async def command(work: UnitOfWork, tenant: TenantId, action: Action, at: datetime) -> None:  # noqa: C901, PLR0912 - one for each
    """Does what the story says at `at`, where the tenant's clock stands.

    Raises:
        BillingError: it is refused.
        InvalidCase: usage and another zone are no commands of a unit of work.
    """
    now = datetime.now(UTC)
    match action:
        case Subscribe():
            await subscriptions.subscribe(work, tenant, _subscription(action, at), now=now)
        case ChangePlan(subscription=code, plan=plan):
            await subscriptions.change_plan(work, tenant, SubscriptionId(code), plan, now=now)
        case Pause(subscription=code):
            await subscriptions.pause(work, tenant, SubscriptionId(code), now=now)
        case Resume(subscription=code):
            await subscriptions.resume(work, tenant, SubscriptionId(code), now=now)
        case Cancel(subscription=code):
            await subscriptions.cancel(work, tenant, SubscriptionId(code), now=now)
        case ChangeQuantity(subscription=code, price=price, quantity=quantity):
            await subscriptions.change_quantity(work, tenant, SubscriptionId(code), price, quantity, now=now)
        case AddCharge(subscription=code):
            await subscriptions.add_charge(work, tenant, SubscriptionId(code), _charge(action), now=now)
        case ApplyCoupon(subscription=code, coupon=coupon):
            await subscriptions.apply_coupon(work, tenant, SubscriptionId(code), coupon, now=now)
        case RemoveCoupon(subscription=code, coupon=coupon):
            await subscriptions.remove_coupon(work, tenant, SubscriptionId(code), coupon, now=now)
        case VoidUsage(customer=customer, id=usage_id):
            sent = customers.UsageName(CustomerId(customer), usage_id)
            await customers.void_usage(work, tenant, sent, now=now)
        case GrantCredit():
            grant = customers.Grant(CustomerId(action.customer), action.amount, action.priority, action.expires)
            await customers.grant_credit(work, tenant, grant, now=now)
        case ReportUsage() | ChangeZone():
            raise InvalidCase(f"{type(action).__name__} is no command of a unit of work")
        case _:
            assert_never(action)


def _subscription(action: Subscribe, at: datetime) -> model.Subscription:
    return model.Subscription(
        code=SubscriptionId(action.subscription),
        customer=CustomerId(action.customer),
        plan=model.PlanCode(action.plan),
        start=at,
        anchor=model.Anchor(action.anchor),
        trial_end=action.trial_end,
        coupons=tuple(map(model.CouponCode, action.coupons)),
    )


def _charge(action: AddCharge) -> Charge:
    return Charge(action.code, action.amount, action.quantity, action.taxable, action.at_once)


def usage_of(tenant: TenantId, sent: SentUsage) -> Usage:
    """Returns the usage event that a producer of the tenant would send."""
    usage = sent.usage
    return Usage(
        tenant=tenant,
        customer=usage.customer,
        id=usage.id,
        source="",
        type=usage.event,
        occurred_at_us=micros(sent.occurred_at),
        properties=usage.properties,
        subscription=usage.subscription,
    )
