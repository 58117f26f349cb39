"""Recurring prices of one subscription: how many of each, since when, and what a stretch of time owes for them."""

from decimal import Decimal
from typing import NamedTuple

from billing.account.draft import Draft
from billing.account.tariff import Fee, Tariff
from billing.price import Billed
from billing.quantity import parse_quantity, plain
from billing.statement import LineKind

Stretches = dict[str, list[tuple[int, str]]]
"""By the price's code: since when it has been owed how many times."""


class OpenWindow(NamedTuple):
    """What fees need to know of the window that is open: what it is priced by, and where it lies."""

    tariff: Tariff
    anchor_us: int
    start_us: int
    end_us: int


class Fees:
    """The quantities that were changed, and since when each fee has had which in the open window.

    A changed quantity outlives plans: it counts for the recurring price of its code in whichever plan.
    """

    def __init__(self, quantities: dict[str, str], stretches: Stretches) -> None:
        self.quantities = dict(quantities)
        self.stretches = {code: list(found) for code, found in stretches.items()}

    def begin(self, window: OpenWindow) -> list[Draft]:
        """A window opens: returns what is paid in advance for it."""
        self.stretches = {}
        return [
            self._draft(window, fee, LineKind.FEE, self.quantity(fee), window.start_us, window.end_us)
            for fee in _billed(window.tariff, Billed.IN_ADVANCE)
        ]

    def unused(self, window: OpenWindow, at_us: int) -> list[Draft]:
        """Returns what is given back of the fees that were paid in advance, for the time from `at_us` on."""
        return [
            self._unused(window, fee, at_us)
            for fee in _billed(window.tariff, Billed.IN_ADVANCE)
            if at_us < window.end_us
        ]

    def in_arrears(self, window: OpenWindow, at_us: int) -> list[Draft]:
        """Returns what is owed for the window that ends at `at_us`: a line for each stretch of one quantity."""
        drafts = []
        for fee in _billed(window.tariff, Billed.IN_ARREARS):
            stretches = self._stretches(window, fee)
            ends = [*(since_us for since_us, _ in stretches[1:]), at_us]
            drafts += [
                self._draft(window, fee, LineKind.FEE, quantity, since_us, until_us)
                for (since_us, quantity), until_us in zip(stretches, ends, strict=True)
                if since_us < until_us
            ]
        return drafts

    def change(self, window: OpenWindow, fee: Fee, quantity: Decimal, at_us: int) -> list[Draft]:
        """Counts the fee so many times from `at_us` on; returns what was paid too much and what is owed instead."""
        in_advance = fee.price.billed is Billed.IN_ADVANCE
        given_back = [self._unused(window, fee, at_us)] if in_advance else []
        self.stretches[fee.price.code] = [*self._written(window, fee), (at_us, plain(quantity))]
        self.remember(fee, quantity)
        if not in_advance:
            return []
        return [*given_back, self._draft(window, fee, LineKind.FEE, quantity, at_us, window.end_us)]

    def remember(self, fee: Fee, quantity: Decimal) -> None:
        """Counts the fee so many times from the next window on: none is open that owes it."""
        self.quantities[fee.price.code] = plain(quantity)

    def quantity(self, fee: Fee) -> Decimal:
        """Returns how many times the fee is owed now."""
        changed = self.quantities.get(fee.price.code)
        return fee.price.quantity if changed is None else parse_quantity(changed)

    def _written(self, window: OpenWindow, fee: Fee) -> list[tuple[int, str]]:
        return self.stretches.get(fee.price.code) or [(window.start_us, plain(self.quantity(fee)))]

    def _stretches(self, window: OpenWindow, fee: Fee) -> list[tuple[int, Decimal]]:
        return [(since_us, parse_quantity(quantity)) for since_us, quantity in self._written(window, fee)]

    def _unused(self, window: OpenWindow, fee: Fee, at_us: int) -> Draft:
        paid_us, quantity = self._stretches(window, fee)[-1]
        unused = self._draft(window, fee, LineKind.UNUSED_FEE, quantity, at_us, window.end_us)
        return unused._replace(paid_us=paid_us)

    def _draft(  # noqa: PLR0913, PLR0917 - a line's fields, no two of which belong together
        self, window: OpenWindow, fee: Fee, kind: LineKind, quantity: Decimal, start_us: int, end_us: int
    ) -> Draft:
        line = window.tariff.fee_line(kind, fee, quantity, window.anchor_us, start_us, end_us)
        paid_us = start_us if fee.price.billed is Billed.IN_ADVANCE else None
        return Draft(fee.number, line, window.tariff, paid_us)


def _billed(tariff: Tariff, billed: Billed) -> list[Fee]:
    return [fee for fee in tariff.fees if fee.price.billed is billed]
