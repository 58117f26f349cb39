"""The lines of invoices, before and after what coupons take off."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from fractions import Fraction
from typing import Any, TypeAlias

from tests.oracle.meters import Group
from tests.oracle.numbers import Raw, amount_text, instant_text, quantity_text

TermKey: TypeAlias = tuple[int, str, int]
"""A commitment's term: the stretch of the plan in the subscription's life, the price's code, the number of the term."""


class Section(IntEnum):
    """The order of an invoice's lines."""

    ADJUSTED_USAGE = 0
    ADJUSTED_TRUE_UP = 1
    UNUSED = 2
    ENDED = 3
    BEGINS = 4
    CHARGES = 5


@dataclass(slots=True, eq=False)
class Window:
    """A stretch of a subscription under one plan; `due` is the end of its period, `end` its own, once known."""

    number: int
    start: datetime
    due: datetime
    plan: Raw
    stint: int
    billed: bool
    end: datetime | None = None


@dataclass(slots=True, eq=False)
class Line:
    """A line in minor units; `owed` is before coupons, and of an adjustment the difference to `already`."""

    place: tuple[Any, ...]
    kind: str
    price: str
    owed: int
    start: datetime
    end: datetime
    quantity: Fraction = Fraction(1)
    taxable: bool = True
    group: Group = ()
    already: int = 0
    window: Window | None = None
    term: TermKey | None = None
    paid_at: datetime | None = None
    """Of what is billed at its beginning: the moment that decides which coupons are in force."""
    ended_at: datetime | None = None
    """Of what is billed at its end, likewise."""
    period: str = ""
    """The billing period of the plan that priced it."""
    coupons: frozenset[int] | None = None
    """The places, in order of application, of those in force; None: not settled yet."""
    percent_off: int = 0
    amounts_off: dict[int, int] = field(default_factory=dict)
    """By the place of the coupon in order of application."""

    def __post_init__(self) -> None:
        self.period = self.period or (self.window.plan["billing_period"] if self.window else "")

    @property
    def discount(self) -> int:
        """What all coupons took off."""
        return self.percent_off + sum(self.amounts_off.values())

    @property
    def amount(self) -> int:
        """What is left."""
        return self.owed - self.discount

    def expected(self, digits: int) -> dict[str, Any]:
        """The line as a case expects it."""
        return {
            "price": self.price,
            "group": dict(self.group),
            "quantity": quantity_text(self.quantity),
            "amount": amount_text(self.amount, digits),
            "start": instant_text(self.start),
            "end": instant_text(self.end),
            "adjustment": self.kind == "adjustment",
            "kind": self.kind,
            "discount": amount_text(self.discount, digits),
        }
