"""Every case of our own, and that what they use of the format can fail."""

from pathlib import Path

import pytest

from streams.conformance import InvalidCase, Scenario, read_file, run_files
from streams.conformance.case import Case
from streams.conformance.run import Result, differences

OWN = Path(__file__).parent / "own"
FILES = sorted(OWN.glob("*.yaml"))
CASES = [(path.name, case) for path in FILES for case in read_file(path)]

STORY = """
kind: scenario
cases:
- name: one
  tenant: {currency: USD}
  catalog:
    meters: [{code: calls, event: call, aggregation: count}]
    coupons: [{code: half, percent_off: '50', periods: 1, prices: [base]}, {code: gift, amount_off: '1.00'}]
    plans:
    - code: p
      billing_period: P1M
      prices: [{code: base, type: recurring, amount: '9.00'}, {code: calls, type: usage, meter: calls, model: per_unit,
                unit_amount: '1'}]
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p, coupons: [half],
     trial_end: '2026-01-01T12:00:00Z'}}
  - {at: '2026-01-02T00:00:00Z', change_quantity: {subscription: s1, price: base, quantity: '2'}}
  - {at: '2026-01-02T00:00:00Z', add_charge: {subscription: s1, code: visit, amount: '2.00', quantity: '3',
     taxable: false, at_once: true}}
  - {at: '2026-01-02T00:00:00Z', usage: {id: a, customer: c1, subscription: s1, event: call}}
  - {at: '2026-01-02T00:00:00Z', apply_coupon: {subscription: s1, coupon: gift}}
  - {at: '2026-01-02T00:00:00Z', remove_coupon: {subscription: s1, coupon: gift}}
  - {at: '2026-01-02T00:00:00Z', change_zone: {timezone: Europe/Berlin}}
  - {at: '2026-01-03T00:00:00Z', pause: {subscription: s1}}
  - {at: '2026-01-04T00:00:00Z', resume: {subscription: s1}}
  expect:
    invoices:
    # 9.00 x 30.5/31 = 8.8548... -> 8.85, of which 4.425 -> 4.43
    - {issued_at: '2026-01-01T12:00:00Z', lines: [{kind: fee, amount: '4.42', discount: '4.43'}]}
    - {issued_at: '2026-01-02T00:00:00Z', lines: [{kind: unused_fee}, {kind: fee}]}
    - {issued_at: '2026-01-02T00:00:00Z', total: '6.00', lines: [{kind: charge, quantity: '3'}]}
    - {issued_at: '2026-01-03T00:00:00Z', lines: [{kind: unused_fee}, {kind: usage, quantity: '1'}]}
    - {issued_at: '2026-01-04T00:00:00Z', lines: [{kind: fee, end: '2026-02-01T00:00:00Z'}]}
"""


def run(tmp_path: Path, text: str) -> Result:
    (tmp_path / "case.yaml").write_text(text)
    (result,) = run_files([tmp_path / "case.yaml"]).results
    return result


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}: {case.name}") for name, case in CASES])
def test_a_case_of_our_own_comes_out_as_expected(case: Case) -> None:
    assert list(differences(case)) == []


def test_every_case_has_a_name_of_its_own_in_its_file_and_expects_something() -> None:
    assert len({(name, case.name) for name, case in CASES}) == len(CASES)
    assert all(case.expect.invoices is not None for _, case in CASES if isinstance(case, Scenario))


