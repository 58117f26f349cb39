"""Prices of a plan: what usage, periods and terms cost (`billing.price_definition` reads them).

A usage price works in this order: unit conversion of the whole quantity, minus the free units but not below 0, the
model (`billing.pricing`), discount, maximum, minimum, and one rounding, half away from zero. Percentage prices single
events, so it takes neither unit conversion nor free units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, Inexact, getcontext, setcontext
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeAlias, TypeVar, assert_never

from billing.currency import Currency
from billing.errors import Defect
from billing.money import round_to_minor
from billing.period import BillingPeriod
from billing.pricing import Percentage, Pricing, amount_of_events, amount_of_quantity
from billing.quantity import EXACT, ZERO
from billing.step import Note, Step, StepKind

ONE: Final = Decimal(1)
_HALF: Final = Fraction(1, 2)
_PERCENT: Final = 100
_Number = TypeVar("_Number", Decimal, Fraction)


class Billed(StrEnum):
    """Whether a recurring price is owed when its period begins or when it has ended."""

    IN_ADVANCE = "in_advance"
    IN_ARREARS = "in_arrears"


class UnitRounding(StrEnum):
    """How a converted quantity becomes whole units; `none` leaves it exact."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitConversion:
    """The units that are priced, from those that are metered; one of `divide_by` and `multiply_by` is given."""

    divide_by: Decimal | None = None
    multiply_by: Decimal | None = None
    rounding: UnitRounding = UnitRounding.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePrice:
    """A price of what `meter` measures, in major units of the currency that it is charged in."""

    code: str
    meter: str
    pricing: Pricing
    unit_conversion: UnitConversion | None = None
    free_units: Decimal = ZERO
    discount_percent: Decimal = ZERO
    maximum_amount: Decimal | None = None
    minimum_amount: Decimal | None = None
    across_groups: bool = False
    """Whether the groups of the meter are priced together, and the amount is spread over them; else each by itself."""
    taxable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurringPrice:
    """A fee of each period: `amount` x `quantity`, in major units of the currency that it is charged in."""

    code: str
    amount: Decimal
    quantity: Decimal = ONE
    billed: Billed = Billed.IN_ADVANCE
    taxable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOffPrice:
    """A charge of `amount` x `quantity`, in major units, once in a subscription's life."""

    code: str
    amount: Decimal
    quantity: Decimal = ONE
    taxable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentPrice:
    """What usage and fees of each `term` come to at least, in major units: what is short is owed at its end.

    Without a `term` each billing period is one.
    """

    code: str
    amount: Decimal
    term: BillingPeriod | None = None
    taxable: bool = True


Price: TypeAlias = UsagePrice | RecurringPrice | OneOffPrice | CommitmentPrice
"""What a plan has prices of."""


def needs_events(price: UsagePrice) -> bool:
    """Whether the price asks for the value of each event (`EventValues`), not only for the quantity."""
    return isinstance(price.pricing, Percentage) and not price.pricing.is_plain


def amount(
    price: UsagePrice, quantity: Decimal, events: Sequence[Decimal] | None = None, note: Note | None = None
) -> Decimal | Fraction:
    """Returns f(quantity) in major units, exact and not rounded.

    Args:
        price: what it costs.
        quantity: the metered quantity of the whole period so far, as billed (`quantity.rounded`).
        events: the values of the events in order, where `needs_events`; other prices do not look at them.
        note: is told of every step, so that the amount can be explained by what made it.

    Raises:
        Defect: the price needs the events, and they are not given.
    """
    before = getcontext()
    setcontext(EXACT)  # `localcontext` copies it: a fifth of what a running total costs
    try:
        if isinstance(price.pricing, Percentage):
            return _bounded(price, _percentage(price.pricing, quantity, events, note), note)
        units = quantity if price.unit_conversion is None else _converted(price.unit_conversion, quantity, note)
        if isinstance(units, Fraction):
            return _bounded(price, amount_of_quantity(price.pricing, _billable(price, units, note), note), note)
        return _bounded(price, amount_of_quantity(price.pricing, _billable(price, units, note), note), note)
    finally:
        setcontext(before)


