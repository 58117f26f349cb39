"""Commands: each moves one subscription, draws its statement, and puts usage that it concerns in its place."""

from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

import msgspec

from billing.account import moves
from billing.account.books import Books
from billing.account.counting import count, read, uncount, uncount_in
from billing.account.identity import REFUSED, Seen, is_new, number_of, statement_id, usage_digest, usage_key
from billing.account.subscribed import Refusal, Subscribed, SubscribedRecord
from billing.account.tariff import tariff, written
from billing.account.timeline import TimelineRecord
from billing.entry import (
    ChargeAdded,
    CouponApplied,
    CouponRemoved,
    CycleClosed,
    LaterCommand,
    PlanChanged,
    QuantityChanged,
    SubscriptionCanceled,
    SubscriptionCommand,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    Terms,
    Usage,
    ZoneChanged,
)
from billing.errors import IllegalTransition, RefusedUsage
from billing.instant import instant
from billing.period import tzdata_version
from billing.statement import Line, Outcome, Refused, Statement
from billing.subscription import Move, State

ANY_TIME_US: Final = 1 << 62
MOVING: Final = (
    SubscriptionStarted,
    PlanChanged,
    ZoneChanged,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionCanceled,
)
"""The commands that decide where usage belongs which occurred after them. A close does too, but comes as expected."""


class Arrived(NamedTuple):
    """Usage, and the journal position at which it arrived."""

    usage: Usage
    position: int


def obey(books: Books, entry: SubscriptionCommand, seen: Seen, again: Sequence[Arrived]) -> list[Outcome]:
    """Does what the command says; returns its statement (maybe without lines), then usage that it leaves uncounted.

    Raises:
        IllegalTransition: the subscription does not allow it; nothing has changed.
        InvalidDefinition: its terms are refused; nothing has changed.
    """
    later = [one for one in again if one.usage.occurred_at_us >= entry.at_us]
    counted = [one for one in later if _is_counted(one, seen)]
    if isinstance(entry, SubscriptionStarted):
        one = _subscription(books, entry)
        one.check_coupons(entry.coupons, entry.at_us)
        lines = moves.start(one, entry.coupons)
        books.subscribed.append(one)
        waited, refused = _count_parked(books, entry)
        counted = [arrived for arrived in counted if arrived.position not in waited]
    else:
        one, refused = _named(books, entry), []
        _check(one, entry)
        if isinstance(entry, MOVING):
            _make_room(one, counted)
        lines = _lines(one, entry)
    statement = _statement(one.tariff.terms, entry, books.items.position, lines)
    refused += _count_again(books, one, counted)
    _give_ids_back(refused, seen)
    _count_refused(books, [arrived for arrived in later if is_new(seen.get(usage_key(arrived.usage)))], seen)
    return [statement, *refused]


def _subscription(books: Books, entry: SubscriptionStarted) -> Subscribed:
    """Returns the subscription that the command agrees, not begun yet."""
    if any(one.subscription == entry.subscription for one in books.subscribed):
        raise IllegalTransition(f"subscription {entry.subscription} has started already; a new one needs a new name")
    if entry.trial_end_us is not None and entry.trial_end_us <= entry.at_us:
        raise IllegalTransition(
            f"a trial ends after its start, {instant(entry.at_us)}, not {instant(entry.trial_end_us)}"
        )
    agreed = written(entry.terms)
    tariff(agreed)
    record = SubscribedRecord(
        subscription=entry.subscription,
        ordinal=len(books.subscribed),
        state=State.PENDING,
        start_us=entry.at_us,
        anchor_us=entry.anchor_us,
        trial_end_us=entry.trial_end_us,
        ended_us=None,
        newest_us=entry.at_us,
        agreed=agreed,
        timeline=TimelineRecord(),
    )
    return Subscribed(books.tenant, books.customer, record, books.items, books.usage_window_us)


def _named(books: Books, entry: SubscriptionCommand) -> Subscribed:
    for one in books.subscribed:
        if one.subscription == entry.subscription:
            return one
    raise IllegalTransition(f"subscription {entry.subscription} has not started; start it first")


def _check(one: Subscribed, entry: LaterCommand) -> None:  # noqa: C901 - one for each command
    match entry:
        case CycleClosed():
            one.check_close(entry.at_us)
        case PlanChanged():
            one.check(Move.CHANGE_PLAN, entry.at_us)
            one.check_terms(tariff(written(entry.terms)))
        case ZoneChanged():
            one.check(Move.AMEND, entry.at_us)
            one.check_zone(tariff(written(entry.terms)))
        case QuantityChanged():
            one.check(Move.AMEND, entry.at_us)
            one.check_quantity(entry)
        case ChargeAdded():
            one.check(Move.AMEND, entry.at_us)
            one.check_charge(entry)
        case CouponApplied():
            one.check(Move.AMEND, entry.at_us)
            one.check_coupons((entry.coupon,), entry.at_us)
        case CouponRemoved():
            one.check(Move.AMEND, entry.at_us)
            one.check_coupon_removed(entry)
        case SubscriptionPaused():
            one.check(Move.PAUSE, entry.at_us)
        case SubscriptionResumed():
            one.check(Move.RESUME, entry.at_us)
        case SubscriptionCanceled():
            one.check(Move.CANCEL, entry.at_us)
        case _:
            assert_never(entry)


