"""The product bills random stories as the oracle does. BEAAS_ORACLE_SEED has other stories drawn.

A failure prints the story. What of it matters is printed by `python -m tests.oracle.shrink SEED`.
"""

import pytest

from tests.oracle.features import ALL, NORM, Feature
from tests.oracle.product import check, seeds
from tests.oracle.random_stories import generate


@pytest.mark.parametrize("chunk", seeds(400, chunks=4), ids=str)
def test_random_stories_of_what_the_norm_has_end_as_the_oracle_says(chunk: range) -> None:
    for seed in chunk:
        check("scenario", generate(seed, NORM), seed)


@pytest.mark.parametrize("chunk", seeds(1_600, chunks=16), ids=str)
def test_random_stories_of_everything_end_as_the_oracle_says(chunk: range) -> None:
    for seed in chunk:
        check("scenario", generate(seed, ALL), seed)


@pytest.mark.parametrize("feature", sorted(ALL), ids=str)
def test_a_story_is_made_without_what_is_switched_off(feature: Feature) -> None:
    for seed in range(3):
        check("scenario", generate(seed, ALL - {feature}), seed)
        check("scenario", generate(seed, frozenset({feature})), seed)


def test_the_stories_have_everything() -> None:
    made = [generate(seed) for seed in range(40)]
    actions = {name for story in made for entry in story["timeline"] for name in entry}
    lines = [line for story in made for invoice in story["expect"]["invoices"] for line in invoice["lines"]]
    prices = [price for story in made for plan in story["catalog"]["plans"] for price in plan["prices"]]
    assert actions == {
        *("at", "subscribe", "usage", "void_usage", "change_plan", "cancel", "grant_credit", "pause", "resume"),
        *("change_quantity", "add_charge", "apply_coupon", "remove_coupon", "change_zone"),
    }
    assert {line["kind"] for line in lines} == {"adjustment", "unused_fee", "usage", "true_up", "fee", "charge"}
    assert {price["type"] for price in prices} == {"usage", "recurring", "one_off", "commitment"}
    assert {price["model"] for price in prices if "model" in price} == {
        *("per_unit", "graduated", "volume", "package", "percentage", "graduated_percentage", "dynamic")
    }
    assert any(float(line["discount"]) < 0 for line in lines)
    assert len({line["group"].get("region") for line in lines}) == 4
