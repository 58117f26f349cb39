"""Reading a price: its bounds, its words, and what a refusal says."""

from decimal import Decimal

import pytest

from billing.errors import InvalidDefinition
from billing.price import Billed, RecurringPrice, UnitRounding
from billing.price_definition import parse_price
from billing.pricing import PartialPackages
from tests.billing.definitions import (
    COMMITMENT,
    DYNAMIC,
    FEE,
    GRADUATED,
    ONE_OFF,
    PACKAGE,
    PERCENT,
    PERCENT_TIERS,
    TIERS,
    UNIT,
    without,
)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (FEE, "a recurring price has no such field; allowed are amount, billed, code, quantity, taxable, type"),
        (ONE_OFF, "a one-off price has no such field; allowed are amount, code, quantity, taxable, type"),
        (COMMITMENT, "a commitment has no such field; allowed are amount, code, taxable, term, type"),
        (
            UNIT,
            (
                "a per_unit price has no such field; allowed are across_groups, code, discount_percent, free_units, "
                "maximum_amount, meter, minimum_amount, model, taxable, type, unit_amount, unit_conversion"
            ),
        ),
    ],
)
def test_a_price_with_an_unknown_field_says_which_are_known(raw: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_price({**raw, "colour": "red"}, "")
    assert str(refused.value) == f"colour: {problem}"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            {**GRADUATED, "tiers": [{"unit_amount": "1", "up_to": "5"}]},
            "tiers[0].up_to: is given for the last tier, which has no end; leave it out there",
        ),
        (
            {**GRADUATED, "tiers": [{"unit_amount": "1", "unit": "k"}]},
            "tiers[0].unit: a tier has no such field; allowed are flat_amount, unit_amount",
        ),
        (
            {**UNIT, "unit_conversion": {"multiply_by": "0"}},
            "unit_conversion.multiply_by: is 0; a decimal above 0, at most 1000000000 is allowed",
        ),
        (
            {**UNIT, "unit_conversion": {"multiply_by": "2", "unit": "k"}},
            "unit_conversion.unit: unit_conversion has no such field; allowed are multiply_by, rounding",
        ),
    ],
)
def test_what_is_wrong_inside_a_price_is_told_with_what_is_allowed(raw: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_price(raw, "")
    assert str(refused.value) == problem


def test_prices_are_written_in_these_words() -> None:
    assert [parse_price({**FEE, "billed": billed}, "") for billed in ("in_advance", "in_arrears")] == [
        RecurringPrice(code="base", amount=Decimal(29), billed=billed)
        for billed in (Billed.IN_ADVANCE, Billed.IN_ARREARS)
    ]
    assert [str(word) for word in (*Billed, *UnitRounding, *PartialPackages)] == [
        *("in_advance", "in_arrears"),
        *("none", "up", "down", "half_up"),
        *("up", "down"),
    ]


@pytest.mark.parametrize(
    ("raw", "field", "most", "beyond"),
    [
        (UNIT, "unit_amount", str(10**15), f"{10**15}.1"),
        (DYNAMIC, "multiplier", str(10**15), f"{10**15}.1"),
        (PACKAGE, "package_amount", str(10**15), f"{10**15}.1"),
        (PACKAGE, "package_size", "0.000000001", "0.0000000009"),
        (PERCENT, "free_events", 10**12, 10**12 + 1),
        (UNIT, "discount_percent", "100", "100.01"),
    ],
)
def test_a_number_may_be_its_bound_and_nothing_beyond_it(
    raw: dict[str, object], field: str, most: object, beyond: object
) -> None:
    parse_price({**raw, field: most}, "")
    with pytest.raises(InvalidDefinition) as refused:
        parse_price({**raw, field: beyond}, "")
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("way", "most", "beyond"),
    [("divide_by", "0.000000001", "0.0000000009"), ("multiply_by", "1000000000", "1000000000.1")],
)
def test_a_conversion_may_be_its_bound_and_nothing_beyond_it(way: str, most: str, beyond: str) -> None:
    parse_price({**UNIT, "unit_conversion": {way: most}}, "")
    with pytest.raises(InvalidDefinition) as refused:
        parse_price({**UNIT, "unit_conversion": {way: beyond}}, "")
    assert refused.value.field == f"unit_conversion.{way}"


