"""One subscription of an account: what each command makes of it, and the lines that it draws."""

from typing import Final, NamedTuple

import msgspec

from billing.account.cell import Cell
from billing.account.items import Items
from billing.account.lines import adjustment, usage_lines
from billing.account.tariff import Tariff, tariff
from billing.account.timeline import Timeline, TimelineRecord
from billing.account.window import Window
from billing.entry import CustomerId, SubscriptionId, TenantId, Usage
from billing.errors import IllegalTransition
from billing.instant import DAY_US, instant
from billing.price import Billed
from billing.quantity import canonical
from billing.statement import Line, LineKind, Total
from billing.subscription import Move, State, transition

AHEAD_US: Final = 400 * DAY_US
"""How far after the end of the open window usage may occur: a year of it may be sent before a test clock moves."""

TOO_EARLY: Final = "too-early"
"""Why usage beyond that is refused."""

PlacedLine = tuple[int, Line]
"""A line, and the place of its price in the plan."""


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


class Subscribed:
    """A subscription and its windows.

    `start`, `close`, `change`, `pause`, `resume` and `cancel` return the lines of the statement that they draw, in the
    order of the invoice: adjustments, credits of unused fees, what ended, what begins. `check` and its like come first
    and say whether the command is allowed.
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
        """Returns quantity and amount so far of a cell; in a trial nothing is owed."""
        window, bill = cell.window, cell.bill()
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

    def start(self) -> list[Line]:
        """Begins: with a trial, or with the fees in advance."""
        self.state = transition(self.state, Move.START if self._trial_end_us is None else Move.START_TRIAL)
        if self._trial_end_us is None:
            return _in_order(self._begin(self._start_us))
        self.timeline.open(self._start_us, self._trial_end_us, self.tariff, trial=True)
        return []

    def close(self, at_us: int) -> list[Line]:
        """Ends the period, or the trial, and begins the next one; usage and fees stand together in the plan's order."""
        adjusted, ended = self._adjustments(), self._end(self._current(), at_us)
        self.state = transition(self.state, self._closing())
        begun = self._begin(at_us)
        self._stands_at(at_us)
        return [*adjusted, *_in_order([*ended, *begun])]

    def change(self, at_us: int, terms: bytes) -> list[Line]:
        """Prices what follows by other terms; the end of the open period stays."""
        self.state = transition(self.state, Move.CHANGE_PLAN)
        if self.timeline.current is None:
            self._agreed, self._newest_us = terms, at_us
            return []
        end_us, trial = self.timeline.current.end_us, self.timeline.current.trial
        lines = self._stop(at_us)
        self._agreed = terms
        self.timeline.open(at_us, end_us, self.tariff, trial=trial)
        begun = [] if trial else self._fees(LineKind.FEE, Billed.IN_ADVANCE, at_us, end_us)
        self._stands_at(at_us)
        return [*lines, *_in_order(begun)]

    def pause(self, at_us: int) -> list[Line]:
        """Ends the open window; until it is resumed nothing is measured or owed."""
        self.state = transition(self.state, Move.PAUSE)
        lines = self._stop(at_us)
        self._stands_at(at_us)
        return lines

    def resume(self, at_us: int) -> list[Line]:
        """Begins a window, and owes the fees, until the next boundary."""
        self.state = transition(self.state, Move.RESUME)
        lines = [*self._adjustments(), *_in_order(self._begin(at_us))]
        self._stands_at(at_us)
        return lines

    def cancel(self, at_us: int) -> list[Line]:
        """Ends it for good; at the end of a period this stands in place of its close."""
        self.state = transition(self.state, Move.CANCEL)
        lines = self._adjustments() if self.timeline.current is None else self._stop(at_us)
        self._ended_us = at_us
        self._stands_at(at_us)
        self.timeline.clear(self._final)
        return lines

    def _final(self, cell: Cell) -> Total | None:
        """The total of a cell that goes; None where it was said already."""
        return self.total(cell) if cell.dirty else None

    def _nothing(self, cell: Cell) -> Total:
        """The total of a cell whose usage belongs elsewhere: whoever was told of it is told that it is 0."""
        return msgspec.structs.replace(self.total(cell), quantity="0", amount_minor=0)

    def _closing(self) -> Move:
        return Move.END_TRIAL if self.state is State.TRIALING else Move.RENEW

    def _begin(self, at_us: int) -> list[PlacedLine]:
        """Opens the window up to the next boundary; returns its fees in advance."""
        end_us = self.tariff.end_of_period(self._anchor_us, at_us)
        self.timeline.open(at_us, end_us, self.tariff)
        return self._fees(LineKind.FEE, Billed.IN_ADVANCE, at_us, end_us)

    def _stop(self, at_us: int) -> list[Line]:
        """Ends the open window before its time; returns adjustments, unused fees, and what ended."""
        current = self._current()
        lines = self._adjustments()
        if not current.trial:
            lines += _in_order(self._fees(LineKind.UNUSED_FEE, Billed.IN_ADVANCE, at_us, current.end_us))
        return lines + _in_order(self._end(current, at_us))

    def _end(self, window: Window, at_us: int) -> list[PlacedLine]:
        """Shuts the open window; returns its usage and the fees in arrears, nothing for a trial or for no time."""
        self.timeline.shut(at_us, self._nothing)
        if window.trial or window.start_us == at_us:
            return []
        used = []
        for place, cell, line in usage_lines(window):
            self._items.touch(cell)
            used.append((place, line))
        return used + self._fees(LineKind.FEE, Billed.IN_ARREARS, window.start_us, at_us)

    def _fees(self, kind: LineKind, billed: Billed, start_us: int, end_us: int) -> list[PlacedLine]:
        return self.tariff.fee_lines(kind, billed, self._anchor_us, start_us, end_us)

    def _adjustments(self) -> list[Line]:
        lines = []
        for cell in self.timeline.late_cells():
            line = adjustment(cell)
            if line is not None:
                self._items.touch(cell)
                lines.append(line)
        self.timeline.forget_late()
        return lines

    def _stands_at(self, at_us: int) -> None:
        self._newest_us = at_us
        self.timeline.expire(at_us - self._usage_window_us, self._final)

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

    def _current(self) -> Window:
        assert self.timeline.current is not None
        return self.timeline.current


def _in_order(lines: list[PlacedLine]) -> list[Line]:
    return [line for _, line in sorted(lines, key=lambda placed: placed[0])]
