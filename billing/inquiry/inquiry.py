"""One statement drawn once more, from the account as it stood before its command.

The account tells which tariff priced a window, and which level it began with; the window itself is filled again from
the journal's events alone, and billed by the code that bills every window. So what is told is the calculation that the
line came from, and where the two differ the line is wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Final, TypeAlias

from billing.account.books import Books
from billing.account.cell import Cell
from billing.account.commitments import Term
from billing.account.coupons import Coupons
from billing.account.identity import Seen, events_digest, number_of
from billing.account.items import Items
from billing.account.lines import quantity_together, usage_lines
from billing.account.machine import Account
from billing.account.subscribed import Subscribed
from billing.account.tariff import Tariff, tariff
from billing.account.window import Route, Window
from billing.entry import ChargeAdded, SubscriptionCommand, Usage
from billing.errors import Defect, RefusedUsage
from billing.inquiry.why import (
    Billed,
    ChargeWhy,
    CommitmentWhy,
    Contribution,
    Explained,
    FeeWhy,
    Share,
    Together,
    UsageWhy,
    Why,
)
from billing.meter import Value
from billing.money import round_to_minor
from billing.price import amount, needs_events, steps
from billing.quantity import EXACT, ZERO, add, canonical, parse_quantity, subtract
from billing.statement import Line, LineKind, Statement

Group: TypeAlias = tuple[str, ...]
Address: TypeAlias = tuple[str, int, tuple[tuple[str, str], ...]]
"""What the lines of one window and group, or of one term, have in common: price, start, group."""
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Was:
    """A window as it stood before the command."""

    start_us: int
    end_us: int
    tariff: Tariff
    carried: Mapping[tuple[int, Group], Decimal]
    """By the price's place and the group: the levels that the window began with."""


@dataclass(slots=True)
class _Before:
    """A subscription as it stood before the command; empty of one that only starts."""

    windows: list[_Was] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    charges: list[tuple[str, Decimal, Decimal]] = field(default_factory=list)
    """Added charges that waited: code, amount, quantity."""
    charged: list[str] = field(default_factory=list)
    coupons: Coupons | None = None


