"""What each command makes of a subscription, and the lines of the statement that it draws.

The lines stand in the order of the invoice: adjustments, unused fees given back, what ended, what begins,
added charges. Whoever calls one of these has checked that the command is allowed (`Subscribed.check` and its like).
"""

from billing.account.addenda import Addenda
from billing.account.draft import Draft, in_order
from billing.account.fees import OpenWindow
from billing.account.lines import adjustments, usage_lines
from billing.account.subscribed import Subscribed
from billing.account.window import Window
from billing.coupon import end_of
from billing.entry import ChargeAdded, Coupon, CouponApplied, CouponRemoved, QuantityChanged
from billing.instant import instant, micros
from billing.quantity import parse_quantity
from billing.statement import Line
from billing.subscription import Move, transition


def start(one: Subscribed, coupons: tuple[Coupon, ...]) -> list[Line]:
    """Begins: with a trial, or with what is owed in advance."""
    one.state = transition(one.state, Move.START if one.trial_end_us is None else Move.START_TRIAL)
    for coupon in coupons:
        _apply(one, coupon, one.start_us)
    if one.trial_end_us is None:
        return _lines(one, in_order(_begin(one, one.start_us)))
    one.timeline.open(one.start_us, one.trial_end_us, one.tariff, trial=True)
    return []


def close(one: Subscribed, at_us: int) -> list[Line]:
    """Ends the period, or the trial, and begins the next one; usage and fees stand together in the plan's order."""
    drafts, ended = _adjustments(one), _end(one, _current(one), at_us)
    ended += one.addenda.commitments.true_up(at_us)
    one.state = transition(one.state, one.closing())
    drafts += in_order([*ended, *_begin(one, at_us)])
    return _ended(one, drafts, at_us)


def change(one: Subscribed, at_us: int, terms: bytes) -> list[Line]:
    """Prices what follows by other terms; the end of the open period stays. A trial or a pause owes nothing."""
    one.state = transition(one.state, Move.CHANGE_PLAN)
    current = one.timeline.current
    if current is None:
        one.addenda.commitments.end(at_us)
        one.agreed, one.newest_us = terms, at_us
        return []
    end_us = current.end_us
    drafts = _stop(one, current, at_us, for_good=True)
    one.agreed = terms
    drafts += in_order(_open(one, at_us, end_us, trial=current.trial))
    if current.trial:
        one.newest_us = at_us
        return []
    return _ended(one, drafts, at_us)


def pause(one: Subscribed, at_us: int) -> list[Line]:
    """Ends the open window; until it is resumed nothing is measured or owed."""
    one.state = transition(one.state, Move.PAUSE)
    return _ended(one, _stop(one, _current(one), at_us, for_good=False), at_us)


def resume(one: Subscribed, at_us: int) -> list[Line]:
    """Begins a window, and owes the fees, until the next boundary."""
    one.state = transition(one.state, Move.RESUME)
    drafts = [*_adjustments(one), *in_order(one.addenda.commitments.true_up(at_us))]
    drafts += in_order(_begin(one, at_us))
    return _stated(one, drafts, at_us)


def cancel(one: Subscribed, at_us: int) -> list[Line]:
    """Ends it for good; at the end of a period this stands in place of its close."""
    one.state = transition(one.state, Move.CANCEL)
    if one.timeline.current is None:
        drafts = _adjustments(one)
        one.addenda.commitments.end(at_us)
        drafts += in_order(one.addenda.commitments.true_up(at_us))
    else:
        drafts = _stop(one, one.timeline.current, at_us, for_good=True)
    one.ended_us = at_us
    lines = _ended(one, drafts, at_us)
    one.timeline.clear(one.final)
    one.addenda = Addenda(None)
    return lines


def change_zone(one: Subscribed, at_us: int, terms: bytes) -> list[Line]:
    """Counts the boundaries after the open period in another zone."""
    one.agreed, one.newest_us = terms, at_us
    one.addenda.commitments.rezone(one.tariff, one.anchor_us)
    return []


def change_quantity(one: Subscribed, entry: QuantityChanged) -> list[Line]:
    """Owes a recurring price so many times from now on; what was paid in advance is exchanged at once."""
    fees, fee = one.addenda.fees, one.tariff.fee(entry.price)
    assert fee is not None
    quantity, current = parse_quantity(entry.quantity), one.timeline.current
    one.newest_us = entry.at_us
    if fees.quantity(fee) == quantity:
        return []
    if current is None or current.trial:
        fees.remember(fee, quantity)
        return []
    coupons = one.addenda.coupons.in_force(entry.at_us)
    changed = fees.change(_open_window(one, current), fee, quantity, entry.at_us, coupons)
    one.addenda.commitments.count(changed)
    return _stated(one, [*_adjustments(one), *changed], entry.at_us) if changed else []


