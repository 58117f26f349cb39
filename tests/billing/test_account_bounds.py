"""What strangers send can't make a record that Kafka refuses, for ever: an account bounds what it keeps and says."""

import msgspec
import pytest

from billing.account import bounds
from billing.currency import currency
from billing.entry import SubscriptionCanceled
from billing.errors import InvalidDefinition, RefusedUsage
from billing.meter import parse_meter
from billing.price import charge
from billing.price_definition import parse_price
from billing.quantity import parse_quantity
from billing.statement import Refused
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, brief, per_unit, terms, us, usage

GROUPED = {**SUM, "group_by": ["region"]}
LONG = "é" * 1_000


def reasons(journal: Journal) -> set[str]:
    return {outcome.reason for outcome in journal.outcomes if isinstance(outcome, Refused)}


def cancel_at(at: str) -> SubscriptionCanceled:
    return SubscriptionCanceled(command_id="end", tenant=TENANT, customer=CUSTOMER, subscription="s1", at_us=us(at))


def largest(journal: Journal) -> int:
    """The size of the largest item that the account writes now."""
    return max(len(value) for _, value in journal.write().items if value is not None)


def test_groups_are_taken_until_their_lines_fill_a_statement_and_known_ones_ever_after() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    most = bounds.LARGEST_GROUPS_BYTES // len(LONG.encode()) + 10
    journal.append(*(usage(f"{n}", "2026-01-05", region=f"{n:05}{LONG}") for n in range(most)))
    assert reasons(journal) == {"too-many-groups"}
    journal.write()
    journal.account.forget_clean()
    journal.outcomes.clear()
    journal.append(usage("known", "2026-01-05", "4", region=f"{7:05}{LONG}"))
    assert reasons(journal) == set()
    journal.close("2026-02-01")
    lines = journal.statements[-1].lines
    assert [line.quantity for line in lines][6:9] == ["1", "5", "1"]
    assert len(msgspec.msgpack.encode(lines)) < 2 * bounds.LARGEST_GROUPS_BYTES


def test_late_cells_are_taken_until_their_lines_fill_a_statement_and_again_after_it() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED], period="P1D"))
    for day in range(2, 12):
        journal.close(f"2026-01-{day:02}")
    journal.write()
    most = bounds.LARGEST_GROUPS_BYTES // len(LONG.encode()) // 2
    late = [
        usage(f"{day} {n}", f"2026-01-{day:02}", region=f"{n:05}{LONG}") for day in range(1, 11) for n in range(most)
    ]
    journal.append(*late)
    assert reasons(journal) == {"too-many-late"}
    assert largest(journal) < 2 * bounds.LARGEST_GROUPS_BYTES
    journal.close("2026-01-12")
    assert len(msgspec.msgpack.encode(journal.statements[-1].lines)) < 2 * bounds.LARGEST_GROUPS_BYTES
    journal.outcomes.clear()
    journal.append(late[-1])
    assert reasons(journal) == set()


@pytest.mark.parametrize("most_bytes", [400, 800, 1_200, 2_000])
@pytest.mark.parametrize("across_groups", [False, True])
def test_how_much_late_usage_is_taken_does_not_depend_on_a_restart(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int, *, across_groups: bool
) -> None:
    monkeypatch.setattr(bounds, "LARGEST_LATE_BYTES", most_bytes)

    def told(*, reload: bool) -> Journal:
        journal = Journal(reload=reload)
        journal.start("2026-01-01", terms(per_unit(across_groups=across_groups), meters=[GROUPED]))
        journal.close("2026-02-01")
        journal.append(*(usage(f"late {n}", "2026-01-05", region=f"r{n:02}") for n in range(24)))
        journal.close("2026-03-01")
        return journal

    once, restarted = told(reload=False), told(reload=True)
    assert "too-many-late" in reasons(once)
    assert restarted.outcomes == once.outcomes


@pytest.mark.parametrize(
    "meter",
    [
        {**SUM, "aggregation": "unique"},
        {**SUM, "aggregation": "max"},
        {**SUM, "aggregation": "percentile", "percentile": "95"},
        {**SUM, "aggregation": "latest"},
    ],
    ids=["unique", "max", "percentile", "latest"],
)
def test_a_cell_keeps_so_many_values_and_still_takes_one_of_them_back(
    meter: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_VALUES", 100)
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[meter]))
    journal.append(*(usage(f"{n}", "2026-01-05", f"{n}") for n in range(101)))
    assert reasons(journal) == {"too-many-values"}
    journal.void("99")
    journal.append(usage("room", "2026-01-05", "98.5"))
    journal.close("2026-02-01")
    quantity = {"unique": "100", "max": "98.5", "percentile": "94", "latest": "98.5"}[str(meter["aggregation"])]
    assert [line[2] for line in brief(journal.statements[-1])] == [quantity]