class Inquiry:
    """A statement, and what is needed to tell how each of its lines came about.

    Give it `take` every usage event of the account that stands before the statement's command and was counted; then
    `explain` the lines.
    """

    def __init__(
        self, books: Books, entry: SubscriptionCommand, position: int, seen: Seen, again: Sequence[tuple[Usage, int]]
    ) -> None:
        """Draws the statement of `entry` from books that nobody else has.

        Args:
            books: the account as it stood before the command; afterwards it stands behind it.
            entry: the command.
            position: where it stands in the journal.
            seen: what was known of usage ids then.
            again: as `Account.apply` takes it.

        Raises:
            Defect: the entry draws no statement.
        """
        self._entry = entry
        one = _named(books, entry.subscription)
        self._before = _Before() if one is None else _before(one)
        outcomes = Account(books).apply(entry, position, seen, again)
        statement = next((outcome for outcome in outcomes if isinstance(outcome, Statement)), None)
        if statement is None:
            raise Defect(f"{type(entry).__name__} {entry.command_id} at {position} draws no statement")
        self.statement = statement
        self._after = _named(books, entry.subscription)
        self._windows: dict[int, Window] = {}
        for line in statement.lines:
            if line.period_start_us not in self._windows and (window := self._window(line)) is not None:
                self._windows[line.period_start_us] = window

    @property
    def span_us(self) -> tuple[int, int] | None:
        """From when up to when the events of the lines occurred; None where no line has events."""
        windows = self._windows.values()
        if not windows:
            return None
        return min(window.start_us for window in windows), max(window.end_us for window in windows)

    def take(self, usage: Usage, position: int) -> list[tuple[int, Contribution]]:
        """Counts an event again; returns the lines that it stands behind, by their places, and what it gives to each.

        It must have been counted then, and not be taken twice.
        """
        if usage.subscription not in {None, self.statement.subscription}:
            return []
        behind: list[tuple[int, Contribution]] = []
        for start_us, window in self._windows.items():
            if window.start_us <= usage.occurred_at_us < window.end_us:
                for price, group, value in self._count(window, usage, position):
                    behind += [
                        (place, Contribution(position, usage, value))
                        for place, line in enumerate(self.statement.lines)
                        if line.kind in {LineKind.USAGE, LineKind.ADJUSTMENT}
                        and (line.price, line.period_start_us) == (price, start_us)
                        and tuple(line.group.values()) == group
                    ]
        return behind

    def explain(self, earlier: Iterable[Statement]) -> list[Explained]:
        """Returns why each line says what it says.

        Args:
            earlier: the account's statements before this one, in their order.
        """
        before = self._billed_before(earlier)
        drawn = {start_us: _Drawn.of(window) for start_us, window in self._windows.items()}
        taken = self._coupons().taken
        charges = self._charges()
        explained = []
        for place, line in enumerate(self.statement.lines):
            owing = before.get(_address(line), ())
            priced, why, owed = self._why(line, drawn.get(line.period_start_us), owing, charges)
            mine = tuple(one for one in taken if one.place == place)
            explained.append(
                Explained(
                    place=place,
                    line=line,
                    currency=priced.currency,
                    plan=priced.terms.plan,
                    plan_version=priced.terms.plan_version,
                    why=why,
                    owed_minor=owed,
                    taken=mine,
                    findings=tuple(_findings(line, why, owed, sum(one.off_minor for one in mine))),
                )
            )
        return explained

    # --- usage

    def _window(self, line: Line) -> Window | None:
        """An empty window in the place of the one that the line is of; None where the line is of no usage."""
        was = self._was(line)
        if was is None or line.kind not in {LineKind.USAGE, LineKind.ADJUSTMENT}:
            return None
        if not any(one.price.code == line.price for one in was.tariff.measured):
            return None
        window = Window(
            ordinal=0,
            number=0,
            start_us=line.period_start_us,
            end_us=line.period_end_us,
            trial=False,
            tariff=was.tariff,
            items=Items(lambda _: None),
        )
        for (number, group), level in was.carried.items():
            window.cell(window.route(number), group).carried = level
        return window

    def _was(self, line: Line) -> _Was | None:
        return next((was for was in self._before.windows if was.start_us == line.period_start_us), None)

    @staticmethod
    def _count(window: Window, usage: Usage, position: int) -> list[tuple[str, Group, Value]]:
        try:
            readings = window.read(usage)
        except RefusedUsage:
            return []
        counted = []
        for route, group, value in readings:
            cell = window.cell(route, group)
            cell.add(value, usage.occurred_at_us, position, number_of(usage))
            counted.append((route.measured.price.code, group, value))
        return counted

    # --- what each kind of line is made of

    def _why(
        self, line: Line, drawn: "_Drawn | None", before: Sequence[Billed], charges: "list[_Charge]"
    ) -> tuple[Tariff, Why, int]:
        match line.kind:
            case LineKind.USAGE | LineKind.ADJUSTMENT if drawn is not None and drawn.prices(line.price):
                why = drawn.why(line, before)
                return drawn.window.tariff, why, why.amount_minor - sum(one.amount_minor for one in before)
            case LineKind.TRUE_UP | LineKind.ADJUSTMENT:
                return self._commitment(line, before)
            case LineKind.FEE | LineKind.UNUSED_FEE:
                return self._fee(line)
            case _:
                return self._charge(line, charges)

    def _fee(self, line: Line) -> tuple[Tariff, Why, int]:
        priced, anchor_us = self._tariff_of_fee(line), self._subscribed().anchor_us
        fee = priced.fee(line.price)
        if fee is None:
            raise Defect(f"the plan that line {line.price} is of has no such fee")
        quantity = Decimal(line.quantity)
        periods = priced.periods(anchor_us, line.period_start_us, line.period_end_us)
        exact = periods * Fraction(EXACT.multiply(fee.price.amount, quantity))
        again = priced.fee_line(line.kind, fee, quantity, anchor_us, line.period_start_us, line.period_end_us)
        why = FeeWhy(
            price=fee.price,
            quantity=quantity,
            served=priced.served(anchor_us, line.period_start_us, line.period_end_us),
            periods=periods,
            exact=-exact if line.kind is LineKind.UNUSED_FEE else exact,
        )
        return priced, why, again.amount_minor

    def _tariff_of_fee(self, line: Line) -> Tariff:
        """What began with the command is priced by what it left, all else by the window that it found."""
        start_us = line.period_start_us
        if line.kind is LineKind.UNUSED_FEE or start_us < self._entry.at_us:
            found = (was for was in reversed(self._before.windows) if was.start_us <= start_us < was.end_us)
            was = next(found, None)
            if was is None:
                raise Defect(f"no window of the subscription is what fee {line.price} was charged in")
            return was.tariff
        return self._subscribed().tariff

    def _commitment(self, line: Line, before: Sequence[Billed]) -> tuple[Tariff, Why, int]:
        for term in self._before.terms:
            priced = tariff(term.agreed)
            price = priced.commitment(term.number).price
            if (price.code, term.start_us, term.end_us) == (line.price, line.period_start_us, line.period_end_us):
                share = priced.commitment(term.number).part(term.served_us, term.full_us)
                why = CommitmentWhy(
                    price=price,
                    term_us=term.full_us,
                    served_us=term.served_us,
                    committed_minor=round_to_minor(share, priced.currency),
                    counted_minor=int(term.counted),
                    shortfall_minor=term.shortfall_minor,
                    before=tuple(before),
                )
                return priced, why, term.shortfall_minor - sum(one.amount_minor for one in before)
        raise Defect(f"no term of commitment {line.price} is what the line says")

    def _charges(self) -> "list[_Charge]":
        """What is owed once and may stand on this statement, in its order."""
        one = self._subscribed()
        of_plan = [
            _Charge(price.code, price.amount, price.quantity, of_plan=True)
            for price in (one_off.price for one_off in one.tariff.one_offs)
            if price.code not in self._before.charged
        ]
        added = [_Charge(*charge, of_plan=False) for charge in self._before.charges]
        if isinstance(self._entry, ChargeAdded):
            entry = self._entry
            added.append(
                _Charge(entry.code, parse_quantity(entry.amount), parse_quantity(entry.quantity), of_plan=False)
            )
        return of_plan + added

    def _charge(self, line: Line, charges: "list[_Charge]") -> tuple[Tariff, Why, int]:
        priced = self._subscribed().tariff
        for charge in charges:
            if charge.code == line.price and canonical(charge.quantity) == line.quantity:
                exact = EXACT.multiply(charge.amount, charge.quantity)
                owed = round_to_minor(exact, priced.currency)
                if owed == line.amount_minor + line.discount_minor:
                    charges.remove(charge)
                    why = ChargeWhy(amount=charge.amount, quantity=charge.quantity, of_plan=charge.of_plan, exact=exact)
                    return priced, why, owed
        raise Defect(f"no charge {line.price} of {line.quantity} is known that the line could be")

    # --- around them

    def _subscribed(self) -> Subscribed:
        assert self._after is not None, "a statement with lines has its subscription"
        return self._after

    def _coupons(self) -> Coupons:
        return self._before.coupons or self._subscribed().addenda.coupons

    def _billed_before(self, earlier: Iterable[Statement]) -> dict[Address, list[Billed]]:
        wanted = {_address(line) for line in self.statement.lines if line.kind is LineKind.ADJUSTMENT}
        billed: dict[Address, list[Billed]] = {}
        for statement in earlier if wanted else ():
            if statement.subscription != self.statement.subscription:
                continue
            for line in statement.lines:
                key = _address(line)
                if key in wanted and line.kind in {LineKind.USAGE, LineKind.ADJUSTMENT, LineKind.TRUE_UP}:
                    said = Billed(
                        statement.statement_id,
                        statement.issued_at_us,
                        line.quantity,
                        line.amount_minor + line.discount_minor,
                    )
                    billed.setdefault(key, []).append(said)
        return billed


