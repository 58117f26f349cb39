"""One subscription: what happened to it, and the lines of each of its statements, computed anew from all of that."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tests.oracle.commitments import Term, terms
from tests.oracle.coupons import Applied, Discounts
from tests.oracle.lines import Line, Section, TermKey, Window
from tests.oracle.meters import Event, Group, matches, readable
from tests.oracle.numbers import Raw, minor, number
from tests.oracle.periods import Grid
from tests.oracle.usage import NOTHING, Bill, Measured, bills


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is sold, by codes, and the digits of the tenant's currency."""

    meters: Raw
    plans: Raw
    coupons: Raw
    digits: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a statement is about, beside what is late and what waits."""

    unused: Window | None = None
    """Fees in advance of it are given back."""
    ended: Window | None = None
    begins: Window | None = None
    own: Sequence[Line] = ()
    mixed: bool = False
    """What ended and what begins stand together, in the order of the plan's prices."""
    true_ups: bool = True
    """Terms that have ended are made up for."""


@dataclass(slots=True)
class Subscription:
    """What happened so far. `known` gives the usage that has arrived by now, voided usage left out."""

    code: str
    customer: str
    catalog: Catalog
    grid: Grid
    plan: Raw
    start: datetime
    known: Callable[[], Sequence[Event]]
    trial_end: datetime | None = None
    periods: int | None = None
    """It ends with the end of so many periods."""
    state: Literal["active", "paused", "canceled"] = "active"
    windows: list[Window] = field(default_factory=list)
    stint_ends: list[datetime] = field(default_factory=list)
    quantities: list[tuple[datetime, str, Fraction]] = field(default_factory=list)
    coupons: list[Applied] = field(default_factory=list)
    waiting: list[Line] = field(default_factory=list)
    """The charges that wait for a statement."""
    lines: list[Line] = field(default_factory=list)
    """Of all statements so far."""
    committed: dict[TermKey, int] = field(default_factory=dict)
    """Of the terms that have ended, which no later change of the zone moves."""
    made_up: set[TermKey] = field(default_factory=set)
    """The terms whose true-up has been drawn."""

    # What happens ----------------------------------------------------------------------------------------------------

    @property
    def due(self) -> datetime | None:
        """When something happens by itself."""
        return self.windows[-1].due if self.state == "active" else None

    @property
    def in_trial(self) -> bool:
        """Whether the open window is not billed."""
        return self.state == "active" and not self.windows[-1].billed

    def begin(self, at: datetime) -> list[Line]:
        """The first window opens."""
        begins = self.open(at)
        return self.statement(at, Parts(begins=begins)) if begins.billed else []

    def close(self, at: datetime) -> list[Line]:
        """The open window ends where it was due to, and the next begins."""
        trial, ended = self.in_trial, self.end_window(at)
        if sum(window.billed for window in self.windows) == self.periods:
            self.state = "canceled"
            return self.statement(at, Parts(ended=ended))
        begins = self.open(at)
        if trial:
            return self.statement(at, Parts(begins=begins))
        return self.statement(at, Parts(ended=ended, begins=begins, mixed=True))

    def change_plan(self, at: datetime, plan: Raw) -> list[Line]:
        """Another plan from now on."""
        self.end_stint(at)
        self.plan = plan
        if self.in_trial or self.state == "paused":
            return []
        ended = self.end_window(at)
        return self.statement(at, Parts(unused=ended, ended=ended, begins=self.open(at, ended.due)))

    def pause(self, at: datetime) -> list[Line]:
        """Nothing is measured or owed from now on."""
        trial, ended = self.in_trial, self.end_window(at)
        self.state = "paused"
        return [] if trial else self.statement(at, Parts(unused=ended, ended=ended, true_ups=False))

    def resume(self, at: datetime) -> list[Line]:
        """A window begins, up to the next boundary."""
        self.state = "active"
        begins = self.open(at)
        return self.statement(at, Parts(begins=begins)) if begins.billed else []

    def cancel(self, at: datetime) -> list[Line]:
        """The end."""
        self.end_stint(at)
        trial, paused = self.in_trial, self.state == "paused"
        ended = None if paused else self.end_window(at)
        self.state = "canceled"
        if trial or paused:
            return self.statement(at, Parts())
        return self.statement(at, Parts(unused=ended, ended=ended))

    def change_quantity(self, at: datetime, code: str, quantity: Fraction) -> list[Line]:
        """So many from now on."""
        place, price = next((i, price) for i, price in enumerate(self.plan["prices"]) if price["code"] == code)
        before = self.quantity(price, at)
        if before == quantity:
            return []
        own = []
        if self.state == "active" and not self.in_trial and _in_advance(price):
            own = [self.unused_fee(price, place, self.windows[-1], at)]
        self.quantities.append((at, code, quantity))
        if not own:
            return []
        own.append(self.fee(price, (Section.BEGINS, place), self.windows[-1], at, self.windows[-1].due))
        return self.statement(at, Parts(own=own, true_ups=False))

    def add_charge(self, at: datetime, raw: Raw) -> list[Line]:
        """A charge waits, or draws an invoice at once."""
        quantity = number(raw, "quantity", "1")
        owed = minor(number(raw, "amount") * quantity, self.catalog.digits)
        place, taxable = (Section.CHARGES, len(self.waiting)), raw.get("taxable", True)
        line = Line(place, "charge", raw["code"], owed, at, at, quantity, taxable, paid_at=at)
        line.period = self.plan["billing_period"]
        line.coupons = self.discounts().in_force(line)
        self.waiting.append(line)
        return self.statement(at, Parts(true_ups=False)) if raw.get("at_once") else []

    def apply_coupon(self, at: datetime, coupon: Raw) -> None:
        """A coupon is in force from now on."""
        end = None
        if "periods" in coupon:
            counted_from = self.trial_end if self.trial_end and at < self.trial_end else at
            period = self.plan["billing_period"]
            end = self.grid.boundary(period, self.grid.index(period, counted_from) + coupon["periods"])
        self.coupons.append(Applied(coupon, at, end))

    def remove_coupon(self, at: datetime, code: str) -> None:
        """A coupon is not in force any more."""
        applied = next(one for one in reversed(self.coupons) if one.code == code)
        applied.end = min(applied.end or at, at)

    def change_zone(self, at: datetime, zone: ZoneInfo) -> None:
        """Boundaries after the open period are read in another zone."""
        if self.state != "canceled":
            self.grid.moves.append((self.due or at, zone))

    # Windows ---------------------------------------------------------------------------------------------------------

    def open(self, at: datetime, due: datetime | None = None) -> Window:
        """The window that begins now."""
        billed = self.trial_end is None or at >= self.trial_end
        if due is None:
            due = self.grid.period(self.plan["billing_period"], at)[1] if billed else self.trial_end
        assert due is not None
        window = Window(len(self.windows), at, due, self.plan, len(self.stint_ends), billed)
        self.windows.append(window)
        return window

    def end_window(self, at: datetime) -> Window:
        """The open window, ended now."""
        self.windows[-1].end = at
        return self.windows[-1]

    # Statements ------------------------------------------------------------------------------------------------------

    def statement(self, at: datetime, parts: Parts) -> list[Line]:
        """All lines of a statement in their order, less what coupons take off; and they count as billed."""
        by_window = self.events_by_window()
        lines = list(self.adjusted_usage(by_window, parts.ended))
        if parts.unused:
            lines += [
                self.unused_fee(price, place, parts.unused, at) for place, price in _prices(parts.unused, _in_advance)
            ]
        if parts.ended:
            lines += [*self.usage(parts.ended, by_window), *self.arrears(parts.ended)]
        if parts.begins:
            lines += self.beginning(parts.begins, Section.ENDED if parts.mixed else Section.BEGINS)
        lines += [*parts.own, *self.charges()]
        lines += [*self.adjusted_true_ups(lines), *(self.true_ups(at, lines) if parts.true_ups else ())]
        lines.sort(key=lambda line: line.place)
        self.discounts().take_off(lines, self.lines)
        self.lines += lines
        return lines

    def discounts(self) -> Discounts:
        """What its coupons take off."""
        return Discounts(self.coupons, self.grid, self.catalog.digits)

    def events_by_window(self) -> list[list[Event]]:
        """The usage that counts, by the windows it occurred in; the rest is refused."""
        found: list[list[Event]] = [[] for _ in self.windows]
        for event in self.known():
            if event.subscription not in {None, self.code}:
                continue
            for window in reversed(self.windows):
                if window.start <= event.at and (window.end is None or event.at < window.end):
                    if self.is_readable(window.plan, event):
                        found[window.number].append(event)
                    break
        return found

    def is_readable(self, plan: Raw, event: Event) -> bool:
        """Whether every meter of the plan finds what it reads; if not, all of the event is refused."""
        used = [self.catalog.meters[price["meter"]] for price in plan["prices"] if price["type"] == "usage"]
        return all(readable(meter, event) for meter in used if matches(meter, event))

    # Usage -----------------------------------------------------------------------------------------------------------

    def bills(self, window: Window, price: Raw, by_window: list[list[Event]]) -> dict[Group, Bill]:
        """What each group of a price owes of an ended window, by all that has arrived."""
        assert window.end is not None
        if window.start == window.end:
            return {}
        meter = self.catalog.meters[price["meter"]]
        earlier = sorted_by_arrival(by_window[: window.number], self.known()) if meter.get("carry_over") else []
        span = window.start, window.end
        return bills(price, meter, Measured(by_window[window.number], earlier), span, self.catalog.digits)

    def usage(self, window: Window, by_window: list[list[Event]]) -> Iterator[Line]:
        """The usage lines of a window that ends."""
        for _, price in _prices(window, _is_usage):
            for group, bill in self.bills(window, price, by_window).items():
                yield self.usage_line(window, price, group, bill)

    def adjusted_usage(self, by_window: list[list[Event]], ended: Window | None) -> Iterator[Line]:
        """What late usage and voids changed in the windows that were billed before."""
        for window in self.windows:
            if window.end is None or window is ended or not window.billed:
                continue
            for _, price in _prices(window, _is_usage):
                now = self.bills(window, price, by_window)
                before = self.billed(window, price)
                for group in sorted({*now, *before}):
                    bill, already = now.get(group, NOTHING), before.get(group, NOTHING)
                    # A group that has lost all its events owes nothing any more, whatever it had come to.
                    by_amount = bool(price.get("across_groups")) or price["model"] == "percentage" or group not in now
                    changed = bill.quantity != already.quantity or (by_amount and bill.amount != already.amount)
                    if changed or group not in before:
                        yield self.usage_line(window, price, group, bill, already)

    def billed(self, window: Window, price: Raw) -> dict[Group, Bill]:
        """What was billed of a window so far, by all statements."""
        found: dict[Group, Bill] = {}
        for line in self.lines:
            if line.window is window and line.price == price["code"] and line.kind in {"usage", "adjustment"}:
                sofar = found.get(line.group, NOTHING)
                found[line.group] = Bill(sofar.quantity + line.quantity, sofar.amount + line.owed)
        return found

    def usage_line(self, window: Window, price: Raw, group: Group, bill: Bill, already: Bill | None = None) -> Line:
        """What a group owes; where something was billed already, or late, the difference as an adjustment."""
        assert window.end is not None
        before, place = already or NOTHING, window.plan["prices"].index(price)
        return Line(
            (Section.ENDED, place, 0, group)
            if already is None
            else (Section.ADJUSTED_USAGE, window.number, place, group),
            "usage" if already is None else "adjustment",
            price["code"],
            bill.amount - before.amount,
            window.start,
            window.end,
            bill.quantity - before.quantity,
            price.get("taxable", True),
            group,
            before.amount,
            window,
            ended_at=window.end,
        )

    # Fees ------------------------------------------------------------------------------------------------------------

    def quantity(self, price: Raw, at: datetime) -> Fraction:
        """How many of a recurring price are owed at a moment."""
        changed = [quantity for since, code, quantity in self.quantities if code == price["code"] and since <= at]
        return changed[-1] if changed else number(price, "quantity", "1")

    def changes_within(self, price: Raw, window: Window, until: datetime) -> list[datetime]:
        """When its quantity changed after the start of the window."""
        return [at for at, code, _ in self.quantities if code == price["code"] and window.start < at < until]

    def fee(self, price: Raw, place: tuple[Any, ...], window: Window, start: datetime, end: datetime) -> Line:
        """A fee for a stretch of constant quantity."""
        quantity = self.quantity(price, start)
        amount = number(price, "amount") * quantity * self.grid.served(window.plan["billing_period"], start, end)
        owed, taxable = minor(amount, self.catalog.digits), price.get("taxable", True)
        line = Line(place, "fee", price["code"], owed, start, end, quantity, taxable, window=window)
        if _in_advance(price):
            line.paid_at = start
        else:
            line.ended_at = end
        return line

    def unused_fee(self, price: Raw, place: int, window: Window, at: datetime) -> Line:
        """What is given back of a fee in advance, with the coupons that this was billed with."""
        paid_at = max([window.start, *(since for since in self.changes_within(price, window, at))])
        quantity = self.quantity(price, paid_at)
        amount = number(price, "amount") * quantity * self.grid.served(window.plan["billing_period"], at, window.due)
        fee = next(
            line
            for line in reversed(self.lines)
            if (line.window, line.price, line.start, line.kind) == (window, price["code"], paid_at, "fee")
        )
        return Line(
            (Section.UNUSED, place),
            "unused_fee",
            price["code"],
            -minor(amount, self.catalog.digits),
            at,
            window.due,
            quantity,
            price.get("taxable", True),
            window=window,
            coupons=fee.coupons,
        )

    def arrears(self, window: Window) -> Iterator[Line]:
        """The fees of a window that ends, for each stretch of constant quantity."""
        assert window.end is not None
        for place, price in _prices(window, _in_arrears):
            cuts = [window.start, *self.changes_within(price, window, window.end), window.end]
            for start, end in pairwise(cuts):
                if start < end:
                    yield self.fee(price, (Section.ENDED, place, 0, start), window, start, end)

    def beginning(self, window: Window, section: Section) -> Iterator[Line]:
        """Fees in advance, and what is owed once."""
        for place, price in enumerate(window.plan["prices"]):
            at = (section, place, 1)
            if _in_advance(price):
                yield self.fee(price, at, window, window.start, window.due)
            elif price["type"] == "one_off" and price["code"] not in self.once_billed():
                quantity = number(price, "quantity", "1")
                owed = minor(number(price, "amount") * quantity, self.catalog.digits)
                yield Line(
                    at,
                    "charge",
                    price["code"],
                    owed,
                    window.start,
                    window.start,
                    quantity,
                    price.get("taxable", True),
                    paid_at=window.start,
                    period=window.plan["billing_period"],
                )

    def once_billed(self) -> set[str]:
        """The codes of one-off prices that were billed before."""
        return {line.price for line in self.lines if line.kind == "charge" and line.place[0] != Section.CHARGES}

    def charges(self) -> list[Line]:
        """The charges that waited, which wait no more."""
        waited, self.waiting = self.waiting, []
        return waited

    # Commitments -----------------------------------------------------------------------------------------------------

    def terms(self) -> list[Term]:
        """Every term that has a billed window."""
        return terms([window for window in self.windows if window.end is not None], self.grid)

    def end_stint(self, at: datetime) -> None:
        """The plan ends, and with it what is committed by its windows before a pause."""
        self.stint_ends.append(at)
        if self.state == "paused":
            for term in self.terms():
                self.committed.setdefault(term.key, term.committed(self.catalog.digits))

    def true_ups(self, at: datetime, lines: Sequence[Line]) -> Iterator[Line]:
        """What is short of the terms that have ended by now."""
        for term in self.terms():
            if term.ends(self.stint_end(term)) <= at and term.key not in self.made_up:
                self.made_up.add(term.key)
                self.committed.setdefault(term.key, term.committed(self.catalog.digits))
                short = self.short(term, lines)
                if short:
                    yield self.true_up((Section.ENDED, term.place, 0), "true_up", term, short, Fraction(1))

    def adjusted_true_ups(self, lines: Sequence[Line]) -> Iterator[Line]:
        """What later adjustments changed in the terms whose true-up was drawn."""
        for place, term in enumerate(self.terms()):
            if term.key not in self.made_up:
                continue
            already = sum(line.owed for line in self.lines if line.term == term.key)
            change = self.short(term, lines) - already
            if change:
                yield self.true_up((Section.ADJUSTED_TRUE_UP, place), "adjustment", term, change, Fraction(0))

    def short(self, term: Term, lines: Sequence[Line]) -> int:
        """What the term comes short of."""
        return max(self.committed[term.key] - term.counted([*self.lines, *lines]), 0)

    def stint_end(self, term: Term) -> datetime | None:
        """When its plan ended, if it did."""
        return self.stint_ends[term.key[0]] if term.key[0] < len(self.stint_ends) else None

    def true_up(self, place: tuple[Any, ...], kind: str, term: Term, owed: int, quantity: Fraction) -> Line:
        """A line of a commitment."""
        end = term.ends(self.stint_end(term))
        taxable = term.price.get("taxable", True)
        return Line(place, kind, term.price["code"], owed, term.windows[0].start, end, quantity, taxable, term=term.key)


def sorted_by_arrival(parts: Sequence[Sequence[Event]], known: Sequence[Event]) -> list[Event]:
    """The events of several windows, in order of arrival."""
    inside = {id(event) for part in parts for event in part}
    return [event for event in known if id(event) in inside]


def _prices(window: Window, wanted: Callable[[Raw], bool]) -> list[tuple[int, Raw]]:
    return [(place, price) for place, price in enumerate(window.plan["prices"]) if wanted(price)]


def _is_usage(price: Raw) -> bool:
    return bool(price["type"] == "usage")


def _in_advance(price: Raw) -> bool:
    return bool(price["type"] == "recurring" and price.get("billed", "in_advance") == "in_advance")


def _in_arrears(price: Raw) -> bool:
    return bool(price["type"] == "recurring" and price.get("billed", "in_advance") == "in_arrears")
