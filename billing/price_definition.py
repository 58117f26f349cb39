"""Reading the prices of a plan from their definitions: strict, bounded, and every refusal names its field."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never

from billing.definition import Fields
from billing.errors import InvalidDefinition
from billing.meter import Aggregation, Meter
from billing.period import BillingPeriod, billing_period
from billing.price import (
    ONE,
    Billed,
    CommitmentPrice,
    OneOffPrice,
    Price,
    RecurringPrice,
    UnitConversion,
    UnitRounding,
    UsagePrice,
)
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
)
from billing.quantity import ZERO, plain

MOST_FREE_EVENTS: Final = 10**12
# So every amount fits the ledger's 76 digits: 36 of a million events of 30, converted by 9, packed by 9, rated by 15, 4
# of the minor unit.
LARGEST_RATE: Final = 10**15
LARGEST_FACTOR: Final = 10**9
SMALLEST_DIVISOR: Final = Decimal(1).scaleb(-9)
_PERCENT: Final = 100


class _Type(StrEnum):
    USAGE = "usage"
    RECURRING = "recurring"
    ONE_OFF = "one_off"
    COMMITMENT = "commitment"


def parse_price(raw: Mapping[str, object], where: str) -> Price:
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
        case _Type.ONE_OFF:
            return _one_off(given)
        case _Type.COMMITMENT:
            return _commitment(given)
        case _:
            assert_never(kind)


def require_measurable(price: UsagePrice, meter: Meter, where: str) -> None:
    """Refuses a price that asks its meter for what it does not measure.

    Raises:
        InvalidDefinition: a percentage of anything but a sum; groups priced together that there are none of,
            or whose last values cannot be carried on together.
    """
    if isinstance(price.pricing, Percentage) and meter.aggregation is not Aggregation.SUM:
        problem = f"percentage prices the events of a meter that sums, {meter.code!r} is {meter.aggregation}"
        raise InvalidDefinition(f"{where}.meter", problem)
    if not price.across_groups:
        return
    if not meter.group_by:
        raise InvalidDefinition(
            f"{where}.across_groups", f"{meter.code!r} has no groups; a meter with group_by is allowed"
        )
    if meter.aggregation is Aggregation.LATEST and meter.carry_over:
        problem = f"{meter.code!r} carries a last value for each group, and those have no sum; leave one of the two out"
        raise InvalidDefinition(f"{where}.across_groups", problem)


def require_whole_term(price: CommitmentPrice, period: BillingPeriod, where: str) -> None:
    """Refuses a term that does not consist of whole billing periods.

    Raises:
        InvalidDefinition: the term is no multiple of the period.
    """
    term = price.term
    if term is None:
        return
    months, days = period.months, period.days
    whole = (term.months and months and term.months % months == 0) or (term.days and days and term.days % days == 0)
    if not whole:
        raise InvalidDefinition(
            f"{where}.term", f"is {term}; a whole multiple of the billing period, {period}, is allowed"
        )


def _recurring(given: Fields) -> RecurringPrice:
    price = RecurringPrice(
        code=given.text("code"),
        amount=given.decimal("amount"),
        quantity=given.decimal_or("quantity", ONE),
        billed=given.word("billed", Billed, Billed.IN_ADVANCE),
        taxable=given.flag("taxable", default=True),
    )
    given.close("a recurring price")
    return price


def _one_off(given: Fields) -> OneOffPrice:
    price = OneOffPrice(
        code=given.text("code"),
        amount=given.decimal("amount"),
        quantity=given.decimal_or("quantity", ONE),
        taxable=given.flag("taxable", default=True),
    )
    given.close("a one-off price")
    return price


def _commitment(given: Fields) -> CommitmentPrice:
    price = CommitmentPrice(
        code=given.text("code"),
        amount=given.decimal("amount"),
        term=_term(given),
        taxable=given.flag("taxable", default=True),
    )
    given.close("a commitment")
    return price


def _term(given: Fields) -> BillingPeriod | None:
    written = given.optional_text("term")
    try:
        return None if written is None else billing_period(written)
    except InvalidDefinition as refusal:
        raise given.refusal("term", refusal.problem) from None


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
        across_groups=False if by_event else given.flag("across_groups", default=False),
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