@dataclass(frozen=True, slots=True)
class _Charge:
    code: str
    amount: Decimal
    quantity: Decimal
    of_plan: bool


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A window that was filled again, and billed."""

    window: Window
    cells: Mapping[tuple[str, Group], Cell]
    """Those that owe a line."""

    @classmethod
    def of(cls, window: Window) -> "_Drawn":
        return cls(window, {(cell.measured.price.code, cell.group): cell for cell, _ in usage_lines(window)})

    def prices(self, code: str) -> bool:
        return any(route.measured.price.code == code for route in self.window.routes)

    def why(self, line: Line, before: Sequence[Billed]) -> UsageWhy:
        route = next(route for route in self.window.routes if route.measured.price.code == line.price)
        group = tuple(line.group.values())
        cell = self.cells.get((line.price, group))
        empty = cell is None
        cell = cell or self.window.cell(route, group)
        price = route.measured.price
        values = cell.values.values() if cell.values is not None and needs_events(price) else None
        quantity = ZERO if empty else cell.quantity()
        together = self._together(route) if price.across_groups else None
        priced = quantity if together is None else together.quantity
        owes = not empty
        bill = cell.billed
        return UsageWhy(
            price=price,
            meter=route.measured.meter,
            events=cell.accumulator.events,
            events_digest=events_digest(cell.events_sum),
            carried=cell.carried,
            quantity=quantity,
            priced=priced,
            steps=tuple(steps(price, priced, values)) if owes else (),
            exact=amount(price, priced, values) if owes else _NOTHING,
            amount_minor=bill.amount_minor if owes and bill is not None else 0,
            together=together,
            before=tuple(before) if line.kind is LineKind.ADJUSTMENT else (),
        )

    def _together(self, route: Route) -> Together:
        code = route.measured.price.code
        owing = [(group, cell) for (price, group), cell in self.cells.items() if price == code]
        shares = tuple(
            Share(group, cell.quantity(), 0 if cell.billed is None else cell.billed.amount_minor)
            for group, cell in owing
        )
        quantity = quantity_together([cell for _, cell in owing]) if owing else ZERO
        return Together(quantity, sum(one.amount_minor for one in shares), shares)


def _named(books: Books, subscription: str) -> Subscribed | None:
    return next((one for one in books.subscribed if one.subscription == subscription), None)


def _before(one: Subscribed) -> _Before:
    addenda = one.addenda
    return _Before(
        windows=[_was(window) for window in one.timeline.windows],
        terms=list(addenda.commitments.terms),  # the terms themselves: the command brings them up to date
        charges=[
            (charge.code, parse_quantity(charge.amount), parse_quantity(charge.quantity))
            for charge in addenda.charges.waiting
        ],
        charged=list(addenda.charges.charged),
        coupons=addenda.coupons,
    )


def _was(window: Window) -> _Was:
    carrying = [route for route in window.routes if route.measured.meter.carry_over]
    levels = {
        (route.measured.number, group): window.cell(route, group).carried
        for route in carrying
        for group in list(window.groups(route))
    }
    return _Was(
        window.start_us,
        window.end_us,
        window.tariff,
        {address: level for address, level in levels.items() if level is not None},
    )


def _address(line: Line) -> Address:
    return line.price, line.period_start_us, tuple(sorted(line.group.items()))


def _findings(line: Line, why: Why, owed_minor: int, off_minor: int) -> Iterable[str]:
    """What the line says otherwise than what made it."""
    if isinstance(why, UsageWhy):
        before = reduce(add, (Decimal(one.quantity) for one in why.before), ZERO)
        quantity = canonical(subtract(why.quantity, before))
        if quantity != line.quantity:
            yield f"the events measure {quantity}, the line says {line.quantity}"
        if why.events != line.events:
            yield f"{why.events} events stand behind the line in the journal, the line says {line.events}"
        elif why.events_digest != line.events_digest:
            found, said = why.events_digest.hex(), line.events_digest.hex() or "none"
            yield f"other events stand behind the line than it was drawn from: their digest is {found}, it says {said}"
    if owed_minor - off_minor != line.amount_minor or off_minor != line.discount_minor:
        yield (
            f"priced again it comes to {owed_minor} less {off_minor} minor units,"
            f" the line says {line.amount_minor + line.discount_minor} less {line.discount_minor}"
        )
