"""Terms that an account takes, the texts of those that it refuses, and the line of a fee."""

from decimal import Decimal

import pytest

from billing.account.tariff import tariff, written
from billing.entry import Terms
from billing.errors import InvalidDefinition
from billing.statement import Line, LineKind
from tests.billing.journal import SUM, fee, per_unit, terms, us


def refusal(agreed: Terms) -> tuple[str, str]:
    """The field of refused terms, and what is wrong with it."""
    with pytest.raises(InvalidDefinition) as refused:
        tariff(written(agreed))
    return refused.value.field, refused.value.problem


def test_each_price_has_a_code_of_its_own() -> None:
    assert refusal(terms(fee("base"), fee("more"), per_unit("base"))) == (
        "prices",
        "two prices have the same code; each needs its own",
    )


def test_each_meter_has_a_code_of_its_own() -> None:
    assert refusal(terms(fee(), meters=[SUM, {**SUM, "event": "y"}])) == (
        "meters",
        "two meters have the same code; each needs its own",
    )


@pytest.mark.parametrize(
    ("meters", "known"), [([], "none"), (["n"], "n"), (["n", "o"], "n, o")], ids=["none", "one", "two"]
)
def test_a_price_of_an_unknown_meter_is_told_which_there_are(meters: list[str], known: str) -> None:
    agreed = terms(fee(), per_unit(), meters=[{**SUM, "code": code} for code in meters])
    assert refusal(agreed) == ("prices[1].meter", f"there is no meter 'm'; the terms have {known}")


@pytest.mark.parametrize(
    ("percent", "problem"),
    [
        ("x", "'x' is no decimal number such as '12.5'"),
        ("-0.5", "is -0.5; 0 or more is allowed"),
        ("-1", "is -1; 0 or more is allowed"),
        ("-19", "is -19; 0 or more is allowed"),
    ],
)
def test_a_tax_is_a_number_of_percent_from_0_on(percent: str, problem: str) -> None:
    assert refusal(terms(fee(), tax_percent=percent)) == ("tax_percent", problem)


@pytest.mark.parametrize("percent", ["0", "0.5", "19"])
def test_a_tax_of_0_percent_or_more_is_taken(percent: str) -> None:
    agreed = terms(fee(), tax_percent=percent)
    assert tariff(written(agreed)).terms == agreed


@pytest.mark.parametrize(
    ("kind", "amount_minor"), [(LineKind.FEE, 4000), (LineKind.UNUSED_FEE, -4000)], ids=["owed", "given back"]
)
def test_a_fee_is_a_line_of_the_time_served_without_events(kind: LineKind, amount_minor: int) -> None:
    priced = tariff(written(terms(fee("base", "31.00", taxable=False))))
    base = priced.fee("base")
    assert base is not None
    start_us, end_us = us("2026-01-12"), us("2026-02-01")
    assert priced.fee_line(kind, base, Decimal("2.00"), us("2026-01-01"), start_us, end_us) == Line(
        kind=kind,
        price="base",
        group={},
        quantity="2",
        amount_minor=amount_minor,
        period_start_us=start_us,
        period_end_us=end_us,
        taxable=False,
        events=0,
    )
