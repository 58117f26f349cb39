"""One subscription of an account: what each command makes of it, and the lines that it draws."""

from typing import Final, NamedTuple

import msgspec

from billing.account.addenda import Addenda, AddendaRecord
from billing.account.cell import Cell
from billing.account.draft import Draft, in_order
from billing.account.fees import OpenWindow
from billing.account.items import Items
from billing.account.lines import adjustments, usage_lines
from billing.account.tariff import Tariff, tariff
from billing.account.timeline import Timeline, TimelineRecord
from billing.account.window import Window
from billing.coupon import end_of
from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponApplied,
    CouponRemoved,
    CustomerId,
    QuantityChanged,
    SubscriptionId,
    TenantId,
    Usage,
)
from billing.errors import IllegalTransition, RefusedUsage
from billing.instant import DAY_US, instant, micros
from billing.quantity import canonical, parse_quantity
from billing.statement import Line, Total
from billing.subscription import Move, State, transition

AHEAD_US: Final = 400 * DAY_US
"""How far after the end of the open window usage may occur: a year of it may be sent before a test clock moves."""

TOO_EARLY: Final = "too-early"
"""Why usage beyond that is refused."""


class Refusal(NamedTuple):
    """Why usage has no window: a short code, and what to do."""

    reason: str
    detail: str


class SubscribedRecord(msgspec.Struct, array_like=True, frozen=True):
    """A subscription as the head keeps it."""

    subscription: str
    ordinal: int
    state: State
    start_us: int
    anchor_us: int
    trial_end_us: int | None
    ended_us: int | None
    newest_us: int
    agreed: bytes
    timeline: TimelineRecord
    addenda: AddendaRecord | None = None


