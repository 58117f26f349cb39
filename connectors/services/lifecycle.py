"""How a subscription moves and what each move tells the journal: pure, shared by the services and the scheduler."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heapify, heappop, heapreplace
from typing import Final, TypedDict
from uuid import UUID, uuid5

import msgspec

from billing.coupon import end_of
from billing.entry import (
    Coupon,
    CustomerId,
    CycleClosed,
    PlanChanged,
    SubscriptionCanceled,
    SubscriptionCommand,
    SubscriptionId,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    TenantId,
    Terms,
)
from billing.instant import micros
from billing.period import billing_period, calendar_anchor
from billing.schedule import Schedule, next_due, zones_of
from billing.subscription import Move, State, transition
from connectors.catalogue_file import model
from connectors.services.errors import Conflict

_DUE: Final = UUID("6a1f8a52-6c0e-5a43-9a0b-6f3f2f0f6f11")  # the name space of commands that fall due by themselves


class HeldCoupon(msgspec.Struct, frozen=True):
    """A coupon that a subscription was given: as it was then, and from when until when it is in force."""

    coupon: Coupon
    since: datetime
    until: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it takes something off at this instant."""
        return self.since <= at and not self.ended(at)

    def ended(self, at: datetime) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a subscription stands.

    `closed_until` is the newest moment that its journal was told of: its start, a close, a change, a pause, a
    resumption; None before it starts, and no later command may go behind it. `next_due_at` is None where nothing will
    ever fall due.
    """

    tenant: TenantId
    code: SubscriptionId
    customer: CustomerId
    state: State
    starts_at: datetime
    anchor_at: datetime
    terms: Terms
    trial_end_at: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    closed_until: datetime | None = None
    next_due_at: datetime | None = None
    on_calendar: bool = False
    """Whether its anchor is the calendar's and not its start."""
    coupons: tuple[HeldCoupon, ...] = ()

    @property
    def schedule(self) -> Schedule:
        """What decides when its cycles close."""
        return Schedule(
            start=self.starts_at,
            anchor=self.anchor_at,
            period=billing_period(self.terms.billing_period),
            zone=zones_of(self.terms),
            trial_end=self.trial_end_at,
            cancel_at=self.cancel_at,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One move: the subscription after it, the state before, when it counts, and what the journal is told, if anything.

    `due` is set where it fell due by itself.
    """

    after: Subscription
    before: State | None
    at: datetime
    entry: SubscriptionCommand | None
    due: bool = False

    @property
    def moved(self) -> bool:
        """Whether the state is another now."""
        return self.before is not self.after.state


def agreement(
    tenant: TenantId, wanted: model.Subscription, terms: Terms, coupons: Iterable[Coupon] = ()
) -> Subscription:
    """Returns the subscription that is agreed by these terms: pending until its tenant's time reaches its start.

    `periods` has become the instant of its end, and so have those of its coupons.

    Raises:
        InvalidDefinition: an end lies beyond the calendar.
    """
    period, where = billing_period(terms.billing_period), zones_of(terms)
    on_calendar = wanted.anchor is model.Anchor.CALENDAR
    anchor = calendar_anchor(wanted.start, period, where.zone) if on_calendar else wanted.start
    pending = Subscription(
        tenant=tenant,
        code=wanted.code,
        customer=wanted.customer,
        state=State.PENDING,
        starts_at=wanted.start,
        anchor_at=anchor,
        terms=terms,
        trial_end_at=wanted.trial_end,
        cancel_at=Schedule(wanted.start, anchor, period, where, wanted.trial_end, wanted.periods).ends_at,
        next_due_at=wanted.start,
        on_calendar=on_calendar,
    )
    return replace(pending, coupons=tuple(held(pending, coupon, wanted.start) for coupon in coupons))


def held(subscription: Subscription, coupon: Coupon, at: datetime) -> HeldCoupon:
    """Returns the coupon as the subscription has it from `at` on; in a trial its periods count from the trial's end.

    Raises:
        InvalidDefinition: it ends beyond the calendar.
    """
    schedule = subscription.schedule
    until = end_of(coupon, schedule.anchor, schedule.period, schedule.zone, at, schedule.trial_end)
    return HeldCoupon(coupon, at, until)


def fall_due(subscription: Subscription) -> Step:
    """Returns the step that falls due at `next_due_at`: the start, a close, the end of a trial, or the end.

    Its command's id is a function of the subscription and the moment, so that no moment can be told twice.
    """
    at = subscription.next_due_at
    assert at is not None
    command_id = uuid5(_DUE, f"{subscription.tenant}/{subscription.code}/{micros(at)}")
    if subscription.state is State.PENDING:
        return replace(_start(subscription, command_id, at), due=True)
    if at == subscription.cancel_at:
        return replace(cancel(subscription, command_id, at), due=True)
    move = Move.END_TRIAL if subscription.state is State.TRIALING else Move.RENEW
    after = _scheduled(subscription, transition(subscription.state, move), at)
    return Step(after, subscription.state, at, CycleClosed(**named(subscription, command_id, at)), due=True)


def fall_due_until(
    subscriptions: Iterable[Subscription], until: Mapping[TenantId, datetime], most: int
) -> Iterator[Step]:
    """Yields what falls due by each tenant's instant, earliest first over all subscriptions, `most` steps at most.

    Among equal moments the tenant's and the subscription's code decide, so the order is the same whenever it is asked.
    """
    heap = [_turn(each) for each in subscriptions if _is_due(each, until)]
    heapify(heap)
    while heap and most:
        step = fall_due(heap[0][-1])
        yield step
        most -= 1
        if _is_due(step.after, until):
            heapreplace(heap, _turn(step.after))
        else:
            heappop(heap)


def _turn(subscription: Subscription) -> tuple[datetime, str, str, Subscription]:
    assert subscription.next_due_at is not None
    return subscription.next_due_at, subscription.tenant, subscription.code, subscription


def _is_due(subscription: Subscription, until: Mapping[TenantId, datetime]) -> bool:
    return subscription.next_due_at is not None and subscription.next_due_at <= until[subscription.tenant]


def _start(subscription: Subscription, command_id: UUID, at: datetime) -> Step:
    move = Move.START if subscription.trial_end_at is None else Move.START_TRIAL
    after = _scheduled(subscription, transition(subscription.state, move), at)
    entry = SubscriptionStarted(
        **named(subscription, command_id, at),
        anchor_us=micros(subscription.anchor_at),
        terms=subscription.terms,
        trial_end_us=None if subscription.trial_end_at is None else micros(subscription.trial_end_at),
        coupons=tuple(one.coupon for one in subscription.coupons),
    )
    return Step(after, subscription.state, at, entry)


def change_plan(subscription: Subscription, command_id: UUID, at: datetime, terms: Terms) -> Step:
    """Puts the subscription on other terms; its zones stay, and so the end of its open period.

    Raises:
        IllegalTransition: its state does not allow it.
        Conflict: the terms have another currency, so what is owed so far could not be summed with what will be.
    """
    if terms.currency != subscription.terms.currency:
        raise Conflict(f"{subscription.code} is billed in {subscription.terms.currency}, not in {terms.currency}")
    state = transition(subscription.state, Move.CHANGE_PLAN)
    # A plan knows nothing of where the subscription was before its tenant moved.
    here = subscription.terms
    terms = msgspec.structs.replace(terms, timezone=here.timezone, former_zones=here.former_zones)
    after = replace(subscription, state=state, terms=terms, closed_until=at)
    return Step(after, subscription.state, at, PlanChanged(**named(subscription, command_id, at), terms=terms))


def pause(subscription: Subscription, command_id: UUID, at: datetime) -> Step:
    """Stops measuring and billing; only the agreed end, if any, still falls due.

    Raises:
        IllegalTransition: its state does not allow it.
    """
    state = transition(subscription.state, Move.PAUSE)
    after = replace(subscription, state=state, closed_until=at, next_due_at=subscription.cancel_at)
    return Step(after, subscription.state, at, SubscriptionPaused(**named(subscription, command_id, at)))


def resume(subscription: Subscription, command_id: UUID, at: datetime) -> Step:
    """Measures and bills again, in the periods that it would have without the pause.

    Raises:
        IllegalTransition: its state does not allow it.
    """
    after = _scheduled(subscription, transition(subscription.state, Move.RESUME), at)
    return Step(after, subscription.state, at, SubscriptionResumed(**named(subscription, command_id, at)))


def cancel(subscription: Subscription, command_id: UUID, at: datetime) -> Step:
    """Ends the subscription for good; of one that never started the journal knows nothing and is told nothing.

    Raises:
        IllegalTransition: its state does not allow it.
    """
    state = transition(subscription.state, Move.CANCEL)
    after = replace(subscription, state=state, ended_at=at, closed_until=at, next_due_at=None)
    began = subscription.state is not State.PENDING
    entry = SubscriptionCanceled(**named(subscription, command_id, at)) if began else None
    return Step(after, subscription.state, at, entry)


def _scheduled(subscription: Subscription, state: State, at: datetime) -> Subscription:
    """Returns the subscription told up to `at`, with what falls due next."""
    due = next_due(subscription.schedule, at)
    return replace(subscription, state=state, closed_until=at, next_due_at=None if due is None else due.at)


class Named(TypedDict):
    """The fields that every command has."""

    command_id: str
    tenant: str
    customer: str
    subscription: str
    at_us: int
    correlation_id: str


def named(subscription: Subscription, command_id: UUID, at: datetime) -> Named:
    """Returns the fields that every command has; a command that nothing caused is the root of what it causes."""
    return Named(
        command_id=str(command_id),
        tenant=subscription.tenant,
        customer=subscription.customer,
        subscription=subscription.code,
        at_us=micros(at),
        correlation_id=str(command_id),
    )
