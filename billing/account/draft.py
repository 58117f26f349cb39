"""A line on its way to a statement: what it is before coupons, and what they need to know of it."""

from collections.abc import Iterable
from typing import NamedTuple

from billing.account.tariff import Tariff
from billing.statement import Line


class Draft(NamedTuple):
    """A line with its amount before coupons, and the place of its price in the plan.

    `tariff` is what priced it. Which coupons are in force say `coupons`, their numbers, of a fee in advance and of what
    is given back of it; else `paid_us`, the moment of a charge; else the end of the line's time. `before_minor` is what
    an adjusted window had been billed.
    """

    place: int
    line: Line
    tariff: Tariff
    paid_us: int | None = None
    coupons: tuple[int, ...] | None = None
    before_minor: int = 0
    discountable: bool = True


def in_order(drafts: Iterable[Draft]) -> list[Draft]:
    """Returns the drafts in the order of the plan's prices."""
    return sorted(drafts, key=lambda draft: draft.place)