def _lines(  # noqa: C901, PLR0911 - one for each command
    one: Subscribed, entry: LaterCommand
) -> list[Line]:
    match entry:
        case CycleClosed():
            return moves.close(one, entry.at_us)
        case PlanChanged():
            return moves.change(one, entry.at_us, written(entry.terms))
        case ZoneChanged():
            return moves.change_zone(one, entry.at_us, written(entry.terms))
        case QuantityChanged():
            return moves.change_quantity(one, entry)
        case ChargeAdded():
            return moves.add_charge(one, entry)
        case CouponApplied():
            return moves.apply_coupon(one, entry)
        case CouponRemoved():
            return moves.remove_coupon(one, entry)
        case SubscriptionPaused():
            return moves.pause(one, entry.at_us)
        case SubscriptionResumed():
            return moves.resume(one, entry.at_us)
        case SubscriptionCanceled():
            return moves.cancel(one, entry.at_us)
        case _:
            assert_never(entry)


def refuse(books: Books, entry: SubscriptionCommand, why: str) -> list[Outcome]:
    """Returns what there is to say of a command that cannot be: a statement without lines, and the reason."""
    one = next((one for one in books.subscribed if one.subscription == entry.subscription), None)
    answer = _statement(None if one is None else one.tariff.terms, entry, books.items.position, [])
    return [msgspec.structs.replace(answer, refusal=why), Refused("illegal-command", why)]


def _statement(terms: Terms | None, entry: SubscriptionCommand, position: int, lines: list[Line]) -> Statement:
    """Answers a command; without terms where the subscription is none that we know."""
    terms = terms or Terms("", 0, "", "", "", "0", (), ())
    return Statement(
        statement_id=statement_id(entry),
        tenant=entry.tenant,
        customer=entry.customer,
        subscription=entry.subscription,
        plan=terms.plan,
        plan_version=terms.plan_version,
        currency=terms.currency,
        timezone=terms.timezone,
        tax_percent=terms.tax_percent,
        issued_at_us=entry.at_us,
        command_id=entry.command_id,
        correlation_id=entry.correlation_id,
        position=position,
        lines=tuple(lines),
        tzdata=tzdata_version(),
    )


# --- usage that a command concerns


def _is_counted(arrived: Arrived, seen: Seen) -> bool:
    return seen.get(usage_key(arrived.usage)) == (arrived.position, usage_digest(arrived.usage))


def _make_room(one: Subscribed, counted: Sequence[Arrived]) -> None:
    """Takes what occurred after a command out of the subscription; what the command does decides where it belongs."""
    one.give_up_ahead()
    current = one.timeline.current
    for usage, position in counted if current is not None else ():
        assert current is not None
        if one.measures(usage) and usage.occurred_at_us < current.end_us:
            uncount(one, current, usage, position)


def _count_again(books: Books, one: Subscribed, counted: Sequence[Arrived]) -> list[Refused]:
    """Counts usage in one subscription; returns what no subscription counts any more.

    It was counted when it arrived, so no shorter period of a new plan makes it too early. Where there is no window for
    it, others may go on to count it. What has one and cannot be counted there, as its terms cannot read it or have no
    room, is refused by all, as if it had come after the command: the others give it back, on what they bill next.
    """
    refused: list[Refused] = []
    for usage, position in counted:
        if not one.measures(usage):
            continue
        at_us = usage.occurred_at_us
        others = [other for other in books.measuring(usage) if other is not one]
        try:
            readings = read([one], usage, ahead_us=ANY_TIME_US)
        except RefusedUsage as refusal:
            if not isinstance(one.window_at(at_us, ahead_us=ANY_TIME_US), Refusal):
                uncount_in(others, usage, position)
            elif not all(isinstance(other.window_at(at_us), Refusal) for other in others):
                continue
            refused.append(Refused(refusal.reason, refusal.detail, usage, position))
        else:
            count(readings or [], at_us, position, number_of(usage))
    return refused


def _give_ids_back(refused: Sequence[Refused], seen: Seen) -> None:
    """Usage that was taken and is refused after all counts when it is sent again, like any that is refused."""
    for one in refused:
        assert one.usage is not None
        assert one.position is not None
        seen.put(usage_key(one.usage), one.position, REFUSED)


def _count_refused(books: Books, refused: Sequence[Arrived], seen: Seen) -> None:
    """Counts what was refused when it arrived, and has a window now."""
    for usage, position in refused:
        key = usage_key(usage)
        try:
            readings = read(books.subscribed, usage)
        except RefusedUsage:
            continue  # it is a dead letter already
        if readings is not None and is_new(seen.get(key)):
            count(readings, usage.occurred_at_us, position, number_of(usage))
            books.frontier.include(usage.occurred_at_us, position)
            seen.put(key, position, usage_digest(usage))


def _count_parked(books: Books, entry: SubscriptionStarted) -> tuple[set[int], list[Refused]]:
    """Counts the usage that waited for the subscription; returns its positions, and what is refused after all."""
    waited: set[int] = set()
    refused: list[Refused] = []
    for number, position, usage in books.parking.waiting():
        if usage.subscription not in {None, entry.subscription}:
            continue
        waited.add(position)
        books.parking.remove(number)
        try:
            readings = read(books.subscribed, usage)
        except RefusedUsage as refusal:
            refused.append(Refused(refusal.reason, refusal.detail, usage, position))
            continue
        count(readings or [], usage.occurred_at_us, position, number_of(usage))
    return waited, refused