def steps(price: UsagePrice, quantity: Decimal, events: Sequence[Decimal] | None = None) -> list[Step]:
    """Returns how `amount` comes about: its steps, whose amounts sum to it.

    Raises:
        Defect: the price needs the events, and they are not given.
    """
    noted: list[Step] = []
    amount(price, quantity, events, noted.append)
    return noted


def charge(price: UsagePrice, quantity: Decimal, currency: Currency, events: Sequence[Decimal] | None = None) -> int:
    """Returns round(f(quantity)) in minor units of the currency; a later bill of the period owes the difference.

    Raises:
        Defect: the price needs the events, and they are not given.
    """
    return round_to_minor(amount(price, quantity, events), currency)


def _percentage(pricing: Percentage, quantity: Decimal, events: Sequence[Decimal] | None, note: Note | None) -> Decimal:
    if events is not None:
        return amount_of_events(pricing, events, note)
    if not pricing.is_plain:
        raise Defect("this percentage price needs the values of the events: keep them where needs_events says so")
    owed = quantity * pricing.rate_percent.scaleb(-2)
    if note is not None:
        note(Step(StepKind.PERCENT, owed, quantity, pricing.rate_percent))
    return owed


def _converted(conversion: UnitConversion, quantity: Decimal, note: Note | None) -> Decimal | Fraction:
    units = _units(conversion, quantity)
    if note is not None:
        note(Step(StepKind.CONVERTED, units=units, rate=conversion.multiply_by or ONE, size=conversion.divide_by))
    return units


def _units(conversion: UnitConversion, quantity: Decimal) -> Decimal | Fraction:
    units: Decimal | Fraction
    if conversion.multiply_by is not None:
        units = quantity * conversion.multiply_by
    else:
        assert conversion.divide_by is not None
        units = _quotient(quantity, conversion.divide_by)
    if conversion.rounding is UnitRounding.NONE:
        return units
    whole, part = divmod(Fraction(units), 1)
    match conversion.rounding:
        case UnitRounding.DOWN:
            return Decimal(whole)
        case UnitRounding.UP:
            return Decimal(whole + (part > 0))
        case UnitRounding.HALF_UP:
            return Decimal(whole + (part >= _HALF))
        case _:
            assert_never(conversion.rounding)


def _quotient(quantity: Decimal, divisor: Decimal) -> Decimal | Fraction:
    """A decimal where the digits of the quotient end, else the fraction; decimals are five times as fast."""
    try:
        return quantity / divisor
    except Inexact:
        return Fraction(quantity) / Fraction(divisor)


def _billable(price: UsagePrice, units: _Number, note: Note | None) -> _Number:
    number = type(units)
    if not price.free_units and units > 0:  # nearly every one
        return units
    billable = max(units - number(price.free_units), number(0))
    if note is not None and price.free_units:
        note(Step(StepKind.FREE_UNITS, units=units - billable, size=price.free_units))
    return billable


def _bounded(price: UsagePrice, owed: _Number, note: Note | None) -> _Number:
    number = type(owed)
    if price.discount_percent:
        before, owed = owed, owed * number((_PERCENT - price.discount_percent).scaleb(-2))
        if note is not None:
            note(Step(StepKind.DISCOUNT, owed - before, before, price.discount_percent))
    if price.maximum_amount is not None:
        before, owed = owed, min(owed, number(price.maximum_amount))
        if note is not None and owed != before:
            note(Step(StepKind.MAXIMUM, owed - before, before, flat=price.maximum_amount))
    if price.minimum_amount is not None:
        before, owed = owed, max(owed, number(price.minimum_amount))
        if note is not None and owed != before:
            note(Step(StepKind.MINIMUM, owed - before, before, flat=price.minimum_amount))
    return owed
