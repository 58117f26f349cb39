"""The steps of a price sum to what it charges, since they are noted by the calculation itself."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from billing import pricing
from billing.currency import currency
from billing.money import round_to_minor
from billing.price import UsagePrice, amount, charge, steps
from billing.price_definition import parse_price
from billing.pricing import Percentage
from billing.quantity import parse_quantity
from billing.step import Step, StepKind
from tests.oracle.product import seeds
from tests.oracle.random_prices import price_case_of, priced, values

MONEY = currency("USD")


def price_of(raw: dict[str, object]) -> UsagePrice:
    price = parse_price({"code": "price", "type": "usage", "meter": "meter", **raw}, "price")
    assert isinstance(price, UsagePrice)
    return price


def asked(seed: int) -> tuple[UsagePrice, Decimal, list[Decimal] | None]:
    """A random price, and what it is asked for."""
    random = Random(seed)
    raw, quantity = priced(random)
    price = price_of(raw)
    if not isinstance(price.pricing, Percentage):
        return price, parse_quantity(quantity), None
    events = [parse_quantity(value) for value in values(random, raw)]
    return price, sum(events, Decimal(0)), events


def check(seed: int) -> set[StepKind]:
    price, quantity, events = asked(seed)
    noted = steps(price, quantity, events)
    owed = sum((Fraction(step.amount) for step in noted), Fraction(0))
    assert owed == Fraction(amount(price, quantity, events)), (seed, noted)
    assert round_to_minor(owed, MONEY) == charge(price, quantity, MONEY, events)
    return {step.kind for step in noted}


@pytest.mark.parametrize("chunk", seeds(8_000, chunks=4), ids=str)
def test_the_steps_of_random_prices_sum_to_what_is_charged_before_it_is_rounded(chunk: range) -> None:
    kinds = {kind for seed in chunk for kind in check(seed)}
    assert kinds >= set(StepKind) - {StepKind.PERCENT}


def test_the_law_sees_a_step_that_is_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pricing._graduated

    def forgetful(tiers, q, note):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - a planted bug
        noted: list[Step] = []
        owed = whole(tiers, q, noted.append)
        for step in noted[1:] if note is not None else ():
            note(step)
        return owed

    monkeypatch.setattr(pricing, "_graduated", forgetful)
    with pytest.raises(AssertionError):
        list(map(check, range(200)))


def test_each_step_says_which_units_it_prices_and_at_what() -> None:
    price = price_of(
        {
            "model": "graduated",
            "tiers": [{"up_to": "10", "unit_amount": "2"}, {"unit_amount": "1.5", "flat_amount": "3"}],
            "unit_conversion": {"divide_by": "1000", "rounding": "up"},
            "free_units": "2",
            "discount_percent": "10",
            "minimum_amount": "40",
        }
    )
    assert steps(price, Decimal(16_400)) == [
        Step(StepKind.CONVERTED, units=Decimal(17), rate=Decimal(1), size=Decimal(1000)),
        Step(StepKind.FREE_UNITS, units=Decimal(2), size=Decimal(2)),
        Step(StepKind.TIER, Decimal(20), Decimal(10), Decimal(2), Decimal(0), Decimal(0), Decimal(10)),
        Step(StepKind.TIER, Decimal("10.5"), Decimal(5), Decimal("1.5"), Decimal(3), Decimal(10), None),
        Step(StepKind.DISCOUNT, Decimal("-3.05"), Decimal("30.5"), Decimal(10)),
        Step(StepKind.MINIMUM, Decimal("12.55"), Decimal("27.45"), flat=Decimal(40)),
    ]


def test_a_case_of_the_norm_prices_the_same_with_and_without_its_steps() -> None:
    case = price_case_of(7)
    price = price_of(case["price"])
    quantity = parse_quantity(case.get("quantity", "0"))
    events = [parse_quantity(value) for value in case["events"]] if "events" in case else None
    noted: list[Step] = []
    assert amount(price, quantity, events, noted.append) == amount(price, quantity, events)
    assert noted == steps(price, quantity, events)
