"""Random cases of kind price, by seed: every model, with the numbers that break things."""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from random import Random
from typing import Any, Final, TypeAlias

from tests.oracle.numbers import DIGITS, exact
from tests.oracle.prices import price_case, unrounded

Made: TypeAlias = dict[str, Any]
CURRENCIES: Final = tuple(DIGITS)
EXACT: Final = Context(prec=80)


def price_case_of(seed: int) -> Made:
    """A case with the oracle's amount."""
    random = Random(seed)
    price, quantity = priced(random)
    case: Made = {"name": f"random price {seed}", "currency": random.choice(CURRENCIES), "price": price}
    if price["model"] == "percentage":
        case["events"] = values(random, price)
    else:
        case["quantity"] = quantity
        if random.random() < 0.2:
            case["already_billed_quantity"] = random.choice([quantity, amount(random), "0", *bounds(price)])
        if random.random() < 0.3:
            bound_exactly(random, case)
    return case | {"expect": {"amount": price_case(case)}}


def priced(random: Random) -> tuple[Made, str]:
    """A price of any model, and a quantity that is often one of its bounds."""
    price = random.choice(list(MODELS.values()))(random)
    if price["model"] != "percentage":
        if random.random() < 0.25:
            price["unit_conversion"] = conversion(random)
        if random.random() < 0.25:
            price["free_units"] = quantity_of(random)
    if random.random() < 0.2:
        price["discount_percent"] = random.choice(["100", "0", "50", "33.333333", "12.5", "0.001"])
    if random.random() < 0.2:
        low, high = sorted((amount(random), amount(random)), key=exact)
        price["minimum_amount"] = low
        if random.random() < 0.5:
            price["maximum_amount"] = high
    elif random.random() < 0.2:
        price["maximum_amount"] = amount(random)
    return price, random.choice([quantity_of(random), quantity_of(random), *bounds(price), *near(price)])


def bound_exactly(random: Random, case: Made) -> None:
    """Makes the amount before the rounding a half of a minor unit, where a minimum can do so."""
    half = Decimal(5).scaleb(-DIGITS[case["currency"]] - 1, EXACT)
    before = unrounded(case["price"], exact(case["quantity"]), [])
    lowest = Decimal(int(before) + random.randint(0, 3))
    case["price"].pop("maximum_amount", None)
    case["price"]["minimum_amount"] = written(EXACT.add(lowest, half))


def bounds(price: Made) -> list[str]:
    """The quantities at which something changes."""
    tiers = [tier["up_to"] for tier in price.get("tiers", []) if "up_to" in tier]
    converted = price.get("unit_conversion", {}).get("divide_by", "1")
    halves = [written(EXACT.multiply(Decimal(converted), Decimal(half))) for half in ("0.5", "2.5", "7.5")]
    return [
        *tiers,
        *(halves if "unit_conversion" in price else ()),
        *(price[name] for name in ("package_size", "free_units") if name in price),
    ]


def near(price: Made) -> list[str]:
    """The quantities beside them."""
    least = Decimal("0.000000000001")
    return [written(EXACT.add(Decimal(bound), step)) for bound in bounds(price) for step in (least, -least)]


def conversion(random: Random) -> Made:
    """Units of another size."""
    name, by = random.choice(["divide_by", "multiply_by"]), random.choice(["1000", "3", "1024", "0.001", "60", "7.5"])
    rounding = random.choice([None, "none", "up", "down", "half_up"])
    return {name: by} | ({"rounding": rounding} if rounding else {})


def tiers(random: Random, rate: Callable[[Random], Made]) -> list[Made]:
    """One to five tiers, the last without a bound."""
    ups = {exact(up): up for up in (quantity_of(random) for _ in range(random.randint(0, 4)))}
    made = [{"up_to": up} | rate(random) for bound, up in sorted(ups.items()) if bound] + [rate(random)]
    for tier in made:
        if random.random() < 0.4:
            tier["flat_amount"] = amount(random)
    return made


