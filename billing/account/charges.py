"""What is owed once: the one-off prices of a subscription's plans, and charges that were added to it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from billing.account.draft import Draft
from billing.account.tariff import Tariff
from billing.entry import ChargeAdded
from billing.errors import IllegalTransition, RefusedUsage
from billing.money import round_to_minor
from billing.quantity import EXACT, canonical, parse_quantity
from billing.statement import Line, LineKind

MOST_WAITING: Final = 1_000


class Charge(msgspec.Struct, array_like=True, frozen=True):
    """An added charge, as it waits for an invoice."""

    code: str
    amount: str
    quantity: str
    taxable: bool
    at_us: int


class Charges:
    """The codes of one-off prices that were charged already, and the added charges that wait for an invoice."""

    def __init__(self, charged: Iterable[str], waiting: Iterable[Charge]) -> None:
        self.charged = list(charged)
        self.waiting = list(waiting)

    def one_offs(self, tariff: Tariff, at_us: int) -> list[Draft]:
        """Returns the one-off prices of the plan that the subscription was never charged; from now on it was."""
        drafts = []
        for one_off in tariff.one_offs:
            price = one_off.price
            if price.code not in self.charged:
                self.charged.append(price.code)
                line = _line(tariff, price.code, price.amount, price.quantity, at_us, taxable=price.taxable)
                drafts.append(Draft(one_off.number, line, tariff, at_us))
        return drafts

    def add(self, entry: ChargeAdded) -> None:
        """The charge waits for the next invoice."""
        self.waiting.append(Charge(entry.code, entry.amount, entry.quantity, entry.taxable, entry.at_us))

    def take(self, tariff: Tariff) -> list[Draft]:
        """Returns the charges that waited, in order of arrival; they wait no more."""
        waiting, self.waiting = self.waiting, []
        return [
            Draft(
                len(tariff.terms.prices),
                _line(
                    tariff, one.code, parse_quantity(one.amount), parse_quantity(one.quantity), one.at_us,
                    taxable=one.taxable,
                ),
                tariff,
                one.at_us,
            )
            for one in waiting
        ]  # fmt: skip

    @property
    def are_many(self) -> bool:
        """Whether no more may wait: the next invoice is due."""
        return len(self.waiting) >= MOST_WAITING

    def check(self, entry: ChargeAdded) -> None:
        """Refuses a charge that comes to nothing.

        Raises:
            IllegalTransition: the text says what is allowed.
        """
        try:
            amount, quantity = parse_quantity(entry.amount), parse_quantity(entry.quantity)
        except RefusedUsage as refusal:
            raise IllegalTransition(f"charge {entry.code}: {refusal.detail}") from None
        if not amount or quantity <= 0:
            raise IllegalTransition(
                f"charge {entry.code} is {entry.amount} x {entry.quantity}; an amount other than 0 and a quantity above"
                " 0 are allowed"
            )


def _line(  # noqa: PLR0913 - a line's fields, no two of which belong together
    tariff: Tariff, code: str, amount: Decimal, quantity: Decimal, at_us: int, *, taxable: bool
) -> Line:
    return Line(
        kind=LineKind.CHARGE,
        price=code,
        group={},
        quantity=canonical(quantity),
        amount_minor=round_to_minor(EXACT.multiply(amount, quantity), tariff.currency),
        period_start_us=at_us,
        period_end_us=at_us,
        taxable=taxable,
        events=0,
    )