@pytest.mark.parametrize("raw", [GRADUATED, PERCENT_TIERS])
def test_a_rate_of_a_tier_may_be_its_bound_and_nothing_beyond_it(raw: dict[str, object]) -> None:
    rate = "unit_amount" if raw is GRADUATED else "rate_percent"
    parse_price({**raw, "tiers": [{rate: str(10**15)}]}, "")
    with pytest.raises(InvalidDefinition) as refused:
        parse_price({**raw, "tiers": [{rate: f"{10**15}.1"}]}, "")
    assert refused.value.field == f"tiers[0].{rate}"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (without(FEE, "type"), "type"),
        ({**FEE, "type": "once"}, "type"),
        (without(FEE, "code"), "code"),
        (without(FEE, "amount"), "amount"),
        ({**FEE, "amount": "-1"}, "amount"),
        ({**FEE, "amount": 29.99}, "amount"),
        ({**FEE, "amount": True}, "amount"),
        ({**FEE, "amount": None}, "amount"),
        ({**FEE, "amount": "1_000"}, "amount"),
        ({**FEE, "amount": "1" * 400}, "amount"),
        ({**FEE, "amount": 10**5000}, "amount"),
        ({**FEE, "quantity": "-1"}, "quantity"),
        ({**FEE, "billed": "weekly"}, "billed"),
        ({**FEE, "billed": 10**5000}, "billed"),
        ({**FEE, "taxable": "no"}, "taxable"),
        ({**FEE, "taxable": 0}, "taxable"),
        ({**FEE, "unit_amount": "1"}, "unit_amount"),
        ({**FEE, "meter": "m"}, "meter"),
        (without(UNIT, "meter"), "meter"),
        (without(UNIT, "model"), "model"),
        ({**UNIT, "model": "flat"}, "model"),
        (without(UNIT, "unit_amount"), "unit_amount"),
        ({**UNIT, "unit_amount": "-1"}, "unit_amount"),
        ({**UNIT, "unit_amount": "NaN"}, "unit_amount"),
        ({**UNIT, "tiers": TIERS}, "tiers"),
        ({**UNIT, "flat_when_zero": True}, "flat_when_zero"),
        ({**UNIT, "currency": "USD"}, "currency"),
        ({**UNIT, "free_units": "-1"}, "free_units"),
        ({**UNIT, "discount_percent": "101"}, "discount_percent"),
        ({**UNIT, "minimum_amount": "-1"}, "minimum_amount"),
        ({**UNIT, "maximum_amount": 1.5}, "maximum_amount"),
        ({**UNIT, "free_events": 3}, "free_events"),
        ({**UNIT, "unit_conversion": "1000"}, "unit_conversion"),
        ({**UNIT, "unit_conversion": {}}, "unit_conversion.divide_by"),
        ({**UNIT, "unit_conversion": {"divide_by": "2", "multiply_by": "2"}}, "unit_conversion.divide_by"),
        ({**UNIT, "unit_conversion": {"divide_by": "0"}}, "unit_conversion.divide_by"),
        ({**UNIT, "unit_conversion": {"multiply_by": "-1"}}, "unit_conversion.multiply_by"),
        ({**UNIT, "unit_conversion": {"divide_by": "2", "rounding": "even"}}, "unit_conversion.rounding"),
        ({**UNIT, "unit_conversion": {"divide_by": "2", "unit": "k"}}, "unit_conversion.unit"),
        (without(GRADUATED, "tiers"), "tiers"),
        ({**GRADUATED, "tiers": []}, "tiers"),
        ({**GRADUATED, "tiers": {"unit_amount": "1"}}, "tiers"),
        ({**GRADUATED, "tiers": ["1"]}, "tiers[0]"),
        ({**GRADUATED, "tiers": [TIERS[0], TIERS[0]]}, "tiers[1].up_to"),
        ({**GRADUATED, "tiers": [TIERS[1], TIERS[1]]}, "tiers[0].up_to"),
        ({**GRADUATED, "tiers": [TIERS[0], TIERS[0], TIERS[1]]}, "tiers[1].up_to"),
        ({**GRADUATED, "tiers": [{"up_to": "0", "unit_amount": "1"}, TIERS[1]]}, "tiers[0].up_to"),
        ({**GRADUATED, "tiers": [{"unit_amount": "1", "up_to": None}]}, "tiers[0].up_to"),
        ({**GRADUATED, "tiers": [{}]}, "tiers[0].unit_amount"),
        ({**GRADUATED, "tiers": [{"unit_amount": "-1"}]}, "tiers[0].unit_amount"),
        ({**GRADUATED, "tiers": [{"unit_amount": "1", "flat_amount": "-1"}]}, "tiers[0].flat_amount"),
        ({**GRADUATED, "tiers": [{"unit_amount": "1", "rate_percent": "1"}]}, "tiers[0].rate_percent"),
        ({**GRADUATED, "tiers": [TIERS[1]] * 1001}, "tiers"),
        ({**GRADUATED, "unit_amount": "1"}, "unit_amount"),
        ({**GRADUATED, "model": "graduated_percentage"}, "tiers[0].rate_percent"),
        ({**PACKAGE, "package_size": "0"}, "package_size"),
        ({**PACKAGE, "package_size": "-10"}, "package_size"),
        (without(PACKAGE, "package_amount"), "package_amount"),
        ({**PACKAGE, "partial_packages": "half"}, "partial_packages"),
        (without(PERCENT, "rate_percent"), "rate_percent"),
        ({**PERCENT, "free_events": "1.5"}, "free_events"),
        ({**PERCENT, "free_events": -1}, "free_events"),
        ({**PERCENT, "free_amount": "-1"}, "free_amount"),
        ({**PERCENT, "event_minimum": "5", "event_maximum": "4"}, "event_minimum"),
        ({**PERCENT, "free_units": "1"}, "free_units"),
        ({**PERCENT, "unit_conversion": {"divide_by": "2"}}, "unit_conversion"),
        ({**without(UNIT, "unit_amount"), "model": "dynamic"}, "multiplier"),
        ({**UNIT, "across_groups": "yes"}, "across_groups"),
        ({**PERCENT, "across_groups": True}, "across_groups"),
        (without(ONE_OFF, "amount"), "amount"),
        ({**ONE_OFF, "quantity": "-1"}, "quantity"),
        ({**ONE_OFF, "billed": "in_arrears"}, "billed"),
        (without(COMMITMENT, "amount"), "amount"),
        ({**COMMITMENT, "term": "P1"}, "term"),
        ({**COMMITMENT, "term": 12}, "term"),
        ({**COMMITMENT, "quantity": "1"}, "quantity"),
    ],
)
def test_a_wrong_price_is_refused_with_the_path_of_the_field(raw: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_price(raw, "prices[2]")
    assert refusal.value.field == f"prices[2].{field}"
    assert str(refusal.value).startswith(f"prices[2].{field}: ")
    assert len(str(refusal.value)) < 300
