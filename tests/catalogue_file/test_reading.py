"""Claims about apply files: one is read whole, with its texts as written, or refused whole with every problem named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entry import CustomerId, SubscriptionId, TenantId
from connectors.catalogue_file import (
    Anchor,
    BadFile,
    Catalogue,
    Customer,
    Definition,
    Meter,
    Plan,
    Problem,
    Subscription,
    Tenant,
    document,
    parse_catalogue,
    read_catalogue,
)
from connectors.catalogue_file.model import MeterCode, PlanCode
from connectors.catalogue_file.problems import MOST_PROBLEMS
from connectors.catalogue_file.section import is_code

GOOD = """\
tenants:
- code: EWR
  currency: USD
  timezone: America/New_York
  tax_percent: 6.625
  test_clock: '2013-01-01T05:00:00Z'
  meters:
  - {code: miles, event: flight.departed, aggregation: sum, property: miles, filters: {carrier: [NO, true, 1.10]}}
  - {code: level, event: seats, aggregation: latest, property: n, carry_over: true}
  plans:
  - code: airline
    billing_period: P1M
    anchor: calendar
    prices:
    - {code: gates, type: recurring, amount: 2500.10}
    - {code: miles, type: usage, meter: miles, model: per_unit, unit_amount: '0.10'}
  customers:
  - {code: NO, name: Norwegian}
  - {code: 007}
  subscriptions:
  - {code: s1, customer: NO, plan: airline, start: 2013-01-01T00:00:00-05:00, periods: 12}
  - {code: s2, customer: 007, plan: airline, start: '2013-03-01T05:00:00Z', anchor: subscription, trial_days: 14}