def tiered(random: Random, model: str, rate: Callable[[Random], Made]) -> Made:
    """A price with tiers."""
    price: Made = {"model": model, "tiers": tiers(random, rate)}
    if random.random() < 0.4:
        price["flat_when_zero"] = random.random() < 0.4
    return price


def per_unit_rate(random: Random) -> Made:
    return {"unit_amount": amount(random)}


def percent_rate(random: Random) -> Made:
    return {"rate_percent": percent(random)}


def package(random: Random) -> Made:
    """Whole packages."""
    size = random.choice(["1", "10", "1000", "0.1", "7", "2.5", "0.000001", "1000000"])
    price = {"model": "package", "package_size": size, "package_amount": amount(random)}
    partial = random.choice([None, "up", "down"])
    return price | ({"partial_packages": partial} if partial else {})


def percentage(random: Random) -> Made:
    """A rate of each event."""
    price: Made = {"model": "percentage", "rate_percent": percent(random)}
    if random.random() < 0.5:
        price["per_event_amount"] = amount(random)
    if random.random() < 0.4:
        price["free_events"] = random.randint(0, 5)
    if random.random() < 0.4:
        price["free_amount"] = random.choice(["100", "0", amount(random)])
    low, high = sorted((amount(random), amount(random)), key=exact)
    if random.random() < 0.3:
        price["event_minimum"] = low
    if random.random() < 0.3:
        price["event_maximum"] = high
    return price


def values(random: Random, price: Made) -> list[str]:
    """Events whose sum often is the free amount exactly."""
    found = [amount(random) for _ in range(random.randint(0, 7))]
    if "free_amount" in price and random.random() < 0.5:
        half = EXACT.divide(Decimal(price["free_amount"]), Decimal(2))
        found[:0] = [written(half), written(half)]
    return found


MODELS: Final[Mapping[str, Callable[[Random], Made]]] = {
    "per_unit": lambda random: {"model": "per_unit", "unit_amount": amount(random)},
    "graduated": lambda random: tiered(random, "graduated", per_unit_rate),
    "volume": lambda random: tiered(random, "volume", per_unit_rate),
    "package": package,
    "percentage": percentage,
    "graduated_percentage": lambda random: tiered(random, "graduated_percentage", percent_rate),
    "dynamic": lambda random: {"model": "dynamic", "multiplier": amount(random)},
}


def amount(random: Random) -> str:
    """Zero, halves of cents, prices as people write them, many digits, and huge ones."""
    kind = random.randrange(8)
    if kind == 0:
        return random.choice(["0", "1", "0.5", "0.05", "0.005", "0.0005", "0.00005", "0.015", "2.5"])
    if kind == 1:
        return written(Decimal(random.randrange(10**12)).scaleb(-12))
    if kind == 2:
        return written(Decimal(random.randrange(10**9)).scaleb(-2))
    return written(Decimal(random.randrange(10**5)).scaleb(-random.randint(0, 5)))


def quantity_of(random: Random) -> str:
    """Zero, whole ones, fractions of up to twelve decimals, and huge ones."""
    kind = random.randrange(8)
    if kind == 0:
        return random.choice(["0", "1", "0.5", "10", "1000", "1000000", "0.000000000001", "999999999999"])
    if kind == 1:
        return written(Decimal(random.randrange(10**15)).scaleb(-12))
    if kind == 2:
        return written(Decimal(random.randrange(10**18)).scaleb(-6))
    if kind <= 4:
        return str(random.randrange(200))
    return written(Decimal(random.randrange(10**5)).scaleb(-random.randint(0, 4)))


def percent(random: Random) -> str:
    """Rates up to 100."""
    return random.choice(
        ["0", "1", "2.9", "0.25", "100", "33.3333", written(Decimal(random.randrange(10**6)).scaleb(-4))]
    )


def written(value: Decimal) -> str:
    """Without an exponent."""
    return f"{value:f}"
