"""One subscription of an account: where it stands, its windows, and which commands it allows."""

from typing import Final, NamedTuple

import msgspec

from billing.account.addenda import Addenda, AddendaRecord
from billing.account.cell import Cell
from billing.account.items import Items
from billing.account.tariff import Tariff, tariff
from billing.account.timeline import Timeline, TimelineRecord
from billing.account.window import Window
from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponRemoved,
    CustomerId,
    QuantityChanged,
    SubscriptionId,
    TenantId,
    Usage,
)
from billing.errors import IllegalTransition, RefusedUsage
from billing.instant import DAY_US, instant
from billing.quantity import parse_quantity
from billing.statement import Total
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

    `check` and its like say whether a command is allowed; `billing.account.moves` has what each makes of it.
    """

    def __init__(
        self, tenant: TenantId, customer: CustomerId, record: SubscribedRecord, items: Items, usage_window_us: int
    ) -> None:
        self._tenant = tenant
        self._customer = customer
        self.subscription = SubscriptionId(record.subscription)
        self._ordinal = record.ordinal
        self.state = record.state
        self.start_us = record.start_us
        self.anchor_us = record.anchor_us
        self.trial_end_us = record.trial_end_us
        self.ended_us = record.ended_us
        self.newest_us = record.newest_us
        self.agreed = record.agreed
        self.items = items
        self.usage_window_us = usage_window_us
        self.timeline = Timeline(record.ordinal, record.timeline, items)
        self.addenda = Addenda(record.addenda)

    def record(self) -> SubscribedRecord:
        """Returns what the head keeps of it."""
        return SubscribedRecord(
            self.subscription,
            self._ordinal,
            self.state,
            self.start_us,
            self.anchor_us,
            self.trial_end_us,
            self.ended_us,
            self.newest_us,
            self.agreed,
            self.timeline.record(),
            self.addenda.record(),
        )

    @property
    def tariff(self) -> Tariff:
        """What it is priced by now; after the end, by what it was priced last."""
        return tariff(self.agreed)

    def window_at(self, at_us: int, *, ahead_us: int = AHEAD_US) -> Window | Refusal:
        """Returns the window that holds the instant, opened ahead of time where it must be; or why there is none."""
        if at_us < self.start_us:
            return Refusal("before-start", f"subscription {self.subscription} starts {instant(self.start_us)}")
        if self.ended_us is not None:
            return self._after_the_end(at_us)
        found = self.timeline.find(at_us)
        if found is not None:
            return found
        current = self.timeline.current
        if current is not None and at_us >= current.end_us:
            return self._ahead(current, at_us, ahead_us)
        if self.timeline.forgotten_us is not None and at_us < self.timeline.forgotten_us:
            days = self.usage_window_us // DAY_US
            return Refusal(
                "too-old", f"its period ended more than {days} days before the newest close; bill it by hand"
            )
        return Refusal("paused", f"subscription {self.subscription} was paused then")

    def total(self, cell: Cell) -> Total:
        """Returns quantity and amount so far of one of its cells (`Cell.total`)."""
        return cell.total(self._tenant, self._customer, self.subscription, self.items.position)

    def measures(self, usage: Usage) -> bool:
        """Whether usage is for this subscription, or for every one."""
        return usage.subscription in {None, self.subscription}

    def give_up_ahead(self) -> None:
        """Deletes the windows that usage opened ahead of time."""
        self.timeline.give_up_ahead(self.nothing)

    def check(self, move: Move, at_us: int) -> None:
        """Refuses a command that the state does not allow, or that does not come next in time.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        transition(self.state, move)
        if at_us < self.newest_us:
            raise IllegalTransition(f"the newest command was {instant(self.newest_us)}, after {instant(at_us)}")
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
        transition(self.state, self.closing())
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
        fee = self.tariff.fee(entry.price)
        if fee is None:
            known = ", ".join(fee.price.code for fee in self.tariff.fees) or "none"
            raise IllegalTransition(f"the plan has no recurring price {entry.price!r}; it has {known}")
        try:
            quantity = parse_quantity(entry.quantity)
        except RefusedUsage as refusal:
            raise IllegalTransition(f"quantity of {entry.price}: {refusal.detail}") from None
        if self.addenda.fees.are_many(fee):
            raise IllegalTransition(
                f"the quantity of {entry.price} has changed too often in this period; wait for the next"
            )
        if quantity < 0:
            raise IllegalTransition(f"the quantity of {entry.price} is {entry.quantity}; 0 or more is allowed")

    def check_charge(self, entry: ChargeAdded) -> None:
        """Refuses a charge that comes to nothing.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        self.addenda.charges.check(entry)

    def check_coupons(self, coupons: tuple[Coupon, ...], at_us: int) -> None:
        """Refuses coupons that are in force already or mean nothing.

        Raises:
            IllegalTransition: the text says what is allowed.
            InvalidDefinition: a coupon means nothing in this currency.
        """
        if len({coupon.code for coupon in coupons}) < len(coupons):
            raise IllegalTransition("a coupon is applied twice; once is allowed")
        for coupon in coupons:
            self.addenda.coupons.check_apply(coupon, self.tariff.currency, at_us)

    def check_coupon_removed(self, entry: CouponRemoved) -> None:
        """Refuses to remove a coupon that is not in force.

        Raises:
            IllegalTransition: the text says which are.
        """
        self.addenda.coupons.check_remove(entry.code, entry.at_us)

    def closing(self) -> Move:
        """Returns what a close is to it now: the end of its trial, or of a period."""
        return Move.END_TRIAL if self.state is State.TRIALING else Move.RENEW

    def final(self, cell: Cell) -> Total | None:
        """The total of a cell that goes; None where it was said already."""
        return self.total(cell) if cell.dirty else None

    def nothing(self, cell: Cell) -> Total:
        """The total of a cell whose usage belongs elsewhere: whoever was told of it is told that it is 0."""
        return msgspec.structs.replace(self.total(cell), quantity="0", amount_minor=0)

    def _ahead(self, current: Window, at_us: int, ahead_us: int) -> Window | Refusal:
        if at_us >= current.end_us + ahead_us:
            days = ahead_us // DAY_US
            return Refusal(TOO_EARLY, f"it occurs more than {days} days after the open period; check its time")
        start_us, end_us = self.tariff.period_of(self.anchor_us, at_us)
        return self.timeline.add(max(start_us, current.end_us), end_us, self.tariff)

    def _after_the_end(self, at_us: int) -> Refusal:
        assert self.ended_us is not None
        if at_us >= self.ended_us:
            return Refusal("after-end", f"subscription {self.subscription} ended {instant(self.ended_us)}")
        return Refusal(
            "final-billed", f"the last statement of subscription {self.subscription} is out; bill it by hand"
        )
