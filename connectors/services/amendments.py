"""What is agreed anew with a subscription that goes on: a quantity, a charge, a coupon, its zone. Its state stays.

Pure, as `lifecycle` is. None of these ends a window of usage. What is cheap to know is refused here, so that whoever
asks is told; the journal is the judge of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never
from uuid import UUID

import msgspec

from billing.definition import decimal
from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponApplied,
    CouponRemoved,
    QuantityChanged,
    SubscriptionCommand,
    Terms,
    ZoneChanged,
)
from billing.errors import InvalidDefinition
from billing.period import boundary, containing
from billing.quantity import plain
from billing.schedule import rezoned, zones_of
from billing.subscription import Move, State, transition
from connectors.catalogue_file.model import MOST_COUPONS, Anchor, PlanCode
from connectors.catalogue_file.model import Subscription as Wanted
from connectors.catalogue_file.section import check_code
from connectors.services.errors import Conflict, Unknown
from connectors.services.lifecycle import HeldCoupon, Step, Subscription, agreement, held, named


@dataclass(frozen=True, slots=True)
class Charge:
    """Something that is owed once: `amount` (major units, below 0 where it is given back) x `quantity`."""

    code: str
    amount: str
    quantity: str = "1"
    taxable: bool = True
    at_once: bool = False

    def check(self) -> None:
        """Refuses what no invoice can have.

        Raises:
            InvalidDefinition: the code is none, the amount is 0 or no decimal, or the quantity is not above 0.
        """
        check_code(self.code, "code")
        if not decimal(self.amount, "amount"):
            raise InvalidDefinition("amount", "is 0; a decimal above or below 0 is allowed")
        if decimal(self.quantity, "quantity") <= 0:
            raise InvalidDefinition("quantity", f"is {self.quantity}; a decimal above 0 is allowed")


def change_quantity(subscription: Subscription, command_id: UUID, at: datetime, price: str, quantity: Decimal) -> Step:
    """Has a recurring price of the plan owed `quantity` times.

    Raises:
        Unknown: the plan has no such recurring price.
        InvalidDefinition: the quantity is below 0.
        Conflict: the subscription has not started.
        IllegalTransition: it has ended.
    """
    _amending(subscription)
    recurring = [str(raw["code"]) for raw in subscription.terms.prices if raw["type"] == "recurring"]
    if price not in recurring:
        known = ", ".join(recurring) or "none"
        raise Unknown(f"plan {subscription.terms.plan} has no recurring price {price}; it has {known}")
    if quantity < 0:
        raise InvalidDefinition("quantity", f"is {plain(quantity)}; a decimal of at least 0 is allowed")
    common = named(subscription, command_id, at)
    return _told(subscription, at, QuantityChanged(**common, price=price, quantity=plain(quantity)))


def add_charge(subscription: Subscription, command_id: UUID, at: datetime, charge: Charge) -> Step:
    """Has a charge, which was checked, owed once.

    Raises:
        Conflict: the subscription has not started.
        IllegalTransition: it has ended.
    """
    added = ChargeAdded(
        **named(subscription, command_id, at),
        code=charge.code,
        amount=charge.amount,
        quantity=charge.quantity,
        taxable=charge.taxable,
        at_once=charge.at_once,
    )
    return _told(subscription, at, added)


def apply_coupon(subscription: Subscription, command_id: UUID, at: datetime, coupon: Coupon) -> Step:
    """Puts a coupon in force.

    Raises:
        Conflict: it is in force already, or the subscription has not started or has as many as it may.
        IllegalTransition: the subscription has ended.
        InvalidDefinition: it would end beyond the calendar.
    """
    _amending(subscription)
    standing = [one for one in subscription.coupons if not one.ended(at)]
    if any(one.coupon.code == coupon.code for one in standing):
        raise Conflict(f"coupon {coupon.code} is in force for {_name(subscription)} already; remove it first")
    if len(standing) >= MOST_COUPONS:
        raise Conflict(f"{_name(subscription)} has {len(standing)} coupons in force; remove one first")
    applied = CouponApplied(**named(subscription, command_id, at), coupon=coupon)
    return _with_coupons(_told(subscription, at, applied), [*standing, held(subscription, coupon, at)])


def remove_coupon(subscription: Subscription, command_id: UUID, at: datetime, code: str) -> Step:
    """Ends a coupon.

    Raises:
        Conflict: it is not in force, or the subscription has not started.
        IllegalTransition: the subscription has ended.
    """
    _amending(subscription)
    standing = [one for one in subscription.coupons if one.in_force(at)]
    left = [one for one in standing if one.coupon.code != code]
    if len(left) == len(standing):
        known = ", ".join(one.coupon.code for one in standing) or "none"
        raise Conflict(f"coupon {code} is not in force for {_name(subscription)}; in force are {known}")
    removed = CouponRemoved(**named(subscription, command_id, at), code=code)
    return _with_coupons(_told(subscription, at, removed), left)


def rezone(subscription: Subscription, command_id: UUID, at: datetime, timezone: str) -> Step:
    """Moves the boundaries after the open period to another zone; one that has not started is agreed anew in it.

    An end that is a boundary of its periods stays that boundary.

    Raises:
        InvalidDefinition: there is no such zone, or it is too far away for so short a period.
        IllegalTransition: the subscription has ended.
    """
    if subscription.state is State.PENDING:
        return Step(_agreed_in(subscription, timezone), State.PENDING, at, None)
    _amending(subscription)
    open_until = _open_until(subscription, at)
    terms = rezoned(subscription.terms, timezone, subscription.anchor_at, open_until)
    step = _told(subscription, at, ZoneChanged(**named(subscription, command_id, at), terms=terms))
    after = replace(step.after, terms=terms, cancel_at=_end_in(subscription, terms, open_until))
    if after.state is State.PAUSED:
        after = replace(after, next_due_at=after.cancel_at)
    return replace(step, after=after)


def _open_until(subscription: Subscription, at: datetime) -> datetime:
    """Returns the last boundary that stays where it is."""
    match subscription.state:
        case State.TRIALING:
            assert subscription.trial_end_at is not None
            return subscription.trial_end_at
        case State.ACTIVE:  # what falls due next: a plan may have changed to periods that end elsewhere
            assert subscription.next_due_at is not None
            return subscription.next_due_at
        case State.PAUSED:
            return at
        case State.PENDING | State.CANCELED:
            raise AssertionError(subscription)
        case _:
            assert_never(subscription.state)


def _end_in(subscription: Subscription, terms: Terms, open_until: datetime) -> datetime | None:
    """Returns when it ends by itself in its new zone; an end that a change of periods has left between two stays.

    Never before the last boundary that stays: a move east may put a boundary there. What is in a trial then ends with
    the period that follows the trial.
    """
    here, ends_at = subscription.schedule, subscription.cancel_at
    if ends_at is None or ends_at <= open_until:
        return ends_at
    number = containing(here.anchor, here.period, here.zone, ends_at)
    if boundary(here.anchor, here.period, here.zone, number) != ends_at:
        return ends_at
    zones = zones_of(terms)
    if subscription.state is State.TRIALING:
        number = max(number, containing(here.anchor, here.period, zones, open_until) + 1)
    return max(boundary(here.anchor, here.period, zones, number), open_until)


def _agreed_in(subscription: Subscription, timezone: str) -> Subscription:
    terms = msgspec.structs.replace(subscription.terms, timezone=timezone)
    wanted = Wanted(
        code=subscription.code,
        customer=subscription.customer,
        plan=PlanCode(terms.plan),
        start=subscription.starts_at,
        anchor=Anchor.CALENDAR if subscription.on_calendar else Anchor.SUBSCRIPTION,
        periods=_periods(subscription),
        trial_end=subscription.trial_end_at,
    )
    return agreement(subscription.tenant, wanted, terms, [one.coupon for one in subscription.coupons])


def _periods(subscription: Subscription) -> int | None:
    here, ends_at = subscription.schedule, subscription.cancel_at
    if ends_at is None:
        return None
    first = containing(here.anchor, here.period, here.zone, here.trial_end or here.start)
    return containing(here.anchor, here.period, here.zone, ends_at) - first


def _amending(subscription: Subscription) -> State:
    """Returns the state that it stays in."""
    if subscription.state is State.PENDING:
        raise Conflict(f"{_name(subscription)} starts at {subscription.starts_at.isoformat()}; ask again then")
    return transition(subscription.state, Move.AMEND)


def _told(subscription: Subscription, at: datetime, entry: SubscriptionCommand) -> Step:
    after = replace(subscription, state=_amending(subscription), closed_until=at)
    return Step(after, subscription.state, at, entry)


def _with_coupons(step: Step, coupons: Sequence[HeldCoupon]) -> Step:
    return replace(step, after=replace(step.after, coupons=tuple(coupons)))


def _name(subscription: Subscription) -> str:
    return f"subscription {subscription.tenant}/{subscription.code}"
