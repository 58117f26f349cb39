"""Every case of the norm, and that the runner can fail."""

from pathlib import Path

import pytest

from streams.conformance import InvalidCase, Scenario, read_file, run_files
from streams.conformance.case import Case
from streams.conformance.run import Result, differences

NORM = Path(__file__).parent / "norm"
FILES = sorted(NORM.glob("*.yaml"))
CASES = [(path.name, case) for path in FILES for case in read_file(path)]

STORY = """
kind: scenario
cases:
- name: one
  tenant: {currency: USD, tax_percent: '10'}
  catalog:
    plans: [{code: p, billing_period: P1M, prices: [{code: base, type: recurring, amount: '9.00'}]}]
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p}}
  - {at: 2026-01-02T00:00:00Z}
  expect:
    invoices:
    - {total: '9.90', tax: '0.9', issued_at: '2026-01-01T01:00:00+01:00', lines: [{price: base, amount: '9'}]}
"""


def run(tmp_path: Path, text: str) -> Result:
    (tmp_path / "case.yaml").write_text(text)
    (result,) = run_files([tmp_path / "case.yaml"]).results
    return result


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}: {case.name}") for name, case in CASES])
def test_a_case_of_the_norm_comes_out_as_expected(case: Case) -> None:
    assert list(differences(case)) == []


def test_the_norm_is_there() -> None:
    assert {name for name, _ in CASES} == {f"{name}s.yaml" for name in ("price", "meter", "period", "scenario")} | {
        "stories.yaml"
    }
    assert sum(isinstance(case, Scenario) for _, case in CASES) == 50


def test_equal_values_may_be_written_differently(tmp_path: Path) -> None:
    assert run(tmp_path, STORY).passed


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("'9.90'", "'9.91'", "invoices[0].total: expected 9.91, got 9.90"),
        ("'0.9'", "'0.8'", "invoices[0].tax: expected 0.8, got 0.90"),
        ("amount: '9'}", "amount: '8'}", "invoices[0].lines[0].amount: expected 8, got 9.00"),
        ("amount: '9'}]", "amount: '9'}, {price: x}]", "invoices[0].lines: expected 2, got 1 (base 1 9.00)"),
        ("- {total", "- {}\n    - {total", "invoices: expected 2, got 1"),
        ("T01:00:00+01:00", "T01:00:00Z", "expected 2026-01-01T01:00:00+00:00, got 2026-01-01T00:00:00+00:00"),
        ("    invoices:", "    credit: {c1: '1'}\n    invoices:", "credit.c1: expected 1, got 0.00"),
        ("plan: p}", "plan: q}", "the catalog has no plan 'q'"),
        ("amount: '9.00'", "amount: '9.00', colour: red", "prices[0].colour: a recurring price has no such field"),
    ],
)
def test_a_planted_difference_fails_its_case(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert right in STORY
    result = run(tmp_path, STORY.replace(right, wrong, 1))
    assert not result.passed
    assert told in str(result)


PRICE = """
kind: price
cases:
- {name: one, currency: USD, quantity: '2', price: {model: per_unit, unit_amount: '1.5'}, expect: {amount: '3'}}
"""
METER = """
kind: meter
cases:
- name: one
  meter: {aggregation: count}
  window: ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']
  events: [{id: a, timestamp: '2026-01-31T23:59:59Z', properties: {}}]
  expect: {quantity: '1'}
"""
PERIOD = """
kind: period
cases:
- {name: one, anchor: '2026-01-31T15:00:00Z', billing_period: P1M, timezone: UTC, index: 1,
   expect: {start: '2026-02-28T15:00:00Z'}}
"""


@pytest.mark.parametrize(
    ("text", "right", "wrong", "told"),
    [
        (PRICE, "amount: '3'", "amount: '4'", "amount: expected 4, got 3.00"),
        (PRICE, "per_unit,", "per_unit, tax: '1',", "price.tax: a per_unit price has no such field"),
        (METER, "quantity: '1'", "quantity: '2'", "quantity: expected 2, got 1"),
        (PERIOD, "28T15", "28T16", "expected 2026-02-28T16:00:00+00:00, got 2026-02-28T15:00:00+00:00"),
    ],
)
def test_a_planted_difference_fails_a_price_a_meter_and_a_period(
    tmp_path: Path, text: str, right: str, wrong: str, told: str
) -> None:
    assert run(tmp_path, text).passed
    result = run(tmp_path, text.replace(right, wrong))
    assert not result.passed
    assert told in str(result)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("{total:", "{sum: '1', total:", "case.yaml: case 1 (one): Object contains unknown field `sum`"),
        ("customer: c1,", "", "Object missing required field `customer` - at `$.timeline[0].subscribe`"),
        ("kind: scenario", "kind: story", "kind is 'story'; allowed are price, meter, period, scenario"),
        (
            "02T00:00:00Z}",
            "02T00:00:00Z, cancel: {subscription: s1}, void_usage: {id: a, customer: c}}",
            "has at most one of",
        ),
        ("cases:", "cases: {", "cannot be read"),
        ("kind:", "more: 1\nkind:", "has the fields kind and cases"),
    ],
)
def test_a_file_that_is_not_in_the_format_is_refused(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    with pytest.raises(InvalidCase) as refused:
        run(tmp_path, STORY.replace(right, wrong, 1))
    assert told in str(refused.value)


def test_results_end_with_the_sums(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(STORY)
    (tmp_path / "bad.yaml").write_text(STORY.replace("9.90", "9.91"))
    results = run_files([tmp_path / "good.yaml", tmp_path / "bad.yaml"])
    assert (results.passed, results.failed) == (1, 1)
    assert str(results).splitlines() == [
        "ok     good.yaml: one",
        "FAILED bad.yaml: one",
        "       invoices[0].total: expected 9.91, got 9.90",
        "1 passed, 1 failed",
    ]


def test_a_change_to_a_plan_of_another_period_leaves_the_end_of_the_open_one(tmp_path: Path) -> None:
    changed = """
kind: scenario
cases:
- name: one
  tenant: {currency: USD}
  catalog:
    plans:
    - {code: p, billing_period: P28D, prices: [{code: fee, type: recurring, amount: '28.00'}]}
    - {code: q, billing_period: P1M, prices: [{code: fee, type: recurring, amount: '31.00'}]}
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p}}
  - {at: '2026-01-15T00:00:00Z', change_plan: {subscription: s1, plan: q}}
  - {at: '2026-02-01T00:00:00Z'}
  expect:
    invoices:
    - {total: '28.00'}
    - {total: '0.00', lines: [{amount: '-14.00'}, {amount: '14.00', end: '2026-01-29T00:00:00Z'}]}
    - {total: '3.00', issued_at: '2026-01-29T00:00:00Z', lines: [{amount: '3.00', end: '2026-02-01T00:00:00Z'}]}
    - {total: '31.00', issued_at: '2026-02-01T00:00:00Z'}
"""
    assert run(tmp_path, changed).differences == ()
