"""The comparison sees a wrong rule: each of these, planted into the oracle, has one of a few random cases disagree."""

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from itertools import islice
from math import floor
from typing import Any, Final

import pytest

from tests.oracle import numbers, prices, usage
from tests.oracle.commitments import Term
from tests.oracle.coupons import Applied, Discounts
from tests.oracle.credit import Credit
from tests.oracle.numbers import Raw, number
from tests.oracle.periods import Grid, boundary
from tests.oracle.product import disagreement
from tests.oracle.random_prices import price_case_of
from tests.oracle.random_stories import generate
from tests.oracle.subscription import Subscription

in_force, pay, in_arrears, counted = Applied.in_force, Credit.pay, Subscription.arrears, Term.counted


def half_up(value: Fraction) -> int:
    """Rounds -0.5 to 0."""
    return floor(value + Fraction(1, 2))


def exclusive_bounds(price: Raw, quantity: Fraction) -> Fraction:
    """A quantity at a tier's bound is in the tier above."""
    tier = next(tier for tier in price["tiers"] if "up_to" not in tier or number(tier, "up_to") > quantity)
    flat = number(tier, "flat_amount") if quantity or price.get("flat_when_zero", True) else Fraction(0)
    return quantity * number(tier, "unit_amount") + flat


def free_again(price: Raw, read: list[Fraction]) -> Fraction:
    """The event that crosses the free amount pays all of its rate."""
    whole = {name: value for name, value in price.items() if name != "free_amount"}
    return percentage(price, read) if "free_events" in price else percentage(whole, read)


percentage = prices.percentage
PRICES: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "half to even": lambda plant: plant.setattr(numbers, "half_away", round),
    "exclusive bounds": lambda plant: plant.setitem(prices.MODELS, "volume", exclusive_bounds),
    "units half to even": lambda plant: plant.setitem(prices.ROUNDINGS, "half_up", round),
    "no part of an event is free": lambda plant: plant.setattr(prices, "percentage", free_again),
}


def ends_early(applied: Applied, line: Any) -> bool:
    """A coupon's last period has no usage."""
    return in_force(applied, line) and (applied.end is None or line.ended_at is None or line.ended_at < applied.end)


def as_granted(credit: Credit, total: int, now: datetime) -> int:
    """Credit burns in order of arrival."""
    for grant in credit.grants:
        grant.priority = 0
    return pay(credit, total, now)


def in_one_line(subscription: Subscription, window: Any) -> Any:
    """A fee in arrears is of its last quantity."""
    return islice(in_arrears(subscription, window), 1)


def the_first_has_the_rest(amount: int, weights: list[Fraction]) -> list[int]:
    """No largest remainder."""
    shares = [floor(amount * weight / (sum(weights) or 1)) for weight in weights]
    return [shares[0] + amount - sum(shares), *shares[1:]]


def where_it_was(grid: Grid, period: str, n: int) -> datetime:
    """A change of the zone moves nothing."""
    return boundary(grid.anchor, period, grid.zone, n)


STORIES: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "each line half to even": lambda plant: plant.setattr(numbers, "half_away", round),
    "half up below zero": lambda plant: plant.setattr(numbers, "half_away", half_up),
    "late usage is lost": lambda plant: plant.setattr(Subscription, "adjusted_usage", lambda *_: ()),
    "levels start again": lambda plant: plant.setattr(usage, "level", lambda *_: None),
    "groups share otherwise": lambda plant: plant.setattr(usage, "spread", the_first_has_the_rest),
    "credit as it was granted": lambda plant: plant.setattr(Credit, "pay", as_granted),
    "a zone that moves nothing": lambda plant: plant.setattr(Grid, "boundary", where_it_was),
    "one-off prices again and again": lambda plant: plant.setattr(Subscription, "once_billed", lambda _: set()),
    "one quantity in arrears": lambda plant: plant.setattr(Subscription, "arrears", in_one_line),
    "coupons end before the close": lambda plant: plant.setattr(Applied, "in_force", ends_early),
    "amount coupons give nothing": lambda plant: plant.setattr(Discounts, "_take_amount_off", lambda *_: None),
    "commitments of whole terms": lambda plant: plant.setattr(
        Term, "committed", lambda term, digits: numbers.minor(number(term.price, "amount"), digits)
    ),
    "fees do not count for commitments": lambda plant: plant.setattr(
        Term, "counted", lambda term, lines: counted(term, [line for line in lines if line.kind != "fee"])
    ),
}


@pytest.mark.parametrize("bug", PRICES)
def test_a_wrong_price_is_seen(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PRICES[bug](monkeypatch)
    assert any(disagreement("price", price_case_of(seed)) for seed in range(3_000))


@pytest.mark.parametrize("bug", STORIES)
def test_a_wrong_story_is_seen(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    STORIES[bug](monkeypatch)
    assert any(disagreement("scenario", generate(seed)) for seed in range(200))


def test_a_wrong_field_is_seen() -> None:
    """Each field of an invoice and of a line is compared."""
    story = generate(1)
    for invoice in story["expect"]["invoices"][:2]:
        for fields in (invoice, invoice["lines"][0]):
            for name in set(fields) - {"lines"}:
                right = fields[name]
                fields[name] = wrong(right)
                assert disagreement("scenario", story), name
                fields[name] = right
    assert not disagreement("scenario", story)


def wrong(right: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(right, bool):
        return not right
    if isinstance(right, dict):
        return right | {"another": "x"}
    if right in {"usage", "fee", "unused_fee", "adjustment", "true_up", "charge"}:
        return "fee" if right == "usage" else "usage"
    return right.replace("2026", "2025") if right.startswith("20") and "T" in right else f"{right}1"
