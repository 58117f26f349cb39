"""Prices of a plan: what usage and periods cost, read from a definition.

A usage price works in this order: unit conversion of the whole quantity, minus the free units but not below 0, the
model (`billing.pricing`), discount, maximum, minimum, and one rounding, half away from zero. Percentage prices single
events, so it takes neither unit conversion nor free units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, Inexact, localcontext
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeVar, assert_never

from billing.currency import Currency
from billing.definition import Fields
from billing.errors import Defect, InvalidDefinition
from billing.meter import Aggregation, Meter
from billing.money import round_to_minor
from billing.pricing import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    PartialPackages,
    Percentage,
    PercentTier,
    PerUnit,
    Pricing,
    Tier,
    Volume,
    amount_of_events,
    amount_of_quantity,
)
from billing.quantity import EXACT, ZERO, plain

__all__ = [
    "Billed",
    "Model",
    "RecurringPrice",
    "UnitConversion",
    "UnitRounding",
    "UsagePrice",
    "amount",
    "charge",
    "needs_events",
    "parse_price",
    "require_measurable",
]

MOST_FREE_EVENTS: Final = 10**12
# So every amount fits the ledger's 76 digits: 36 of a million events of 30, converted by 9, packed by 9, rated by 15, 4
# of the minor unit.
LARGEST_RATE: Final = 10**15
LARGEST_FACTOR: Final = 10**9
SMALLEST_DIVISOR: Final = Decimal(1).scaleb(-9)
_ONE: Final = Decimal(1)
_HALF: Final = Fraction(1, 2)
_PERCENT: Final = 100
_Number = TypeVar("_Number", Decimal, Fraction)


class _Type(StrEnum):
    USAGE = "usage"
    RECURRING = "recurring"


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
    taxable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurringPrice:
    """A fee of each period: `amount` x `quantity`, in major units of the currency that it is charged in."""

    code: str
    amount: Decimal
    quantity: Decimal = _ONE
    billed: Billed = Billed.IN_ADVANCE
    taxable: bool = True


def needs_events(price: UsagePrice) -> bool:
    """Whether the price asks for the value of each event (`EventValues`), not only for the quantity."""
    return isinstance(price.pricing, Percentage) and not price.pricing.is_plain


def amount(price: UsagePrice, quantity: Decimal, events: Sequence[Decimal] | None = None) -> Decimal | Fraction:
    """Returns f(quantity) in major units, exact and not rounded.

    Args:
        price: what it costs.
        quantity: the metered quantity of the whole period so far, as billed (`quantity.rounded`).
        events: the values of the events in order, where `needs_events`; other prices do not look at them.

    Raises:
        Defect: the price needs the events, and they are not given.
    """
    with localcontext(EXACT):
        if isinstance(price.pricing, Percentage):
            return _bounded(price, _percentage(price.pricing, quantity, events))
        units = quantity if price.unit_conversion is None else _converted(price.unit_conversion, quantity)
        if isinstance(units, Fraction):
            return _bounded(price, amount_of_quantity(price.pricing, _billable(price, units)))
        return _bounded(price, amount_of_quantity(price.pricing, _billable(price, units)))


def charge(price: UsagePrice, quantity: Decimal, currency: Currency, events: Sequence[Decimal] | None = None) -> int:
    """Returns round(f(quantity)) in minor units of the currency; a later bill of the period owes the difference.

    Raises:
        Defect: the price needs the events, and they are not given.
    """
    return round_to_minor(amount(price, quantity, events), currency)


def parse_price(raw: Mapping[str, object], where: str) -> UsagePrice | RecurringPrice:
    """Returns the price that `raw` defines; `where` is the path that errors begin with, such as `prices[2]`.

    Raises:
        InvalidDefinition: a field is unknown, missing, of the wrong type, out of its bounds, or contradicts another.
    """
    given = Fields(raw, where)
    kind = given.word("type", _Type)
    match kind:
        case _Type.RECURRING:
            return _recurring(given)
        case _Type.USAGE:
            return _usage(given)
        case _:
            assert_never(kind)


def require_measurable(price: UsagePrice, meter: Meter, where: str) -> None:
    """Refuses a price that asks for amounts of events which its meter reads none from.

    Raises:
        InvalidDefinition: a percentage of anything but a sum.
    """
    if isinstance(price.pricing, Percentage) and meter.aggregation is not Aggregation.SUM:
        problem = f"percentage prices the events of a meter that sums, {meter.code!r} is {meter.aggregation}"
        raise InvalidDefinition(f"{where}.meter", problem)


def _percentage(pricing: Percentage, quantity: Decimal, events: Sequence[Decimal] | None) -> Decimal:
    if events is not None:
        return amount_of_events(pricing, events)
    if not pricing.is_plain:
        raise Defect("this percentage price needs the values of the events: keep them where needs_events says so")
    return quantity * pricing.rate_percent.scaleb(-2)


def _converted(conversion: UnitConversion, quantity: Decimal) -> Decimal | Fraction:
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


def _billable(price: UsagePrice, units: _Number) -> _Number:
    number = type(units)
    return max(units - number(price.free_units), number(0))


def _bounded(price: UsagePrice, owed: _Number) -> _Number:
    number = type(owed)
    if price.discount_percent:
        owed *= number((_PERCENT - price.discount_percent).scaleb(-2))
    if price.maximum_amount is not None:
        owed = min(owed, number(price.maximum_amount))
    if price.minimum_amount is not None:
        owed = max(owed, number(price.minimum_amount))
    return owed


def _recurring(given: Fields) -> RecurringPrice:
    price = RecurringPrice(
        code=given.text("code"),
        amount=given.decimal("amount"),
        quantity=given.decimal_or("quantity", _ONE),
        billed=given.word("billed", Billed, Billed.IN_ADVANCE),
        taxable=given.flag("taxable", default=True),
    )
    given.close("a recurring price")
    return price


def _usage(given: Fields) -> UsagePrice:
    model = given.word("model", Model)
    by_event = model is Model.PERCENTAGE
    price = UsagePrice(
        code=given.text("code"),
        meter=given.text("meter"),
        pricing=_pricing(given, model),
        unit_conversion=None if by_event else _conversion(given.optional_inner("unit_conversion")),
        free_units=ZERO if by_event else given.decimal_or("free_units", ZERO),
        discount_percent=given.decimal_or("discount_percent", ZERO, most=_PERCENT),
        maximum_amount=given.optional_decimal("maximum_amount"),
        minimum_amount=given.optional_decimal("minimum_amount"),
        taxable=given.flag("taxable", default=True),
    )
    given.close(f"a {model} price")
    return price


def _pricing(given: Fields, model: Model) -> Pricing:  # noqa: PLR0911 - one for each model
    match model:
        case Model.PER_UNIT:
            return PerUnit(given.decimal("unit_amount", most=LARGEST_RATE))
        case Model.GRADUATED:
            return Graduated(_tiers(given), given.flag("flat_when_zero", default=True))
        case Model.VOLUME:
            return Volume(_tiers(given), given.flag("flat_when_zero", default=True))
        case Model.PACKAGE:
            return Package(
                given.decimal("package_size", least=SMALLEST_DIVISOR),
                given.decimal("package_amount", most=LARGEST_RATE),
                given.word("partial_packages", PartialPackages, PartialPackages.UP),
            )
        case Model.PERCENTAGE:
            return _percentage_of(given)
        case Model.GRADUATED_PERCENTAGE:
            return GraduatedPercentage(_percent_tiers(given), given.flag("flat_when_zero", default=True))
        case Model.DYNAMIC:
            return Dynamic(given.decimal("multiplier", most=LARGEST_RATE))
        case _:
            assert_never(model)


def _percentage_of(given: Fields) -> Percentage:
    pricing = Percentage(
        given.decimal("rate_percent"),
        given.decimal_or("per_event_amount", ZERO),
        given.optional_count("free_events", most=MOST_FREE_EVENTS),
        given.optional_decimal("free_amount"),
        given.optional_decimal("event_minimum"),
        given.optional_decimal("event_maximum"),
    )
    least, most = pricing.event_minimum, pricing.event_maximum
    if least is not None and most is not None and least > most:
        raise given.refusal("event_minimum", f"is {plain(least)}; at most event_maximum, {plain(most)}, is allowed")
    return pricing


def _tiers(given: Fields) -> tuple[Tier, ...]:
    rows = _tier_rows(given, "unit_amount")
    return tuple(Tier(up_to=up_to, unit_amount=rate, flat_amount=flat) for up_to, rate, flat in rows)


def _percent_tiers(given: Fields) -> tuple[PercentTier, ...]:
    rows = _tier_rows(given, "rate_percent")
    return tuple(PercentTier(up_to=up_to, rate_percent=rate, flat_amount=flat) for up_to, rate, flat in rows)


def _tier_rows(given: Fields, rate: str) -> list[tuple[Decimal | None, Decimal, Decimal]]:
    """The tiers' bounds, rates and flat amounts: the bounds rise from above 0, and only the last has none."""
    tiers = [Fields(item, path) for item, path in given.items("tiers")]
    rows: list[tuple[Decimal | None, Decimal, Decimal]] = []
    below = ZERO
    for tier in tiers:
        up_to = None if tier is tiers[-1] else tier.decimal("up_to", least=below, above=True)
        if up_to is None and tier.has("up_to"):
            raise tier.refusal("up_to", "is given for the last tier, which has no end; leave it out there")
        if not tier.has(rate) and not tier.has("flat_amount"):
            raise tier.refusal(rate, "is missing; a tier has it, or flat_amount, or both")
        rows.append((up_to, tier.decimal_or(rate, ZERO, most=LARGEST_RATE), tier.decimal_or("flat_amount", ZERO)))
        tier.close("a tier")
        below = up_to if up_to is not None else below
    return rows


def _conversion(given: Fields | None) -> UnitConversion | None:
    if given is None:
        return None
    if given.has("divide_by") == given.has("multiply_by"):
        raise given.refusal("divide_by", "one of divide_by and multiply_by is allowed, and needed")
    conversion = UnitConversion(
        divide_by=given.decimal("divide_by", least=SMALLEST_DIVISOR) if given.has("divide_by") else None,
        multiply_by=given.decimal("multiply_by", above=True, most=LARGEST_FACTOR) if given.has("multiply_by") else None,
        rounding=given.word("rounding", UnitRounding, UnitRounding.NONE),
    )
    given.close("unit_conversion")
    return conversion
