"""Scenarios in process: what a timeline says becomes the journal of one small tenant, and what falls due by itself."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict, assert_never

import msgspec

from billing.coupon import discount, parse_coupon
from billing.currency import currency
from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponApplied,
    CouponRemoved,
    CustomerId,
    CycleClosed,
    Entry,
    PlanChanged,
    QuantityChanged,
    SubscriptionCanceled,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    Terms,
    Usage,
    UsageVoided,
    ZoneChanged,
)
from billing.instant import micros
from billing.period import billing_period, calendar_anchor, zone
from billing.schedule import Due, Falls, Schedule, next_due, rezoned, zones_of
from billing.statement import Refused, Statement
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
from streams.conformance.compare import IssuedInvoice
from streams.conformance.issuing import Issuing
from streams.conformance.journal import TENANT, Journal


@dataclass(slots=True)
class _Running:
    """A subscription that falls due.

    `due` is what is next, which no change of plan or zone moves; None in a pause.
    """

    customer: CustomerId
    terms: Terms
    schedule: Schedule
    due: Due | None


class _Named(TypedDict):
    command_id: str
    tenant: str
    customer: str
    subscription: str
    at_us: int


class Story:
    """Runs the timeline of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._timezone = scenario.tenant.timezone
        self._coupons = _coupons(scenario)
        self._journal = Journal()
        self._issuing = Issuing(currency(scenario.tenant.currency))
        self._running: dict[str, _Running] = {}

    def run(self) -> None:
        """Runs all of it.

        Raises:
            InvalidCase: an entry names what is not there, or is refused.
            BillingError: a definition is refused.
        """
        for moment in self._scenario.timeline:
            self._fall_due(moment.at)
            if moment.action is not None:
                self._act(moment.action, moment.at)

    @property
    def invoices(self) -> list[IssuedInvoice]:
        """The invoices so far, in the order of issue."""
        return self._issuing.invoices

    def credit(self) -> dict[str, str]:
        """Returns what credit each customer has left at the end of the timeline."""
        timeline = self._scenario.timeline
        return self._issuing.credit(micros(timeline[-1].at) if timeline else 0)

    def _fall_due(self, until: datetime) -> None:
        """Does what is due at or before `until`: in order of time, then by subscription."""
        while due := self._next(until):
            at, subscription, falls = due
            running = self._running[subscription]
            running.due = next_due(running.schedule, at)
            match falls:
                case Falls.CLOSE:
                    self._append(CycleClosed(**self._command(subscription, at)))
                case Falls.CANCEL:
                    self._cancel(subscription, at)
                case _:
                    assert_never(falls)

    def _next(self, until: datetime) -> tuple[datetime, str, Falls] | None:
        dues = [
            (running.due.at, subscription, running.due.falls)
            for subscription, running in self._running.items()
            if running.due is not None and running.due.at <= until
        ]
        return min(dues, default=None)

    def _act(self, action: Action, at: datetime) -> None:  # noqa: C901, PLR0912 - one for each action
        match action:
            case Subscribe():
                self._subscribe(action, at)
            case ReportUsage():
                self._append(_usage(action, at))
            case VoidUsage():
                self._void(action, at)
            case ChangePlan():
                self._change_plan(action, at)
            case Cancel():
                self._cancel(action.subscription, at)
            case GrantCredit():
                expires_us = None if action.expires is None else micros(action.expires)
                self._issuing.grant(CustomerId(action.customer), action.amount, action.priority, expires_us)
            case Pause():
                self._pause(action, at)
            case Resume():
                self._resume(action, at)
            case ChangeQuantity():
                command = self._command(action.subscription, at)
                self._append(QuantityChanged(**command, price=action.price, quantity=action.quantity))
            case AddCharge():
                self._add_charge(action, at)
            case ApplyCoupon():
                command = self._command(action.subscription, at)
                self._append(CouponApplied(**command, coupon=self._coupon(action.coupon)))
            case RemoveCoupon():
                self._append(CouponRemoved(**self._command(action.subscription, at), code=action.coupon))
            case ChangeZone():
                self._change_zone(action.timezone, at)
            case _:
                assert_never(action)

    def _subscribe(self, action: Subscribe, at: datetime) -> None:
        terms = self._terms(action.plan)
        period = billing_period(terms.billing_period)
        anchor = at if action.anchor == "subscription" else calendar_anchor(at, period, zone(self._timezone))
        schedule = Schedule(at, anchor, period, zones_of(terms), action.trial_end)
        running = _Running(CustomerId(action.customer), terms, schedule, next_due(schedule, at))
        self._running[action.subscription] = running
        started = SubscriptionStarted(
            **self._command(action.subscription, at),
            anchor_us=micros(anchor),
            terms=terms,
            trial_end_us=None if action.trial_end is None else micros(action.trial_end),
            coupons=tuple(self._coupon(code) for code in action.coupons),
        )
        self._append(started)

    def _void(self, action: VoidUsage, at: datetime) -> None:
        void = UsageVoided(
            command_id=str(len(self._journal)),
            tenant=TENANT,
            customer=action.customer,
            source="",
            id=action.id,
            at_us=micros(at),
        )
        self._append(void)

    def _change_plan(self, action: ChangePlan, at: datetime) -> None:
        running = self._named(action.subscription)
        former = running.terms.former_zones
        running.terms = msgspec.structs.replace(self._terms(action.plan), former_zones=former)
        running.schedule = replace(running.schedule, period=billing_period(running.terms.billing_period))
        self._append(PlanChanged(**self._command(action.subscription, at), terms=running.terms))

    def _change_zone(self, timezone: str, at: datetime) -> None:
        """The zone of the tenant, and so of every subscription: what is due already stays due then."""
        self._timezone = timezone
        for subscription, running in sorted(self._running.items()):
            open_until = at if running.due is None else running.due.at
            running.terms = rezoned(running.terms, timezone, running.schedule.anchor, open_until)
            running.schedule = replace(running.schedule, zone=zones_of(running.terms))
            self._append(ZoneChanged(**self._command(subscription, at), terms=running.terms))

    def _pause(self, action: Pause, at: datetime) -> None:
        self._append(SubscriptionPaused(**self._command(action.subscription, at)))
        self._running[action.subscription].due = None

    def _resume(self, action: Resume, at: datetime) -> None:
        self._append(SubscriptionResumed(**self._command(action.subscription, at)))
        running = self._running[action.subscription]
        running.due = next_due(running.schedule, at)

    def _add_charge(self, action: AddCharge, at: datetime) -> None:
        charge = ChargeAdded(
            **self._command(action.subscription, at),
            code=action.code,
            amount=action.amount,
            quantity=action.quantity,
            taxable=action.taxable,
            at_once=action.at_once,
        )
        self._append(charge)

    def _cancel(self, subscription: str, at: datetime) -> None:
        self._append(SubscriptionCanceled(**self._command(subscription, at)))
        del self._running[subscription]

    def _append(self, entry: Entry) -> None:
        for outcome in self._journal.append(entry):
            if isinstance(outcome, Refused) and outcome.reason == "illegal-command":
                raise InvalidCase(outcome.detail)
            if isinstance(outcome, Statement):
                self._issuing.issue(outcome)

    def _named(self, subscription: str) -> _Running:
        running = self._running.get(subscription)
        if running is None:
            raise InvalidCase(f"there is no running subscription {subscription!r}")
        return running

    def _command(self, subscription: str, at: datetime) -> _Named:
        return {
            "command_id": str(len(self._journal)),
            "tenant": TENANT,
            "customer": self._named(subscription).customer,
            "subscription": subscription,
            "at_us": micros(at),
        }

    def _terms(self, code: str) -> Terms:
        catalog = self._scenario.catalog
        plan = next((plan for plan in catalog.plans if plan.code == code), None)
        if plan is None:
            raise InvalidCase(f"the catalog has no plan {code!r}")
        return Terms(
            plan=plan.code,
            plan_version=1,
            billing_period=plan.billing_period,
            currency=self._scenario.tenant.currency,
            timezone=self._timezone,
            tax_percent=self._scenario.tenant.tax_percent,
            meters=tuple(catalog.meters),
            prices=tuple(plan.prices),
        )

    def _coupon(self, code: str) -> Coupon:
        found = self._coupons.get(code)
        if found is None:
            raise InvalidCase(f"the catalog has no coupon {code!r}")
        return found


def _coupons(scenario: Scenario) -> dict[str, Coupon]:
    coupons = [parse_coupon(raw, f"coupons[{number}]") for number, raw in enumerate(scenario.catalog.coupons)]
    for coupon in coupons:
        discount(coupon, currency(scenario.tenant.currency))
    return {coupon.code: coupon for coupon in coupons}


def _usage(action: ReportUsage, at: datetime) -> Usage:
    return Usage(
        tenant=TENANT,
        customer=action.customer,
        id=action.id,
        source="",
        type=action.event,
        occurred_at_us=micros(action.timestamp or at),
        properties=action.properties,
        subscription=action.subscription,
    )