class Subscribed:
    """A subscription, its windows, and what was added to its plan.

    `start`, `close`, `change`, `pause`, `resume` and `cancel`, and the amendments below them, return the lines of the
    statement that they draw, in the order of the invoice: adjustments, credits of unused fees, what ended, what begins,
    added charges. `check` and its like come first and say whether the command is allowed.
    """

    def __init__(
        self, tenant: TenantId, customer: CustomerId, record: SubscribedRecord, items: Items, usage_window_us: int
    ) -> None:
        self._tenant = tenant
        self._customer = customer
        self.subscription = SubscriptionId(record.subscription)
        self._ordinal = record.ordinal
        self.state = record.state
        self._start_us = record.start_us
        self._anchor_us = record.anchor_us
        self._trial_end_us = record.trial_end_us
        self._ended_us = record.ended_us
        self._newest_us = record.newest_us
        self._agreed = record.agreed
        self._items = items
        self._usage_window_us = usage_window_us
        self.timeline = Timeline(record.ordinal, record.timeline, items)
        self._addenda = Addenda(record.addenda)

    def record(self) -> SubscribedRecord:
        """Returns what the head keeps of it."""
        return SubscribedRecord(
            self.subscription,
            self._ordinal,
            self.state,
            self._start_us,
            self._anchor_us,
            self._trial_end_us,
            self._ended_us,
            self._newest_us,
            self._agreed,
            self.timeline.record(),
            self._addenda.record(),
        )

    @property
    def tariff(self) -> Tariff:
        """What it is priced by now; after the end, by what it was priced last."""
        return tariff(self._agreed)

    def window_at(self, at_us: int) -> Window | Refusal:
        """Returns the window that holds the instant, opened ahead of time where it must be; or why there is none."""
        if at_us < self._start_us:
            return Refusal("before-start", f"subscription {self.subscription} starts {instant(self._start_us)}")
        if self._ended_us is not None:
            return self._after_the_end(at_us)
        found = self.timeline.find(at_us)
        if found is not None:
            return found
        current = self.timeline.current
        if current is not None and at_us >= current.end_us:
            return self._ahead(current, at_us)
        if self.timeline.forgotten_us is not None and at_us < self.timeline.forgotten_us:
            days = self._usage_window_us // DAY_US
            return Refusal(
                "too-old", f"its period ended more than {days} days before the newest close; bill it by hand"
            )
        return Refusal("paused", f"subscription {self.subscription} was paused then")

    def total(self, cell: Cell) -> Total:
        """Returns quantity and amount so far of a cell, before coupons; in a trial nothing is owed.

        Of groups that are priced together nobody knows a share before the window closes: until then it is 0.
        """
        window, bill = cell.window, cell.bill_so_far()
        return Total(
            tenant=self._tenant,
            customer=self._customer,
            subscription=self.subscription,
            price=cell.measured.price.code,
            group=dict(zip(cell.measured.meter.group_by, cell.group, strict=True)),
            period_start_us=window.start_us,
            period_end_us=window.end_us,
            quantity=canonical(bill.quantity),
            amount_minor=bill.amount_minor if cell.owes and not window.trial else 0,
            currency=window.tariff.currency.code,
            position=self._items.position,
        )

    def measures(self, usage: Usage) -> bool:
        """Whether usage is for this subscription, or for every one."""
        return usage.subscription in {None, self.subscription}

    def give_up_ahead(self) -> None:
        """Deletes the windows that usage opened ahead of time."""
        self.timeline.give_up_ahead(self._nothing)

    def check(self, move: Move, at_us: int) -> None:
        """Refuses a command that the state does not allow, or that does not come next in time.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        transition(self.state, move)
        if at_us < self._newest_us:
            raise IllegalTransition(f"the newest command was {instant(self._newest_us)}, after {instant(at_us)}")
        current = self.timeline.current
        if current is not None and at_us > current.end_us:
            raise IllegalTransition(
                f"the period that ends {instant(current.end_us)} must close before {instant(at_us)}"
            )

    def check_close(self, at_us: int) -> None:
        """Refuses a close that is not at the end of the open period, or of the trial.

        Raises:
            IllegalTransition: the text says when the period ends.
        """
        transition(self.state, self._closing())
        current = self.timeline.current
        assert current is not None
        if at_us != current.end_us:
            raise IllegalTransition(
                f"the open period ends {instant(current.end_us)}, so it cannot close {instant(at_us)}"
            )

    def check_terms(self, priced: Tariff) -> None:
        """Refuses terms in another currency.

        Raises:
            IllegalTransition: one statement cannot have two currencies.
        """
        if priced.currency != self.tariff.currency:
            held, asked = self.tariff.currency.code, priced.currency.code
            raise IllegalTransition(
                f"the subscription is in {held}, the plan in {asked}; cancel it and start a new one"
            )

    def check_zone(self, priced: Tariff) -> None:
        """Refuses terms that differ in more than their zone.

        Raises:
            IllegalTransition: a change of the plan is a command of its own.
        """
        agreed = self.tariff.terms
        moved = msgspec.structs.replace(agreed, timezone=priced.terms.timezone, former_zones=priced.terms.former_zones)
        if priced.terms != moved:
            raise IllegalTransition("a change of the zone changes nothing else; change the plan for that")

    def check_quantity(self, entry: QuantityChanged) -> None:
        """Refuses a quantity of what is no recurring price of the plan, and one below 0.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        if self.tariff.fee(entry.price) is None:
            known = ", ".join(fee.price.code for fee in self.tariff.fees) or "none"
            raise IllegalTransition(f"the plan has no recurring price {entry.price!r}; it has {known}")
        try:
            quantity = parse_quantity(entry.quantity)
        except RefusedUsage as refusal:
            raise IllegalTransition(f"quantity of {entry.price}: {refusal.detail}") from None
        if quantity < 0:
            raise IllegalTransition(f"the quantity of {entry.price} is {entry.quantity}; 0 or more is allowed")

    def check_charge(self, entry: ChargeAdded) -> None:
        """Refuses a charge that comes to nothing.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        self._addenda.charges.check(entry)

    def check_coupons(self, coupons: tuple[Coupon, ...], at_us: int) -> None:
        """Refuses coupons that are in force already or mean nothing.

        Raises:
            IllegalTransition: the text says what is allowed.
            InvalidDefinition: a coupon means nothing in this currency.
        """
        if len({coupon.code for coupon in coupons}) < len(coupons):
            raise IllegalTransition("a coupon is applied twice; once is allowed")
        for coupon in coupons:
            self._addenda.coupons.check_apply(coupon, self.tariff.currency, at_us)

    def check_coupon_removed(self, entry: CouponRemoved) -> None:
        """Refuses to remove a coupon that is not in force.

        Raises:
            IllegalTransition: the text says which are.
        """
        self._addenda.coupons.check_remove(entry.code, entry.at_us)

    def start(self, coupons: tuple[Coupon, ...]) -> list[Line]:
        """Begins: with a trial, or with what is owed in advance."""
        self.state = transition(self.state, Move.START if self._trial_end_us is None else Move.START_TRIAL)
        for coupon in coupons:
            self._apply(coupon, self._start_us)
        if self._trial_end_us is None:
            return self._lines(in_order(self._begin(self._start_us)))
        self.timeline.open(self._start_us, self._trial_end_us, self.tariff, trial=True)
        return []

    def close(self, at_us: int) -> list[Line]:
        """Ends the period, or the trial, and begins the next one; usage and fees stand together in the plan's order."""
        drafts, ended = self._adjustments(), self._end(self._current(), at_us)
        ended += self._addenda.commitments.true_up(at_us)
        self.state = transition(self.state, self._closing())
        drafts += in_order([*ended, *self._begin(at_us)])
        return self._stated(drafts, at_us)

    def change(self, at_us: int, terms: bytes) -> list[Line]:
        """Prices what follows by other terms; the end of the open period stays. A trial or a pause owes nothing."""
        self.state = transition(self.state, Move.CHANGE_PLAN)
        current = self.timeline.current
        if current is None:
            self._addenda.commitments.end(at_us)
            self._agreed, self._newest_us = terms, at_us
            return []
        end_us = current.end_us
        drafts = self._stop(current, at_us, for_good=True)
        self._agreed = terms
        drafts += in_order(self._open(at_us, end_us, trial=current.trial))
        if current.trial:
            self._newest_us = at_us
            return []
        return self._stated(drafts, at_us)

    def pause(self, at_us: int) -> list[Line]:
        """Ends the open window; until it is resumed nothing is measured or owed."""
        self.state = transition(self.state, Move.PAUSE)
        return self._stated(self._stop(self._current(), at_us, for_good=False), at_us)

    def resume(self, at_us: int) -> list[Line]:
        """Begins a window, and owes the fees, until the next boundary."""
        self.state = transition(self.state, Move.RESUME)
        drafts = [*self._adjustments(), *in_order(self._addenda.commitments.true_up(at_us))]
        drafts += in_order(self._begin(at_us))
        return self._stated(drafts, at_us)

    def cancel(self, at_us: int) -> list[Line]:
        """Ends it for good; at the end of a period this stands in place of its close."""
        self.state = transition(self.state, Move.CANCEL)
        if self.timeline.current is None:
            drafts = self._adjustments()
            self._addenda.commitments.end(at_us)
            drafts += in_order(self._addenda.commitments.true_up(at_us))
        else:
            drafts = self._stop(self.timeline.current, at_us, for_good=True)
        self._ended_us = at_us
        lines = self._stated(drafts, at_us)
        self.timeline.clear(self._final)
        self._addenda = Addenda(None)
        return lines

    def change_zone(self, at_us: int, terms: bytes) -> list[Line]:
        """Counts the boundaries after the open period in another zone."""
        self._agreed, self._newest_us = terms, at_us
        return []

    def change_quantity(self, entry: QuantityChanged) -> list[Line]:
        """Owes a recurring price so many times from now on; what was paid in advance is exchanged at once."""
        fees, fee = self._addenda.fees, self.tariff.fee(entry.price)
        assert fee is not None
        quantity, current = parse_quantity(entry.quantity), self.timeline.current
        self._newest_us = entry.at_us
        if fees.quantity(fee) == quantity:
            return []
        if current is None or current.trial:
            fees.remember(fee, quantity)
            return []
        changed = fees.change(self._open_window(current), fee, quantity, entry.at_us)
        self._addenda.commitments.count(changed)
        return self._stated([*self._adjustments(), *changed], entry.at_us) if changed else []

    def add_charge(self, entry: ChargeAdded) -> list[Line]:
        """Owes the charge, on an invoice at once or on the next one."""
        self._addenda.charges.add(entry)
        self._newest_us = entry.at_us
        return self._stated(self._adjustments(), entry.at_us) if entry.at_once else []

    def apply_coupon(self, entry: CouponApplied) -> list[Line]:
        """Takes the coupon off what is billed from now on."""
        self._apply(entry.coupon, entry.at_us)
        self._newest_us = entry.at_us
        return []

    def remove_coupon(self, entry: CouponRemoved) -> list[Line]:
        """Takes the coupon off no more."""
        self._addenda.coupons.remove(entry.code, entry.at_us)
        self._newest_us = entry.at_us
        return []

    def _apply(self, coupon: Coupon, at_us: int) -> None:
        priced = self.tariff
        counted_from_us = at_us if self._trial_end_us is None else max(at_us, self._trial_end_us)
        until = end_of(coupon, instant(self._anchor_us), priced.period, priced.zones, instant(counted_from_us))
        self._addenda.coupons.apply(coupon, at_us, None if until is None else micros(until))

    def _final(self, cell: Cell) -> Total | None:
        """The total of a cell that goes; None where it was said already."""
        return self.total(cell) if cell.dirty else None

    def _nothing(self, cell: Cell) -> Total:
        """The total of a cell whose usage belongs elsewhere: whoever was told of it is told that it is 0."""
        return msgspec.structs.replace(self.total(cell), quantity="0", amount_minor=0)

    def _closing(self) -> Move:
        return Move.END_TRIAL if self.state is State.TRIALING else Move.RENEW

    def _begin(self, at_us: int) -> list[Draft]:
        """Opens the window up to the next boundary; returns what is owed at its beginning."""
        return self._open(at_us, self.tariff.end_of_period(self._anchor_us, at_us), trial=False)

    def _open(self, at_us: int, end_us: int, *, trial: bool) -> list[Draft]:
        self.timeline.open(at_us, end_us, self.tariff, trial=trial)
        if trial:
            return []
        self._addenda.commitments.begin(self.tariff, self._anchor_us, at_us)
        fees = self._addenda.fees.begin(self._open_window(self._current()))
        self._addenda.commitments.count(fees)
        return fees + self._addenda.charges.one_offs(self.tariff, at_us)

    def _stop(self, current: Window, at_us: int, *, for_good: bool) -> list[Draft]:
        """Ends the open window before its time; returns adjustments, unused fees, and what ended.

        What ends for good, and is not only paused, is trued up.
        """
        drafts = self._adjustments()
        if not current.trial:
            unused = self._addenda.fees.unused(self._open_window(current), at_us)
            self._addenda.commitments.count(unused)
            drafts += in_order(unused)
        ended = self._end(current, at_us)
        if for_good:
            self._addenda.commitments.end(at_us)
            ended += self._addenda.commitments.true_up(at_us)
        return drafts + in_order(ended)

    def _end(self, window: Window, at_us: int) -> list[Draft]:
        """Shuts the open window; returns its usage and the fees in arrears, nothing for a trial or for no time."""
        self.timeline.shut(at_us, self._nothing)
        if window.trial or window.start_us == at_us:
            return []
        used = []
        for cell, draft in usage_lines(window):
            self._items.touch(cell)
            used.append(draft)
        used += self._addenda.fees.in_arrears(self._open_window(window), at_us)
        self._addenda.commitments.serve(at_us - window.start_us)
        self._addenda.commitments.count(used)
        return used

    def _adjustments(self) -> list[Draft]:
        drafts = []
        for cell, draft in adjustments(self.timeline.late_cells()):
            self._items.touch(cell)
            drafts.append(draft)
        self.timeline.forget_late()
        self._addenda.commitments.count_late(drafts)
        return [*drafts, *self._addenda.commitments.adjust()]

    def _lines(self, drafts: list[Draft]) -> list[Line]:
        """Returns the lines of an invoice: the drafts, then the charges that waited, less what coupons take off."""
        drafts += self._addenda.charges.take(self.tariff)
        return self._addenda.coupons.take_off(drafts, self._anchor_us)

    def _stated(self, drafts: list[Draft], at_us: int) -> list[Line]:
        """Returns the lines of an invoice, with all adjustments among the drafts; what they might need later stays."""
        lines = self._lines(drafts)
        self._newest_us = at_us
        before_us = at_us - self._usage_window_us
        self.timeline.expire(before_us, self._final)
        self._addenda.expire(before_us)
        return lines

    def _ahead(self, current: Window, at_us: int) -> Window | Refusal:
        if at_us >= current.end_us + AHEAD_US:
            days = AHEAD_US // DAY_US
            return Refusal(TOO_EARLY, f"it occurs more than {days} days after the open period; check its time")
        start_us, end_us = self.tariff.period_of(self._anchor_us, at_us)
        return self.timeline.add(max(start_us, current.end_us), end_us, self.tariff)

    def _after_the_end(self, at_us: int) -> Refusal:
        assert self._ended_us is not None
        if at_us >= self._ended_us:
            return Refusal("after-end", f"subscription {self.subscription} ended {instant(self._ended_us)}")
        return Refusal(
            "final-billed", f"the last statement of subscription {self.subscription} is out; bill it by hand"
        )

    def _open_window(self, window: Window) -> OpenWindow:
        return OpenWindow(self.tariff, self._anchor_us, window.start_us, window.end_us)

    def _current(self) -> Window:
        assert self.timeline.current is not None
        return self.timeline.current