"""


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(BadFile) as refusal:
        parse_catalogue(text.encode(), "catalog.yaml")
    return list(refusal.value.problems)


def test_a_file_becomes_values_with_every_scalar_as_it_was_written() -> None:
    assert parse_catalogue(GOOD.encode(), "catalog.yaml") == Catalogue(
        (
            Tenant(
                code=TenantId("EWR"),
                currency="USD",
                timezone="America/New_York",
                tax_percent="6.625",
                test_clock=datetime(2013, 1, 1, 5, tzinfo=UTC),
                meters=(
                    Meter(
                        MeterCode("miles"),
                        Definition(
                            '{"aggregation":"sum","code":"miles","event":"flight.departed",'
                            '"filters":{"carrier":["NO","true","1.10"]},"property":"miles"}'
                        ),
                    ),
                    Meter(
                        MeterCode("level"),
                        Definition(
                            '{"aggregation":"latest","carry_over":true,"code":"level","event":"seats","property":"n"}'
                        ),
                    ),
                ),
                plans=(
                    Plan(
                        code=PlanCode("airline"),
                        billing_period="P1M",
                        anchor=Anchor.CALENDAR,
                        prices=(
                            Definition('{"amount":"2500.10","code":"gates","type":"recurring"}'),
                            Definition(
                                '{"code":"miles","meter":"miles","model":"per_unit","type":"usage","unit_amount":"0.10"}'
                            ),
                        ),
                        meters=(MeterCode("miles"),),
                    ),
                ),
                customers=(Customer(CustomerId("NO"), "Norwegian"), Customer(CustomerId("007"), "007")),
                subscriptions=(
                    Subscription(
                        code=SubscriptionId("s1"),
                        customer=CustomerId("NO"),
                        plan=PlanCode("airline"),
                        start=datetime(2013, 1, 1, 5, tzinfo=UTC),
                        anchor=Anchor.CALENDAR,
                        periods=12,
                    ),
                    Subscription(
                        code=SubscriptionId("s2"),
                        customer=CustomerId("007"),
                        plan=PlanCode("airline"),
                        start=datetime(2013, 3, 1, 5, tzinfo=UTC),
                        anchor=Anchor.SUBSCRIPTION,
                        # 14 days of New York's wall clock, which lost an hour on the 10th of March
                        trial_end=datetime(2013, 3, 15, 4, tzinfo=UTC),
                    ),
                ),
            ),
        )
    )


BAD = {
    "an unknown field": (
        "currency: USD",
        "curency: USD",
        3,
        "tenants[0].curency",
        "is no field here; allowed are code, ",
    ),
    "an unknown field of a meter": (
        "aggregation: sum",
        "aggregation: sum, unit: km",
        8,
        "tenants[0].meters[0].unit",
        "",
    ),
    "an unknown field of a price": (
        "model: per_unit",
        "model: per_unit, x: 1",
        16,
        "tenants[0].plans[0].prices[1].x",
        "",
    ),
    "an unknown field of a plan": (
        "anchor: calendar",
        "currency: USD",
        13,
        "tenants[0].plans[0].currency",
        "is no field",
    ),
    "an unknown top field": ("tenants:", "version: 2\ntenants:", 1, "version", "is no field here; allowed are tenants"),
    "a missing field": ("  currency: USD\n", "", 2, "tenants[0].currency", "is missing"),
    "an empty field": ("currency: USD", "currency:", 3, "tenants[0].currency", "has no value"),
    "a list for a text": (
        "currency: USD",
        "currency: [USD]",
        3,
        "tenants[0].currency",
        "is a list; a text is expected",
    ),
    "a text for a list": (
        "  - {code: NO, name: Norwegian}\n  - {code: 007}",
        "   x",
        17,
        "tenants[0].customers",
        "a list",
    ),
    "a text for a mapping": ("- {code: 007}", "- UA", 19, "tenants[0].customers[1]", "a mapping of fields is expected"),
    "an unknown meter": (
        "meter: miles",
        "meter: mile",
        16,
        "tenants[0].plans[0].prices[1].meter",
        "there are level, miles",
    ),
    "an unknown plan": (
        "NO, plan: airline",
        "NO, plan: x",
        21,
        "tenants[0].subscriptions[0].plan",
        "there are airline",
    ),
    "an unknown customer": (
        "customer: 007",
        "customer: 7",
        22,
        "tenants[0].subscriptions[1].customer",
        "'7' is no customer",
    ),
    "a customer twice": (
        "{code: 007}",
        "{code: NO}",
        19,
        "tenants[0].customers[1].code",
        "stands twice, first in line 18",
    ),
    "a price twice": ("{code: gates", "{code: miles", 16, "tenants[0].plans[0].prices[1].code", "stands twice"),
    "no prices": ("    prices:\n", "    prices: []\n    x:\n", 14, "tenants[0].plans[0].prices", "at least one"),
    "an instant without an offset": (
        "05:00:00Z'\n  m",
        "05:00:00'\n  m",
        6,
        "tenants[0].test_clock",
        "RFC 3339 with an offset",
    ),
    "an instant that never was": (
        "'2013-03-01T",
        "'2013-02-30T",
        22,
        "tenants[0].subscriptions[1].start",
        "is no instant",
    ),
    "an unknown zone": ("America/New_York", "../../etc/passwd", 4, "tenants[0].timezone", "is no IANA time zone"),
    "an unknown currency": ("USD", "usd", 3, "tenants[0].currency", "ISO 4217"),
    "a percentage that is none": ("6.625", "6,625", 5, "tenants[0].tax_percent", "'6,625' is no decimal number"),
    "a percentage over 100": ("6.625", "101", 5, "tenants[0].tax_percent", "from 0 to 100"),
    "a code with a slash": ("{code: NO,", "{code: N/O,", 18, "tenants[0].customers[0].code", "is no code"),
    "a long code": ("{code: NO,", "{code: " + "x" * 65 + ",", 18, "tenants[0].customers[0].code", "1 to 64"),
    "a bad decimal deep inside": (
        "'0.10'",
        "'0.1O'",
        16,
        "tenants[0].plans[0].prices[1].unit_amount",
        "'0.1O' is no decimal",
    ),
    "a bad period": ("P1M", "P1H", 12, "tenants[0].plans[0].billing_period", "is no period"),
    "a bad anchor": (
        "anchor: calendar",
        "anchor: today",
        13,
        "tenants[0].plans[0].anchor",
        "one of subscription, calendar",
    ),
    "periods that are no number": (
        "periods: 12",
        "periods: 0",
        21,
        "tenants[0].subscriptions[0].periods",
        "from 1 to 10000",
    ),
    "a trial that ends before it starts": (
        "trial_days: 14",
        "trial_end: '2013-03-01T05:00:00Z'",
        22,
        "tenants[0].subscriptions[1].trial_end",
        "is not after start",
    ),
    "two trials": (
        "trial_days: 14",
        "trial_days: 14, trial_end: '2014-03-01T05:00:00Z'",
        22,
        "tenants[0].subscriptions[1].trial_days",
        "stands beside trial_end",
    ),
    "a field twice": (
        "currency: USD",
        "currency: USD\n  currency: EUR",
        4,
        "currency",
        "stands twice, first in line 3",
    ),
    "a flag that is a text": (
        "carry_over: true",
        "carry_over: 'true'",
        9,
        "tenants[0].meters[1].carry_over",
        "true or false",
    ),
    "a flag that is a yes": (
        "carry_over: true",
        "carry_over: yes",
        9,
        "tenants[0].meters[1].carry_over",
        "true or false",
    ),
    "a tag": ("code: EWR", "code: !!python/name:os.system EWR", 2, "the file", "tags are not allowed"),
    "two documents": ("tenants:", "tenants: []\n---\ntenants:", 2, "the file", "second document"),
    "no YAML": ("currency: USD", "currency: [USD", 4, "the file", "is no YAML"),
    "a control character": ("Norwegian", "Norw\x07egian", 1, "the file", "is no YAML"),
    "an alias of nothing": ("currency: USD", "currency: *usd", 3, "the file", "*usd"),
    "an alias of itself": ("tenants:", "x: &x [*x]\ntenants:", 1, "the file", "not complete before this line"),
    "a mapping as a field's name": ("currency: USD", "? {a: b}\n  : USD", 3, "the file", "as a field's name"),
}


@pytest.mark.parametrize(("old", "new", "line", "field", "text"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_line_field_and_what_is_allowed(
    old: str, new: str, line: int, field: str, text: str
) -> None:
    assert GOOD.count(old) >= 1
    told = {
        (problem.file, problem.line, problem.field): problem.text for problem in problems_of(GOOD.replace(old, new, 1))
    }
    assert text in told[("catalog.yaml", line, field)]


def test_periods_that_end_after_the_last_calendar_are_refused() -> None:
    (problem,) = problems_of(GOOD.replace("P1M", "P100Y").replace("periods: 12", "periods: 100"))
    assert (problem.line, problem.field) == (21, "tenants[0].subscriptions[0].periods")
    assert "leave the years 1 to 9999" in problem.text


def test_every_problem_of_a_file_is_told_at_once() -> None:
    bad = GOOD.replace("USD", "usd").replace("P1M", "1M").replace("'0.10'", "-1").replace("6.625", "x")
    assert [(problem.line, problem.field) for problem in problems_of(bad)] == [
        (3, "tenants[0].currency"),
        (5, "tenants[0].tax_percent"),
        (12, "tenants[0].plans[0].billing_period"),
        (16, "tenants[0].plans[0].prices[1].unit_amount"),
    ]


def test_of_many_problems_twenty_are_told() -> None:
    assert len(problems_of("tenants:\n" + "- {}\n" * 100)) == MOST_PROBLEMS


def test_the_message_has_file_line_and_field() -> None:
    with pytest.raises(BadFile) as refusal:
        parse_catalogue(GOOD.replace("USD", "DM").encode(), "catalog.yaml")
    assert str(refusal.value).startswith("catalog.yaml:3: tenants[0].currency: 'DM' is no active ISO 4217 code")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\xff", b"a: \xff", b"tenants: []", b"- 1", b"x"])
def test_what_is_no_catalogue_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile):
        parse_catalogue(content, "catalog.yaml")


def test_aliases_share_definitions() -> None:
    shared = GOOD.replace("  meters:\n", "  meters: &meters\n").replace("  plans:\n", "  plans: &plans\n")
    second = "- {code: LGA, currency: USD, timezone: UTC, meters: *meters, plans: *plans}\n"
    ewr, lga = parse_catalogue((shared + second).encode(), "catalog.yaml").tenants
    assert (lga.meters, lga.plans) == (ewr.meters, ewr.plans)


def test_a_billion_laughs_are_refused_before_they_are_expanded() -> None:
    laughs = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 10}]\n" for n in range(1, 12))
    (problem,) = problems_of(laughs + GOOD)
    assert f"more than {document.MOST_NODES} values" in problem.text


def test_depth_is_bounded_with_and_without_aliases() -> None:
    nested = "[" * 100_000
    chained = "".join(f"a{n}: &a{n} {'[' * 15}{f'*a{n - 1}' if n else 'x'}{']' * 15}\n" for n in range(80))
    assert "nested deeper than" in problems_of("x: " + nested)[0].text
    assert "nested deeper than" in problems_of(chained)[0].text


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(document.LARGEST_SIZE_BYTES + 1)
    with pytest.raises(BadFile, match="apply it in several files"):
        read_catalogue(large)


def test_a_file_that_is_not_there_is_a_bad_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none.yaml:1: the file: can't be read: No such file"):
        read_catalogue(tmp_path / "none.yaml")


@pytest.mark.parametrize("code", ["UA", "0815", "a.b_c-d:e@f+g", "Ærø", "東京", "x" * 64, "e-mail@example.org"])
def test_a_code_has_letters_and_digits_of_any_script(code: str) -> None:
    assert is_code(code)


@pytest.mark.parametrize(
    "code", ["", "a/b", "a b", ".a", "-a", "x" * 65, "a\u0308", "a\u200bb", "a\nb", "\U0001f600", "a\x00", "é\u202e"]
)
def test_what_can_not_be_seen_or_keyed_is_no_code(code: str) -> None:
    assert not is_code(code)


def is_told(content: bytes) -> bool:
    """Whether the content is a catalogue, or every reason why it is none has a place and a text."""
    try:
        parse_catalogue(content, "catalog.yaml")
    except BadFile as refusal:
        told = [problem.line and problem.field and problem.text for problem in refusal.problems]
        return bool(told) and all(told)
    return True


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_catalogue_or_a_bad_file(content: bytes) -> None:
    assert is_told(b"tenants:\n" + content)


@given(st.data())
def test_a_file_changed_anywhere_is_a_catalogue_or_a_bad_file(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    patch = data.draw(st.text("{}[]&*!|>:-,'\"\n a1", max_size=6))
    assert is_told((GOOD[:start] + patch + GOOD[end:]).encode())


def test_a_plan_is_small_enough_to_travel_with_each_of_its_subscriptions() -> None:
    rows = ", ".join(f"{{up_to: '{tier}', unit_amount: '0.01'}}" for tier in range(1, 1_000))
    prices = "".join(
        f"    - {{code: p{number}, type: usage, meter: m, model: graduated, tiers: [{rows}, {{unit_amount: '1'}}]}}\n"
        for number in range(8)
    )
    head = (
        "tenants:\n- code: T\n  currency: USD\n  timezone: UTC\n  meters: [{code: m, event: x, aggregation: count}]\n"
    )
    plan = "  plans:\n  - code: p\n    billing_period: P1M\n    prices:\n"
    whole = head + plan + prices
    assert len(parse_catalogue(whole[: whole.index("    - {code: p1,")].encode(), "f").tenants[0].plans) == 1
    with pytest.raises(BadFile, match=r"plans\[0\]\.prices: has .* with its meters; a plan has at most"):
        parse_catalogue(whole.encode(), "f")


def test_a_definition_is_small_enough_for_an_event() -> None:
    values = ", ".join(f"{number}{'x' * 190}" for number in range(1_000))
    meter = f"{{code: m, event: x, aggregation: count, filters: {{f: [{values}]}}}}"
    text = f"tenants:\n- code: T\n  currency: USD\n  timezone: UTC\n  meters: [{meter}]\n"
    with pytest.raises(BadFile, match=r"meters\[0\]: has .* such a definition has at most 131072"):
        parse_catalogue(text.encode(), "f")
