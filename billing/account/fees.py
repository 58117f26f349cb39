"""Recurring prices of one subscription: how many of each, since when, and what a stretch of time owes for them."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple

from billing.account.draft import Draft
from billing.account.tariff import Fee, Tariff
from billing.price import Billed
from billing.quantity import parse_quantity, plain
from billing.statement import LineKind

MOST_STRETCHES: Final = 10_000
Stretches = dict[str, list[tuple[int, str, list[int]]]]
"""By the price's code: since when it has been owed how many times, and the coupons in force then."""


class OpenWindow(NamedTuple):
    """What fees need to know of the window that is open: what it is priced by, and where it lies."""

    tariff: Tariff
    anchor_us: int
    start_us: int
    end_us: int


class _Stretch(NamedTuple):
    since_us: int
    quantity: Decimal
    coupons: tuple[int, ...]


class Fees:
    """The quantities that were changed, and since when each fee has had which in the open window.

    A changed quantity outlives plans: it counts for the recurring price of its code in whichever plan. `paid_under`
    are the numbers of the coupons that were in force when the open window began, and its fees were paid.
    """

    def __init__(self, quantities: dict[str, str], stretches: Stretches, coupons: Iterable[int]) -> None:
        self.quantities = dict(quantities)
        self.stretches = {code: list(found) for code, found in stretches.items()}
        self.paid_under = tuple(coupons)

    def begin(self, window: OpenWindow, coupons: tuple[int, ...]) -> list[Draft]:
        """A window opens: returns what is paid in advance for it."""
        self.stretches, self.paid_under = {}, coupons
        return [
            self._paid(window, fee, _Stretch(window.start_us, self.quantity(fee), coupons))
            for fee in _billed(window.tariff, Billed.IN_ADVANCE)
        ]

    def unused(self, window: OpenWindow, at_us: int) -> list[Draft]:
        """Returns what is given back of the fees that were paid in advance, for the time from `at_us` on."""
        fees = _billed(window.tariff, Billed.IN_ADVANCE) if at_us < window.end_us else []
        return [self._unused(window, fee, at_us) for fee in fees]

    def in_arrears(self, window: OpenWindow, at_us: int) -> list[Draft]:
        """Returns what is owed for the window that ends at `at_us`: a line for each stretch of one quantity."""
        drafts = []
        for fee in _billed(window.tariff, Billed.IN_ARREARS):
            stretches = self._stretches(window, fee)
            ends = [*(one.since_us for one in stretches[1:]), at_us]
            # Of a quantity that was changed twice at one instant, or back, nothing is left to see.
            timed = [(one, end_us) for one, end_us in zip(stretches, ends, strict=True) if one.since_us < end_us]
            for quantity, found in groupby(timed, key=lambda pair: pair[0].quantity):
                same = list(found)
                drafts.append(self._draft(window, fee, LineKind.FEE, quantity, same[0][0].since_us, same[-1][1]))
        return drafts

    def change(
        self, window: OpenWindow, fee: Fee, quantity: Decimal, at_us: int, coupons: tuple[int, ...]
    ) -> list[Draft]:
        """Counts the fee so many times from `at_us` on; returns what was paid too much and what is owed instead."""
        stretch = _Stretch(at_us, quantity, coupons)
        if fee.price.billed is Billed.IN_ADVANCE:
            exchanged = [self._unused(window, fee, at_us), self._paid(window, fee, stretch)]
            self.stretches[fee.price.code] = [_written(stretch)]  # what was before is paid and given back
        else:
            exchanged = []
            self.stretches.setdefault(fee.price.code, [_written(self._newest(window, fee))]).append(_written(stretch))
        self.remember(fee, quantity)
        return exchanged

    def are_many(self, fee: Fee) -> bool:
        """Whether the fee has as many stretches in the open window as one line each may be drawn for."""
        return len(self.stretches.get(fee.price.code, ())) >= MOST_STRETCHES

    def remember(self, fee: Fee, quantity: Decimal) -> None:
        """Counts the fee so many times from the next window on: none is open that owes it."""
        self.quantities[fee.price.code] = plain(quantity)

    def quantity(self, fee: Fee) -> Decimal:
        """Returns how many times the fee is owed now."""
        changed = self.quantities.get(fee.price.code)
        return fee.price.quantity if changed is None else parse_quantity(changed)

    def _stretches(self, window: OpenWindow, fee: Fee) -> list[_Stretch]:
        changed = self.stretches.get(fee.price.code)
        return [self._newest(window, fee)] if changed is None else [_read(one) for one in changed]

    def _newest(self, window: OpenWindow, fee: Fee) -> _Stretch:
        changed = self.stretches.get(fee.price.code)
        if changed is None:
            return _Stretch(window.start_us, self.quantity(fee), self.paid_under)
        return _read(changed[-1])

    def _paid(self, window: OpenWindow, fee: Fee, stretch: _Stretch) -> Draft:
        paid = self._draft(window, fee, LineKind.FEE, stretch.quantity, stretch.since_us, window.end_us)
        return paid._replace(coupons=stretch.coupons)

    def _unused(self, window: OpenWindow, fee: Fee, at_us: int) -> Draft:
        newest = self._newest(window, fee)
        unused = self._draft(window, fee, LineKind.UNUSED_FEE, newest.quantity, at_us, window.end_us)
        return unused._replace(coupons=newest.coupons)

    def _draft(  # noqa: PLR0913, PLR0917 - a line's fields, no two of which belong together
        self, window: OpenWindow, fee: Fee, kind: LineKind, quantity: Decimal, start_us: int, end_us: int
    ) -> Draft:
        line = window.tariff.fee_line(kind, fee, quantity, window.anchor_us, start_us, end_us)
        return Draft(fee.number, line, window.tariff)


def _written(stretch: _Stretch) -> tuple[int, str, list[int]]:
    return stretch.since_us, plain(stretch.quantity), list(stretch.coupons)


def _read(written: tuple[int, str, list[int]]) -> _Stretch:
    since_us, quantity, coupons = written
    return _Stretch(since_us, parse_quantity(quantity), tuple(coupons))


def _billed(tariff: Tariff, billed: Billed) -> list[Fee]:
    return [fee for fee in tariff.fees if fee.price.billed is billed]
