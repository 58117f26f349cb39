"""The oracle obeys the norm itself, and the project's own cases: every case of every file comes out as expected."""

from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.oracle.meters import Event, matches, measured, once
from tests.oracle.numbers import exact, instant, quantity_text, spread
from tests.oracle.periods import boundary
from tests.oracle.prices import price_case
from tests.oracle.story import expected

FILES = sorted((Path(__file__).parents[1] / "conformance").glob("*/*.yaml"))


def cases(kind: str) -> list[Any]:
    contents = [(file, yaml.safe_load(file.read_text(encoding="utf-8"))) for file in FILES]
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file, content in contents
        if content["kind"] == kind
        for case in content["cases"]
    ]


def test_all_files_are_there() -> None:
    assert {file.stem for file in FILES} >= {"prices", "meters", "periods", "scenarios", "stories"}


@pytest.mark.parametrize("case", cases("price"))
def test_a_price_of_the_norm(case: Any) -> None:
    assert normal(price_case(case)) == normal(case["expect"]["amount"])


@pytest.mark.parametrize("case", cases("meter"))
def test_a_meter_of_the_norm(case: Any) -> None:
    meter, (start, end) = case["meter"] | {"event": "x"}, map(instant, case["window"])
    events = [Event(raw["id"], "c", "x", instant(raw["timestamp"]), raw["properties"], start) for raw in case["events"]]
    inside = [event for event in once(events) if start <= event.at < end and matches(meter, event)]
    carried = exact(case["carried"]) if "carried" in case else None
    assert quantity_text(measured(meter, inside, (start, end), carried)) == case["expect"]["quantity"]


@pytest.mark.parametrize("case", cases("period"))
def test_a_period_of_the_norm(case: Any) -> None:
    found = {
        name: boundary(instant(case["anchor"]), case["billing_period"], ZoneInfo(case["timezone"]), case["index"] + n)
        for n, name in enumerate(("start", "end"))
    }
    assert found == {name: instant(text) for name, text in case["expect"].items()}


@pytest.mark.parametrize("case", cases("scenario"))
def test_a_scenario_of_the_norm(case: Any) -> None:
    assert narrowed(normal(expected(case)), case["expect"]) == normal(case["expect"])


def narrowed(found: Any, wanted: Any) -> Any:
    """What was found, with only the fields that are wanted."""
    if isinstance(wanted, dict):
        return {name: narrowed(found[name], value) for name, value in wanted.items()}
    if isinstance(wanted, list):
        assert len(found) == len(wanted), found
        return [narrowed(*both) for both in zip(found, wanted, strict=True)]
    return found


def normal(value: Any) -> Any:
    """Equal values may be written differently."""
    if isinstance(value, dict):
        return {name: normal(one) for name, one in value.items()}
    if isinstance(value, list):
        return [normal(one) for one in value]
    for read in (Fraction, datetime.fromisoformat):
        try:
            return read(str(value))
        except ValueError:
            continue
    return value


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (5, [0, 0], [5, 0]),
        (1, [1, 3, 3], [0, 1, 0]),
        (0, [1], [0]),
    ],
)
def test_a_spread_is_exact_and_gives_the_rest_to_the_largest_remainders(
    amount: int, weights: list[int], shares: list[int]
) -> None:
    assert spread(amount, [Fraction(weight) for weight in weights]) == shares