def add_charge(one: Subscribed, entry: ChargeAdded) -> list[Line]:
    """Owes the charge, on the next invoice, or on one at once: also where as many wait as may."""
    one.addenda.charges.add(entry)
    one.newest_us = entry.at_us
    at_once = entry.at_once or one.addenda.charges.are_many
    return _stated(one, _adjustments(one), entry.at_us) if at_once else []


def apply_coupon(one: Subscribed, entry: CouponApplied) -> list[Line]:
    """Takes the coupon off what is billed from now on."""
    _apply(one, entry.coupon, entry.at_us)
    one.newest_us = entry.at_us
    return []


def remove_coupon(one: Subscribed, entry: CouponRemoved) -> list[Line]:
    """Takes the coupon off no more."""
    one.addenda.coupons.remove(entry.code, entry.at_us)
    one.newest_us = entry.at_us
    return []


def _apply(one: Subscribed, coupon: Coupon, at_us: int) -> None:
    priced = one.tariff
    trial_end = None if one.trial_end_us is None else instant(one.trial_end_us)
    until = end_of(coupon, instant(one.anchor_us), priced.period, priced.zones, instant(at_us), trial_end)
    one.addenda.coupons.apply(coupon, at_us, None if until is None else micros(until))


def _begin(one: Subscribed, at_us: int) -> list[Draft]:
    """Opens the window up to the next boundary; returns what is owed at its beginning."""
    return _open(one, at_us, one.tariff.end_of_period(one.anchor_us, at_us), trial=False)


def _open(one: Subscribed, at_us: int, end_us: int, *, trial: bool) -> list[Draft]:
    one.timeline.open(at_us, end_us, one.tariff, trial=trial)
    if trial:
        return []
    one.addenda.commitments.begin(one.tariff, one.anchor_us, at_us)
    fees = one.addenda.fees.begin(_open_window(one, _current(one)), one.addenda.coupons.in_force(at_us))
    one.addenda.commitments.count(fees)
    return fees + one.addenda.charges.one_offs(one.tariff, at_us)


def _stop(one: Subscribed, current: Window, at_us: int, *, for_good: bool) -> list[Draft]:
    """Ends the open window before its time; returns adjustments, unused fees, and what ended.

    What ends for good, and is not only paused, is trued up.
    """
    drafts = _adjustments(one)
    if not current.trial:
        unused = one.addenda.fees.unused(_open_window(one, current), at_us)
        one.addenda.commitments.count(unused)
        drafts += in_order(unused)
    ended = _end(one, current, at_us)
    if for_good:
        one.addenda.commitments.end(at_us)
        ended += one.addenda.commitments.true_up(at_us)
    return drafts + in_order(ended)


def _end(one: Subscribed, window: Window, at_us: int) -> list[Draft]:
    """Shuts the open window; returns its usage and the fees in arrears, nothing for a trial or for no time."""
    one.timeline.shut(at_us, one.nothing)
    if window.trial or window.start_us == at_us:
        return []
    used = []
    for cell, draft in usage_lines(window):
        one.items.touch(cell)
        used.append(draft)
    used += one.addenda.fees.in_arrears(_open_window(one, window), at_us)
    one.addenda.commitments.serve(at_us - window.start_us)
    one.addenda.commitments.count(used)
    return used


def _adjustments(one: Subscribed) -> list[Draft]:
    drafts = []
    for cell, draft in adjustments(one.timeline.late_cells()):
        one.items.touch(cell)
        drafts.append(draft)
    one.timeline.forget_late()
    one.addenda.commitments.count_late(drafts)
    return [*drafts, *one.addenda.commitments.adjust()]


def _lines(one: Subscribed, drafts: list[Draft]) -> list[Line]:
    """Returns the lines of an invoice: the drafts, then the charges that waited, less what coupons take off."""
    drafts += one.addenda.charges.take(one.tariff)
    return one.addenda.coupons.take_off(drafts, one.anchor_us)


def _stated(one: Subscribed, drafts: list[Draft], at_us: int) -> list[Line]:
    """Returns the lines of an invoice, with all adjustments among the drafts."""
    one.newest_us = at_us
    return _lines(one, drafts)


def _ended(one: Subscribed, drafts: list[Draft], at_us: int) -> list[Line]:
    """As `_stated`, of a command that ended a window; what late usage might still need stays.

    Only what ends a window has passed the close barrier. Behind another command, such as a resumption, there may be
    usage that was sent long before it, however old it looks from there.
    """
    lines = _stated(one, drafts, at_us)
    before_us = at_us - one.usage_window_us
    one.timeline.expire(before_us, one.final)
    one.addenda.expire(min(before_us, one.timeline.oldest_us))
    return lines


def _open_window(one: Subscribed, window: Window) -> OpenWindow:
    return OpenWindow(window.tariff, one.anchor_us, window.start_us, window.end_us)


def _current(one: Subscribed) -> Window:
    assert one.timeline.current is not None
    return one.timeline.current