def test_the_largest_cell_fits_a_record() -> None:
    widest = "9" * 30 + "." + "9" * 18
    entry = len(msgspec.msgpack.encode([1 << 62, 1 << 62, "-" + widest]))
    unique = parse_meter({**SUM, "aggregation": "unique"}, "").value({"n": "\U0001f600" * 1_000})
    short = parse_meter({**SUM, "aggregation": "unique"}, "").value({"n": "\U0001f600" * 16})
    for value in (entry, len(msgspec.msgpack.encode([unique, 1 << 31])), len(msgspec.msgpack.encode([short, 1 << 31]))):
        assert value * bounds.MOST_VALUES < 15 << 20


def test_long_unique_values_are_told_apart() -> None:
    meter = parse_meter({**SUM, "aggregation": "unique"}, "")
    values = ["a" * 1_000, "a" * 999 + "b", "a" * 17, "a" * 16, "a" * 15]
    assert len({meter.value({"n": value}) for value in values}) == len(values)
    with pytest.raises(RefusedUsage):
        meter.value({"n": "a" * 1_025})


@pytest.mark.parametrize(
    "price",
    [
        {"model": "per_unit", "unit_amount": "999999999999999"},
        {"model": "package", "package_size": "0.000000001", "package_amount": "999999999999999"},
        {"model": "dynamic", "multiplier": "999999999999999"},
        {"model": "graduated", "tiers": [{"unit_amount": "999999999999999", "flat_amount": "999999999999999"}]},
    ],
    ids=lambda price: str(price["model"]),
)
@pytest.mark.parametrize("conversion", [None, {"divide_by": "0.000000001"}, {"multiply_by": "999999999"}])
def test_no_price_makes_an_amount_that_the_ledger_cannot_hold(
    price: dict[str, object], conversion: dict[str, object] | None
) -> None:
    raw = {
        "code": "p",
        "type": "usage",
        "meter": "m",
        **price,
        **({"unit_conversion": conversion} if conversion else {}),
    }
    dearest = parse_price(raw, "")
    million_events = parse_quantity("9" * 30) * 1_000_000
    assert charge(dearest, million_events, currency("CLF")) < 10**76  # type: ignore[arg-type]  # a usage price


@pytest.mark.parametrize(
    ("field", "price"),
    [
        ("unit_amount", {"model": "per_unit", "unit_amount": "1000000000000001"}),
        ("package_size", {"model": "package", "package_size": "0.0000000009", "package_amount": "1"}),
        ("multiply_by", {"model": "per_unit", "unit_amount": "1", "unit_conversion": {"multiply_by": "1000000001"}}),
        ("divide_by", {"model": "per_unit", "unit_amount": "1", "unit_conversion": {"divide_by": "0.0000000009"}}),
    ],
)
def test_a_price_that_could_is_refused(field: str, price: dict[str, object]) -> None:
    with pytest.raises(InvalidDefinition, match=field):
        parse_price({"code": "p", "type": "usage", "meter": "m", **price}, "")


def test_thousands_of_subscriptions_to_one_plan_keep_its_terms_once() -> None:
    journal = Journal()
    agreed = terms(*(per_unit(f"m{n}") for n in range(500)))
    for number in range(200):
        journal.start("2026-01-01", agreed, subscription=f"s{number}")
    journal.write()
    head = journal.stored[b""]
    assert len(head) < len(msgspec.msgpack.encode(agreed)) + 200 * 200
    assert journal.restored().states() == journal.account.states()
    journal.account = journal.restored()
    journal.append(usage("a", "2026-01-05", subscription="s7"))
    journal.close("2026-02-01", subscription="s7")
    assert [line.quantity for line in journal.statements[-1].lines] == ["1"] * 500


def test_usage_of_a_clock_that_is_wrong_by_years_makes_no_later_command_read_from_there() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("wrong", "2999-01-05")
    assert reasons(journal) == {"too-early"}
    for number in range(5):
        journal.use(f"{number}", f"2026-01-0{5 + number}")
    assert journal.account.rewind_from(cancel_at("2026-01-09")) == len(journal.entries) - 1