def test_the_story_that_is_spoilt_below_passes_as_it_is(tmp_path: Path) -> None:
    assert run(tmp_path, STORY).differences == ()


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("discount: '4.43'", "discount: '4.42'", "invoices[0].lines[0].discount: expected 4.42, got 4.43"),
        ("{kind: fee, amount", "{kind: charge, amount", "invoices[0].lines[0].kind: expected charge, got fee"),
    ],
)
def test_a_planted_difference_in_a_kind_or_a_discount_fails(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert STORY.count(right) == 1
    assert run(tmp_path, STORY.replace(right, wrong)).differences == (told,)


@pytest.mark.parametrize(
    "action",
    ["pause", "resume", "change_quantity", "add_charge", "apply_coupon", "remove_coupon", "change_zone"],
)
def test_an_action_that_is_misspelt_is_refused(tmp_path: Path, action: str) -> None:
    assert f", {action}: {{" in STORY
    with pytest.raises(InvalidCase) as refused:
        run(tmp_path, STORY.replace(f", {action}: {{", f", {action}s: {{"))
    assert f"case.yaml: case 1 (one): Object contains unknown field `{action}s`" in str(refused.value)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("pause: {", "pause: {until: x, ", "unknown field `until` - at `$.timeline[7].pause`"),
        ("resume: {", "resume: {at: x, ", "unknown field `at` - at `$.timeline[8].resume`"),
        ("price: base, quantity", "code: base, quantity", "unknown field `code` - at `$.timeline[1].change_quantity`"),
        ("at_once: true", "now: true", "unknown field `now` - at `$.timeline[2].add_charge`"),
        ("apply_coupon: {subscription: s1, coupon", "apply_coupon: {subscription: s1, code", "unknown field `code`"),
        ("remove_coupon: {subscription: s1, coupon", "remove_coupon: {subscription: s1, code", "unknown field `code`"),
        ("{timezone: Europe/Berlin}", "{zone: Europe/Berlin}", "unknown field `zone` - at `$.timeline[6].change_zone`"),
        ("trial_end:", "trial:", "unknown field `trial` - at `$.timeline[0].subscribe`"),
        ("c1, subscription: s1, event", "c1, subscriptions: s1, event", "unknown field `subscriptions`"),
        ("kind: charge, quantity", "kind: extra, quantity", "Invalid enum value 'extra'"),
        (", pause: {", ", resume: {subscription: s1}, pause: {", "an entry has at most one of subscribe, usage,"),
    ],
)
def test_a_field_that_is_not_in_the_format_is_refused(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert STORY.count(right) == 1
    with pytest.raises(InvalidCase) as refused:
        run(tmp_path, STORY.replace(right, wrong))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("periods: 1, prices", "months: 1, prices", "coupons[0].months: a coupon has no such field"),
        ("periods: 1, prices", "amount_off: '1', prices", "coupons[0].percent_off: one of percent_off and amount_off"),
        ("code: gift, amount_off: '1.00'", "code: gift", "coupons[1].percent_off: one of percent_off and amount_off"),
        ("amount_off: '1.00'", "amount_off: '1.001'", "coupon.amount_off: 1.001 is not a whole number of minor units"),
    ],
)
def test_a_coupon_that_means_nothing_fails_its_case(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert STORY.count(right) == 1
    (difference,) = run(tmp_path, STORY.replace(right, wrong)).differences
    assert difference.startswith(f"refused: {told}")


AFTER = "  - {at: '2026-01-05T00:00:00Z', %s}\n  expect:"


@pytest.mark.parametrize(
    "refused",
    [
        "pause: {subscription: s2}",
        "resume: {subscription: s1}",
        "change_quantity: {subscription: s1, price: calls, quantity: '2'}",
        "change_quantity: {subscription: s1, price: base, quantity: '-1'}",
        "add_charge: {subscription: s1, code: x, amount: '0'}",
        "add_charge: {subscription: s1, code: x, amount: '1', quantity: '0'}",
        "apply_coupon: {subscription: s1, coupon: none}",
        "apply_coupon: {subscription: s1, coupon: half}",
        "remove_coupon: {subscription: s1, coupon: gift}",
        "change_zone: {timezone: Europe/Nowhere}",
        "subscribe: {subscription: s3, customer: c1, plan: p, trial_end: '2026-01-05T00:00:00Z'}",
        "subscribe: {subscription: s3, customer: c1, plan: p, coupons: [gift, gift]}",
    ],
)
def test_what_the_rule_refuses_fails_its_case(tmp_path: Path, refused: str) -> None:
    (told,) = run(tmp_path, STORY.replace("  expect:", AFTER % refused)).differences
    assert told.startswith("refused: ")


def test_after_the_end_nothing_more_is_added(tmp_path: Path) -> None:
    ended = STORY.replace("  expect:", AFTER % "cancel: {subscription: s1}")
    charged = ended.replace("  expect:", AFTER % "add_charge: {subscription: s1, code: x, amount: '1'}")
    assert run(tmp_path, charged).differences == ("refused: there is no running subscription 's1'",)


@pytest.mark.parametrize(
    ("meter", "price"),
    [
        ("aggregation: count", "model: per_unit, unit_amount: '1'"),
        ("aggregation: sum, property: n, group_by: [g]", "model: percentage, rate_percent: '1'"),
        (
            "aggregation: latest, property: n, carry_over: true, group_by: [g]",
            "model: per_unit, unit_amount: '1'",
        ),
    ],
)
def test_prices_that_cannot_be_applied_across_groups_are_refused(tmp_path: Path, meter: str, price: str) -> None:
    story = f"""
kind: scenario
cases:
- name: one
  tenant: {{currency: USD}}
  catalog:
    meters: [{{code: m, event: e, {meter}}}]
    plans:
    - {{code: p, billing_period: P1M, prices: [{{code: m, type: usage, meter: m, {price}, across_groups: true}}]}}
  timeline:
  - {{at: '2026-01-01T00:00:00Z', subscribe: {{subscription: s1, customer: c1, plan: p}}}}
  expect: {{invoices: []}}
"""
    assert run(tmp_path, story.replace(", across_groups: true", "")).passed
    (told,) = run(tmp_path, story).differences
    assert "across_groups" in told


@pytest.mark.parametrize("term", ["P1W", "P45D", "P2M", "P3M"])
def test_a_term_is_a_whole_number_of_the_plans_periods(tmp_path: Path, term: str) -> None:
    story = f"""
kind: scenario
cases:
- name: one
  tenant: {{currency: USD}}
  catalog:
    plans: [{{code: p, billing_period: P2M, prices: [{{code: least, type: commitment, amount: '1', term: {term}}}]}}]
  timeline:
  - {{at: '2026-01-01T00:00:00Z', subscribe: {{subscription: s1, customer: c1, plan: p}}}}
  expect: {{invoices: []}}
"""
    assert run(tmp_path, story).passed is (term == "P2M")
