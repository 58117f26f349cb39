"""Claims about what a file may offer beside fees and usage: one-off prices, commitments, whole-plan tiers, coupons."""

import pytest

from billing.coupon import MOST_PERIODS
from connectors.catalogue_file import BadFile, Coupon, Definition, Problem, parse_catalogue
from connectors.catalogue_file.definitions import LONGEST_COUPON_CHARS
from connectors.catalogue_file.model import MOST_COUPONS, CouponCode

GOOD = """\
tenants:
- code: T
  currency: USD
  timezone: UTC
  meters:
  - {code: calls, event: call, aggregation: sum, property: n, group_by: [region]}
  - {code: seats, event: seat, aggregation: latest, property: n, group_by: [team], carry_over: true}
  - {code: hits, event: hit, aggregation: count}
  plans:
  - code: pro
    billing_period: P2W
    prices:
    - {code: setup, type: one_off, amount: '100.00', taxable: false}
    - {code: least, type: commitment, amount: '500', term: P28D}
    - {code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '0.01', across_groups: true}
    - {code: cut, type: usage, meter: calls, model: percentage, rate_percent: '1'}
    - {code: hits, type: usage, meter: hits, model: per_unit, unit_amount: '0.01'}
  coupons:
  - {code: TENTH, percent_off: 10.50, prices: [calls, setup]}
  - {code: FIVE, amount_off: '5.00', periods: 3}
  - {code: MANY, percent_off: '1', periods: 10000}
  customers: [{code: c}]
  subscriptions:
  - {code: s, customer: c, plan: pro, start: '2026-01-01T00:00:00Z', coupons: [FIVE, TENTH]}
"""
PLAN = "tenants[0].plans[0].prices"


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(BadFile) as refusal:
        parse_catalogue(text.encode(), "catalog.yaml")
    return list(refusal.value.problems)


def test_coupons_are_read_as_they_are_written_and_a_subscription_names_its_own_in_order() -> None:
    (tenant,) = parse_catalogue(GOOD.encode(), "catalog.yaml").tenants
    assert tenant.coupons == (
        Coupon(CouponCode("TENTH"), Definition('{"code":"TENTH","percent_off":"10.50","prices":["calls","setup"]}')),
        Coupon(CouponCode("FIVE"), Definition('{"amount_off":"5.00","code":"FIVE","periods":"3"}')),
        Coupon(CouponCode("MANY"), Definition('{"code":"MANY","percent_off":"1","periods":"10000"}')),
    )
    assert [subscription.coupons for subscription in tenant.subscriptions] == [("FIVE", "TENTH")]


def test_the_new_prices_are_read_as_they_are_written() -> None:
    (tenant,) = parse_catalogue(GOOD.encode(), "catalog.yaml").tenants
    assert tenant.plans[0].prices[:3] == (
        '{"amount":"100.00","code":"setup","taxable":false,"type":"one_off"}',
        '{"amount":"500","code":"least","term":"P28D","type":"commitment"}',
        '{"across_groups":true,"code":"calls","meter":"calls","model":"per_unit","type":"usage","unit_amount":"0.01"}',
    )


