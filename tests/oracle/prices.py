"""What a quantity costs, by the formulas of the norm."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor

from tests.oracle.numbers import DIGITS, Raw, amount_text, exact, minor, number


def price_case(case: Raw) -> str:
    """The amount of a case of kind price."""
    digits, price = DIGITS[case["currency"]], case["price"]
    amount = owed(price, number(case, "quantity"), [exact(value) for value in case.get("events", [])], digits)
    if "already_billed_quantity" in case:
        amount -= owed(price, number(case, "already_billed_quantity"), [], digits)
    return amount_text(amount, digits)


def owed(price: Raw, quantity: Fraction, read: Sequence[Fraction], digits: int) -> int:
    """What a quantity, or for percentage what was read of each event, costs in minor units."""
    return minor(unrounded(price, quantity, read), digits)


def unrounded(price: Raw, quantity: Fraction, read: Sequence[Fraction]) -> Fraction:
    """The same before its one rounding."""
    if price["model"] == "percentage":
        amount = percentage(price, read)
    else:
        units = converted(price.get("unit_conversion"), quantity)
        amount = MODELS[price["model"]](price, max(units - number(price, "free_units"), Fraction(0)))
    amount *= 1 - number(price, "discount_percent") / 100
    if "maximum_amount" in price:
        amount = min(amount, number(price, "maximum_amount"))
    if "minimum_amount" in price:
        amount = max(amount, number(price, "minimum_amount"))
    return amount


def converted(conversion: Raw | None, quantity: Fraction) -> Fraction:
    """The units that are priced."""
    if conversion is None:
        return quantity
    units = quantity / number(conversion, "divide_by", "1") * number(conversion, "multiply_by", "1")
    return Fraction(ROUNDINGS[conversion.get("rounding", "none")](units))


def graduated(price: Raw, quantity: Fraction) -> Fraction:
    """Each tier prices its part."""
    total, below = Fraction(0), Fraction(0)
    for place, tier in enumerate(price["tiers"]):
        rate = number(tier, "unit_amount") + number(tier, "rate_percent") / 100
        above = number(tier, "up_to") if "up_to" in tier else None
        total += rate * max((quantity if above is None else min(quantity, above)) - below, Fraction(0))
        if quantity > below or (place == 0 and quantity == 0 and price.get("flat_when_zero", True)):
            total += number(tier, "flat_amount")
        below = above or below
    return total


def volume(price: Raw, quantity: Fraction) -> Fraction:
    """One tier prices all of it."""
    tier = next(tier for tier in price["tiers"] if "up_to" not in tier or number(tier, "up_to") >= quantity)
    flat = number(tier, "flat_amount") if quantity or price.get("flat_when_zero", True) else Fraction(0)
    return quantity * number(tier, "unit_amount") + flat


def package(price: Raw, quantity: Fraction) -> Fraction:
    """Whole packages."""
    whole = floor if price.get("partial_packages") == "down" else ceil
    return whole(quantity / number(price, "package_size")) * number(price, "package_amount")


def percentage(price: Raw, read: Sequence[Fraction]) -> Fraction:
    """Each event by itself."""
    owed_for, running = Fraction(0), Fraction(0)
    events, amount = price.get("free_events"), price.get("free_amount")
    for place, value in enumerate(read, start=1):
        before, running = running, running + value
        lasts = (events is not None or amount is not None) and (events is None or place <= int(events))
        if lasts and (amount is None or running <= exact(amount)):
            continue
        part = running - max(exact(amount), before) if lasts and amount is not None else value
        one = number(price, "rate_percent") / 100 * part + number(price, "per_event_amount")
        if "event_minimum" in price:
            one = max(one, number(price, "event_minimum"))
        if "event_maximum" in price:
            one = min(one, number(price, "event_maximum"))
        owed_for += one
    return owed_for


MODELS: Mapping[str, Callable[[Raw, Fraction], Fraction]] = {
    "per_unit": lambda price, quantity: quantity * number(price, "unit_amount"),
    "graduated": graduated,
    "graduated_percentage": graduated,
    "volume": volume,
    "package": package,
    "dynamic": lambda price, quantity: quantity * number(price, "multiplier"),
}
ROUNDINGS: Mapping[str, Callable[[Fraction], Fraction | int]] = {
    "none": lambda value: value,
    "up": ceil,
    "down": floor,
    "half_up": lambda value: floor(value + Fraction(1, 2)),
}
