"""A smaller story that shows the same disagreement: `python -m tests.oracle.shrink SEED [FEATURE ...]`."""

import sys
from collections.abc import Iterator
from typing import Any

from tests.oracle.features import ALL, Feature
from tests.oracle.product import disagreement, file_text
from tests.oracle.random_stories import generate, without_new_fields
from tests.oracle.story import expected

Case = dict[str, Any]


def shrunk(case: Case) -> Case:
    """The case with everything left out that the disagreement does not need."""
    while True:
        for smaller in _smaller(case):
            if answered := _disputed(smaller, _kind(case)):
                case = answered
                break
        else:
            return case


def _kind(case: Case) -> str:
    """What differs first, by the kind of error or the last name of the field."""
    found = disagreement("scenario", case)
    return found[0].split(":")[0].split("[")[0].split(".")[0] if found else ""


def _disputed(case: Case, kind: str) -> Case | None:
    try:
        case = case | {"expect": without_new_fields(expected(case))}
    except (ArithmeticError, LookupError, AssertionError, ValueError, StopIteration):
        return None  # what is left makes no sense
    return case if kind and _kind(case) == kind else None


def _smaller(case: Case) -> Iterator[Case]:
    timeline, catalog = case["timeline"], case["catalog"]
    for size in (16, 4, 1):
        for place in range(0, len(timeline), size):
            left = [*timeline[:place], *timeline[place + size :]]
            if left:
                yield case | {"timeline": left}
    for kind in ("coupons", "plans", "meters"):
        for one in catalog.get(kind, []):
            yield case | {"catalog": catalog | {kind: [other for other in catalog[kind] if other is not one]}}
    for plan in catalog["plans"]:
        for price in plan["prices"]:
            for changed in (None, *_simpler(price)):
                yield case | {"catalog": catalog | {"plans": _changed(catalog["plans"], plan, price, changed)}}
    if "tax_percent" in case["tenant"]:
        yield case | {"tenant": {name: value for name, value in case["tenant"].items() if name != "tax_percent"}}


def _simpler(price: Case) -> Iterator[Case]:
    for name in price:
        if name not in {"code", "type", "meter", "model", "amount", "package_size"}:
            yield {other: value for other, value in price.items() if other != name}
    plain = {"model": "per_unit", "unit_amount": "1"}
    if price["type"] == "usage" and not plain.items() <= price.items():
        yield {name: price[name] for name in ("code", "type", "meter")} | plain


def _changed(plans: list[Case], plan: Case, price: Case, changed: Case | None) -> list[Case]:
    prices = [changed if one is price else one for one in plan["prices"]]
    return [one | {"prices": [left for left in prices if left]} if one is plan else one for one in plans]


if __name__ == "__main__":
    features = frozenset(map(Feature, sys.argv[2:])) or ALL
    print(file_text("scenario", shrunk(generate(int(sys.argv[1]), features))))  # noqa: T201 - its purpose