BAD = {
    "a one-off price with a period": (
        "'100.00', ", "'100.00', billed: in_advance, ", 13, f"{PLAN}[0].billed", "no such"),
    "a one-off price without an amount": ("amount: '100.00', ", "", 13, f"{PLAN}[0].amount", "is missing"),
    "a kind of price that there is not": ("one_off", "once", 13, f"{PLAN}[0].type", "one_off, commitment"),
    "a term of broken periods": ("P28D", "P3W", 14, f"{PLAN}[1].term", "a whole multiple of the billing period, P2W"),
    "a term of months of weeks": ("P28D", "P1M", 14, f"{PLAN}[1].term", "a whole multiple of the billing period, P2W"),
    "a term that is none": ("P28D", "28 days", 14, f"{PLAN}[1].term", "is no period"),
    "a commitment that owes tax maybe": ("term: P28D", "taxable: maybe", 14, f"{PLAN}[1].taxable", "true or false"),
    "tiers over groups that there are none of": (
        "meter: hits, model: per_unit,",
        "meter: hits, model: per_unit, across_groups: true,",
        17,
        f"{PLAN}[4].across_groups",
        "'hits' has no groups; a meter with group_by",
    ),
    "tiers over carried last values": (
        "meter: calls, model: per_unit,",
        "meter: seats, model: per_unit,",
        15,
        f"{PLAN}[2].across_groups",
        "leave one of the two out",
    ),
    "tiers over groups of a percentage": ("'1'}\n    - {code: h", "'1', across_groups: true}\n    - {code: h", 16,
        f"{PLAN}[3].across_groups", ""),
    "a percentage of a count": ("meter: calls, model: percentage", "meter: hits, model: percentage", 16,
        f"{PLAN}[3].meter", "prices the events of a meter that sums, 'hits' is count"),
    "a text for a flag": ("across_groups: true", "across_groups: 'true'", 15, f"{PLAN}[2].across_groups", "true or"),
    "a coupon of both": (
        "10.50,", "10.50, amount_off: 1,", 19, "tenants[0].coupons[0].percent_off", "one of percent_off"),
    "a coupon of nothing": (
        "percent_off: 10.50, ", "", 19, "tenants[0].coupons[0].percent_off", "one of percent_off"),
    "more than all off": ("10.50", "100.1", 19, "tenants[0].coupons[0].percent_off", "at most 100 is allowed"),
    "nothing off": ("10.50", "0", 19, "tenants[0].coupons[0].percent_off", "above 0"),
    "less than nothing off": ("'5.00'", "-5", 20, "tenants[0].coupons[1].amount_off", "above 0"),
    "more digits than the currency has": ("'5.00'", "'5.001'", 20, "tenants[0].coupons[1].amount_off", "USD"),
    "no periods": ("periods: 3", "periods: 0", 20, "tenants[0].coupons[1].periods", "at least 1"),
    "periods that are none": ("periods: 3", "periods: '3.5'", 20, "tenants[0].coupons[1].periods", "a whole number"),
    "too many periods": ("10000", str(MOST_PERIODS + 1), 21, "tenants[0].coupons[2].periods", "at most 10000"),
    "an unknown field of a coupon": ("periods: 3", "period: 3", 20, "tenants[0].coupons[1].period", "no such field"),
    "a coupon twice": ("code: FIVE", "code: TENTH", 20, "tenants[0].coupons[1].code", "stands twice, first in line 19"),
    "a coupon without a name": ("code: FIVE", "code: 'F/5'", 20, "tenants[0].coupons[1].code", "is no code"),
    "a price twice in a coupon": ("[calls, setup]", "[calls, calls]", 19, "tenants[0].coupons[0].prices", "twice"),
    "an unknown coupon": (
        "[FIVE, TENTH]", "[FIVE, SIX]", 24, "tenants[0].subscriptions[0].coupons", "'SIX' is no coupon"),
    "one coupon twice": ("[FIVE, TENTH]", "[FIVE, FIVE]", 24, "tenants[0].subscriptions[0].coupons", "'FIVE' twice"),
    "a coupon that is a mapping": ("[FIVE, TENTH]", "[FIVE, {code: TENTH}]", 24,
        "tenants[0].subscriptions[0].coupons[1]", "is a mapping; a text is expected"),
    "coupons that are no list": (
        "[FIVE, TENTH]", "FIVE", 24, "tenants[0].subscriptions[0].coupons", "a list is expected"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "field", "text"), BAD.values(), ids=BAD)
def test_a_bad_offer_is_refused_with_line_field_and_what_is_allowed(
    old: str, new: str, line: int, field: str, text: str
) -> None:
    assert GOOD.count(old) == 1
    told = {(problem.line, problem.field): problem.text for problem in problems_of(GOOD.replace(old, new))}
    assert text in told[line, field]


def test_a_coupon_that_ends_after_the_last_calendar_is_refused() -> None:
    text = GOOD.replace("P2W", "P14D").replace("P28D", "P280D").replace("[FIVE, TENTH]", "[MANY]")
    assert len(parse_catalogue(text.encode(), "f").tenants) == 1
    (problem,) = problems_of(text.replace("P14D", "P1Y").replace("P280D", "P2Y"))
    assert (problem.field, problem.line) == ("tenants[0].subscriptions[0].coupons", 24)
    assert "leave the years 1 to 9999" in problem.text


def with_coupons(count: int) -> str:
    coupons = "".join(f"  - {{code: C{number}, percent_off: 1}}\n" for number in range(count))
    codes = ", ".join(f"C{number}" for number in range(count))
    return GOOD.replace("  customers:", coupons + "  customers:").replace("[FIVE, TENTH]", f"[{codes}]")


def test_a_subscription_has_as_many_coupons_as_may_travel_with_it() -> None:
    assert len(parse_catalogue(with_coupons(MOST_COUPONS).encode(), "f").tenants) == 1
    (problem,) = problems_of(with_coupons(MOST_COUPONS + 1))
    assert problem.text == f"has {MOST_COUPONS + 1} codes; at most {MOST_COUPONS} are allowed"


def test_a_coupon_is_small_enough_to_travel_with_a_subscription() -> None:
    prices = ", ".join(f"p{number}{'x' * 60}" for number in range(300))
    (problem,) = problems_of(GOOD.replace("[calls, setup]", f"[{prices}]"))
    assert problem.field == "tenants[0].coupons[0]"
    assert f"at most {LONGEST_COUPON_CHARS}" in problem.text
