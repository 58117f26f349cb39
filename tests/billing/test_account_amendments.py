"""Quantities, charges, coupons, commitments, zones and groups priced together: what each makes of the statements."""

import pytest

from billing.account.charges import MOST_WAITING
from billing.entry import Coupon, Terms
from billing.instant import instant
from billing.schedule import rezoned
from billing.statement import Refused, Statement
from tests.billing.journal import Journal, Raw, brief, fee, per_unit, terms, us

TIERS = [{"up_to": "10", "unit_amount": "1"}, {"unit_amount": "0.5"}]
GRADUATED: Raw = {"code": "m", "type": "usage", "meter": "m", "model": "graduated", "tiers": TIERS}
TOGETHER: Raw = {**GRADUATED, "across_groups": True}
GROUPED: Raw = {"code": "m", "event": "x", "aggregation": "sum", "property": "n", "group_by": ["region"]}


def started(*prices: Raw, at: str = "2026-01-01", **more: object) -> Journal:
    journal = Journal(reload=True)
    journal.start(at, terms(*prices, **more))  # type: ignore[arg-type]
    return journal


def amounts(journal: Journal) -> list[list[tuple[str, str, int]]]:
    """Kind, price and amount of each line of each statement that has lines."""
    return [[(line.kind.value, line.price, line.amount_minor) for line in one.lines] for one in journal.statements]


def discounts(journal: Journal) -> list[list[tuple[int, int]]]:
    """Amount and discount of each line."""
    return [[(line.amount_minor, line.discount_minor) for line in one.lines] for one in journal.statements]


# --- quantities


def test_a_changed_quantity_in_advance_is_exchanged_at_once_and_leaves_the_tiers_alone() -> None:
    journal = started(fee("seats", "31.00", quantity="2"), GRADUATED)
    journal.use("a", "2026-01-05", "8")
    journal.quantity("2026-01-11", "seats", "5")
    assert brief(journal.statements[1]) == [
        ("unused_fee", "seats", "2", "-4200", "2026-01-11", "2026-02-01"),
        ("fee", "seats", "5", "10500", "2026-01-11", "2026-02-01"),
    ]
    journal.use("b", "2026-01-15", "8")
    journal.close("2026-02-01")
    assert brief(journal.statements[2]) == [
        ("fee", "seats", "5", "15500", "2026-02-01", "2026-03-01"),
        ("usage", "m", "16", "1300", "2026-01-01", "2026-02-01"),
    ]


def test_in_arrears_each_stretch_of_one_quantity_has_its_line() -> None:
    journal = started(fee("seats", "31.00", billed="in_arrears"))
    assert journal.quantity("2026-01-11", "seats", "3")[0].lines == ()  # type: ignore[union-attr]
    journal.quantity("2026-01-21", "seats", "0")
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [
        ("fee", "seats", "1", "1000", "2026-01-01", "2026-01-11"),
        ("fee", "seats", "3", "3000", "2026-01-11", "2026-01-21"),
        ("fee", "seats", "0", "0", "2026-01-21", "2026-02-01"),
    ]


def test_the_same_quantity_changes_nothing_and_an_unknown_price_is_refused() -> None:
    journal = started(fee("seats", "31.00"))
    assert [one.lines for one in journal.quantity("2026-01-11", "seats", "1.0") if isinstance(one, Statement)] == [()]
    for price, quantity in (("desks", "1"), ("seats", "-1"), ("seats", "many")):
        assert isinstance(journal.quantity("2026-01-11", price, quantity)[1], Refused)


def test_a_quantity_survives_a_change_of_plan_and_a_pause() -> None:
    journal = started(fee("seats", "31.00"))
    journal.pause("2026-01-11")
    journal.quantity("2026-01-12", "seats", "2")
    journal.change("2026-01-13", terms(fee("seats", "62.00"), plan="q"))
    journal.resume("2026-01-22")
    assert amounts(journal) == [
        [("fee", "seats", 3100)],
        [("unused_fee", "seats", -2100)],
        [("fee", "seats", 4000)],
    ]


# --- charges


def test_a_one_off_price_is_charged_once_in_a_life() -> None:
    setup: Raw = {"code": "setup", "type": "one_off", "amount": "9.99"}
    journal = started(setup, fee())
    journal.close("2026-02-01")
    journal.change("2026-02-01", terms(setup, {**setup, "code": "move"}, plan="q"))
    assert [[one for one in said if one[0] == "charge"] for said in amounts(journal)] == [
        [("charge", "setup", 999)],
        [],
        [("charge", "move", 999)],
    ]


def test_an_added_charge_waits_for_the_next_invoice_or_draws_one() -> None:
    journal = started(per_unit())
    journal.charge("2026-01-05", "visit", "10.005", "3")
    journal.charge("2026-01-06", "gift", "-1")
    journal.close("2026-02-01")
    journal.charge("2026-02-02", "later", "1")
    journal.charge("2026-02-03", "now", "2", at_once=True)
    assert brief(journal.statements[0]) == [
        ("usage", "m", "0", "0", "2026-01-01", "2026-02-01"),
        ("charge", "visit", "3", "3002", "2026-01-05", "2026-01-05"),
        ("charge", "gift", "1", "-100", "2026-01-06", "2026-01-06"),
    ]
    assert amounts(journal)[1] == [("charge", "later", 100), ("charge", "now", 200)]
    assert all(
        isinstance(journal.charge("2026-02-04", "bad", *bad)[1], Refused) for bad in (("0",), ("1", "0"), ("x",))
    )


# --- commitments


def commitment(amount: str, **more: object) -> Raw:
    return {"code": "least", "type": "commitment", "amount": amount, **more}


def test_what_a_period_comes_short_of_its_commitment_is_owed_at_its_end() -> None:
    journal = started(commitment("100.00"), per_unit(), fee("base", "10.00"))
    journal.use("a", "2026-01-05", "30")
    journal.close("2026-02-01")
    assert brief(journal.statements[1]) == [
        ("true_up", "least", "1", "6000", "2026-01-01", "2026-02-01"),
        ("usage", "m", "30", "3000", "2026-01-01", "2026-02-01"),
        ("fee", "base", "1", "1000", "2026-02-01", "2026-03-01"),
    ]
    journal.use("late", "2026-01-06", "15")
    journal.use("b", "2026-02-06", "90")
    journal.close("2026-03-01")
    assert amounts(journal)[2] == [
        ("adjustment", "m", 1500),
        ("adjustment", "least", -1500),
        ("usage", "m", 9000),
        ("fee", "base", 1000),
    ]


def test_a_commitment_of_a_term_is_trued_up_at_its_end_and_prorated_by_a_cancellation() -> None:
    journal = started(commitment("310.00", term="P2M"), per_unit())
    journal.close("2026-02-01")
    assert ("true_up" in {kind for said in amounts(journal) for kind, *_ in said}) is False
    journal.close("2026-03-01")
    assert amounts(journal)[1] == [("true_up", "least", 31000), ("usage", "m", 0)]
    journal.use("a", "2026-03-02", "5")
    journal.cancel("2026-03-11")  # 10 of 61 days: 50.82
    assert amounts(journal)[2] == [("true_up", "least", 4582), ("usage", "m", 500)]


def test_a_plan_change_ends_a_commitment_and_begins_the_next() -> None:
    journal = started(commitment("31.00"))
    journal.change("2026-01-11", terms(commitment("62.00"), plan="q"))
    journal.close("2026-02-01")
    assert [brief(one) for one in journal.statements] == [
        [("true_up", "least", "1", "1000", "2026-01-01", "2026-01-11")],
        [("true_up", "least", "1", "4200", "2026-01-11", "2026-02-01")],
    ]


def test_a_pause_is_not_committed_and_a_term_that_ended_in_it_is_trued_up_at_the_resumption() -> None:
    journal = started(commitment("31.00"))
    journal.pause("2026-01-11")
    journal.resume("2026-02-03")
    journal.close("2026-03-01")
    assert amounts(journal) == [[("true_up", "least", 1000)], [("true_up", "least", 2879)]]


def test_a_plan_that_was_changed_in_a_pause_is_trued_up_at_the_resumption_whatever_zone_it_moved_to() -> None:
    agreed = terms(commitment("31.00"))
    moved = rezoned(agreed, "Asia/Tokyo", instant(us("2026-01-01")), instant(us("2026-01-13")))
    journal = started(commitment("31.00"))
    journal.pause("2026-01-11")
    journal.change("2026-01-12", agreed)
    journal.rezone("2026-01-13", moved)
    journal.resume("2026-01-21")
    journal.cancel("2026-01-31")
    hours_of_january = 31 * 24 - 9
    assert [brief(one) for one in journal.statements] == [
        [("true_up", "least", "1", "1000", "2026-01-01", "2026-01-12")],
        [("true_up", "least", "1", str(round(3100 * 240 / hours_of_january)), "2026-01-21", "2026-01-31")],
    ]


# --- coupons


def test_a_coupon_in_percent_is_taken_off_each_line_and_ends_with_its_period() -> None:
    journal = Journal(reload=True)
    third = Coupon(code="third", percent_off="33.3", periods=1)
    journal.start("2026-01-01", terms(fee("base", "10.05"), per_unit("m", "0.015")), coupons=[third])
    journal.use("a", "2026-01-05", "100")
    journal.close("2026-02-01")
    journal.use("late", "2026-01-06", "1")
    journal.close("2026-03-01")
    assert discounts(journal) == [
        [(670, 335)],  # 10.05 x 0.333 = 3.34665
        [(1005, 0), (100, 50)],  # 1.50 x 0.333 = 0.4995
        [(1, 1), (1005, 0), (0, 0)],  # 1.52 x 0.333 = 0.50616, less 0.50
    ]


def test_a_coupon_of_an_amount_gives_it_once_a_period_over_the_lines() -> None:
    journal = Journal(reload=True)
    ten = Coupon(code="ten", amount_off="10.00")
    journal.start("2026-01-01", terms(fee("base", "6.00"), per_unit("m"), per_unit("n", "2")), coupons=[ten])
    journal.use("a", "2026-01-05", "1")
    journal.close("2026-02-01")
    journal.use("late", "2026-01-06", "1")
    journal.close("2026-03-01")
    assert discounts(journal) == [
        [(0, 600)],
        [(0, 600), (0, 100), (0, 200)],  # 1 + 2 of 4 that January has left
        [(67, 33), (133, 67), (0, 600), (0, 0), (0, 0)],  # January's last 1.00 over the adjustments
    ]


def test_a_coupon_covers_its_prices_and_is_in_force_until_it_is_removed() -> None:
    journal = started(per_unit("m"), per_unit("n"))
    half = Coupon(code="half", percent_off="50", prices=("n",))
    journal.coupon("2026-01-10", half)
    assert isinstance(journal.coupon("2026-01-11", half)[1], Refused)
    journal.use("a", "2026-01-05", "1")
    journal.close("2026-02-01")
    journal.use("b", "2026-02-05", "1")
    journal.no_coupon("2026-02-10", "half")
    assert isinstance(journal.no_coupon("2026-02-10", "half")[1], Refused)
    journal.close("2026-03-01")
    assert discounts(journal) == [[(100, 0), (50, 50)], [(100, 0), (100, 0)]]


def test_an_unused_fee_is_credited_as_it_was_paid() -> None:
    journal = started(fee("base", "31.00"))
    journal.coupon("2026-01-05", Coupon(code="half", percent_off="50"))
    journal.quantity("2026-01-11", "base", "2")
    journal.cancel("2026-01-21")
    assert discounts(journal) == [
        [(3100, 0)],
        [(-2100, 0), (2100, 2100)],
        [(-1100, -1100)],
    ]


def test_a_coupon_at_a_boundary_is_in_force_for_what_is_billed_after_it() -> None:
    half = Coupon(code="half", percent_off="50")
    journal = started(fee("base", "31.00"), fee("served", "62.00", billed="in_arrears"))
    journal.coupon("2026-01-01", half)
    journal.pause("2026-01-11")  # paid before the coupon came, so given back as paid
    journal.resume("2026-01-21")
    journal.no_coupon("2026-01-21", "half")
    journal.cancel("2026-01-31")
    assert discounts(journal) == [
        [(3100, 0)],
        [(-2100, 0), (1000, 1000)],
        [(550, 550)],
        [(-50, -50), (2000, 0)],
    ]


def test_an_unused_fee_of_a_long_period_is_given_back_as_it_was_paid_however_long_ago_its_coupon_ended() -> None:
    journal = Journal(reload=True)
    half, year = Coupon(code="half", percent_off="50"), terms(fee("base", "365.00"), period="P1Y")
    journal.start("2026-01-01", year, coupons=[half])
    journal.no_coupon("2026-02-01", "half")
    journal.charge("2026-06-01", "visit", "1", at_once=True)
    journal.cancel("2026-07-02")
    assert discounts(journal) == [[(18250, 18250)], [(100, 0)], [(-9150, -9150)]]


def test_a_quantity_changed_and_changed_back_at_one_instant_leaves_one_stretch() -> None:
    journal = started(fee("seats", "31.01", billed="in_arrears", quantity="3"))
    journal.quantity("2026-01-11", "seats", "5")
    journal.quantity("2026-01-11", "seats", "3")
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("fee", "seats", "3", "9303", "2026-01-01", "2026-02-01")]


# --- groups priced together


def test_groups_priced_together_share_the_tiers_and_the_amount() -> None:
    journal = started(TOGETHER, meters=[GROUPED])
    journal.use("a", "2026-01-05", "8", region="eu")
    journal.use("b", "2026-01-05", "4", region="us")
    journal.use("c", "2026-01-05", "1", region="zz")
    journal.close("2026-02-01")
    journal.use("late", "2026-01-06", "7", region="us")
    journal.void("c")
    journal.close("2026-03-01")
    assert [brief(one) for one in journal.statements] == [
        [
            ("usage", "m", "eu", "8", "708", "2026-01-01", "2026-02-01"),  # 11.50 x 8 / 13 = 7.0769
            ("usage", "m", "us", "4", "354", "2026-01-01", "2026-02-01"),  # 3.5385
            ("usage", "m", "zz", "1", "88", "2026-01-01", "2026-02-01"),  # 0.8846
        ],
        [
            ("adjustment", "m", "eu", "0", "-97", "2026-01-01", "2026-02-01"),  # 14.50 x 8 / 19 = 6.1053
            ("adjustment", "m", "us", "7", "485", "2026-01-01", "2026-02-01"),  # 8.3947, cut
            ("adjustment", "m", "zz", "-1", "-88", "2026-01-01", "2026-02-01"),
        ],
    ]


# --- levels and the usage window

LEVEL: Raw = {
    "code": "m", "event": "x", "aggregation": "weighted_sum", "property": "n",
    "carry_over": True, "group_by": ["region"],
}  # fmt: skip


def test_a_level_outlives_the_usage_window_in_a_pause_and_under_a_plan_that_does_not_price_it() -> None:
    journal = started(per_unit("seats"), meters=[LEVEL])
    journal.use("a", "2026-01-01", "8", region="eu")
    journal.pause("2026-01-20")
    journal.charge("2026-03-05", "visit", "1", at_once=True)
    journal.resume("2026-03-20")
    journal.change("2026-03-25", terms(fee("base", "0"), plan="q"))
    for month in ("04", "05", "06"):
        journal.close(f"2026-{month}-01")
    refused = journal.use("late", "2026-01-02", "1", region="eu")[0]
    assert isinstance(refused, Refused)
    assert refused.reason == "too-old"
    journal.change("2026-06-11", terms(per_unit("seats"), meters=[LEVEL], plan="r"))
    journal.cancel("2026-07-01")
    assert [line[:5] for one in journal.statements for line in brief(one) if line[1] == "seats"] == [
        ("usage", "seats", "eu", "8", "800"),
        ("usage", "seats", "eu", "8", "800"),
        ("usage", "seats", "eu", "8", "800"),
    ]
    assert {key[:1] for key in journal.stored} <= {b"", b"f"}


# --- zones


def test_a_change_of_the_zone_moves_no_boundary_before_the_end_of_the_open_period() -> None:
    journal, berlin = Journal(reload=True), terms(fee("base", "31.00"), per_unit(), timezone="Europe/Berlin")
    journal.start("2025-12-31T23:00", berlin)
    moved = rezoned(berlin, "America/New_York", instant(us("2025-12-31T23:00")), instant(us("2026-01-31T23:00")))
    journal.use("ahead", "2026-03-01T02:00", "1")
    journal.rezone("2026-01-10", moved)
    journal.close("2026-01-31T23:00")
    journal.close("2026-03-01T05:00")
    journal.close("2026-04-01T04:00")
    assert [[line[1:] for line in brief(one)] for one in journal.statements] == [
        [("base", "1", "3100", "2025-12-31T23:00", "2026-01-31T23:00")],
        [
            ("base", "1", "3100", "2026-01-31T23:00", "2026-03-01T05:00"),
            ("m", "0", "0", "2025-12-31T23:00", "2026-01-31T23:00"),
        ],
        [
            ("base", "1", "3100", "2026-03-01T05:00", "2026-04-01T04:00"),
            ("m", "1", "100", "2026-01-31T23:00", "2026-03-01T05:00"),
        ],
        [
            ("base", "1", "3100", "2026-04-01T04:00", "2026-05-01T04:00"),
            ("m", "0", "0", "2026-03-01T05:00", "2026-04-01T04:00"),
        ],
    ]


def test_a_change_of_the_zone_changes_nothing_else() -> None:
    journal = started(fee("base", "31.00"))
    other: Terms = terms(fee("base", "1.00"), timezone="Europe/Berlin")
    assert isinstance(journal.rezone("2026-01-10", other)[1], Refused)


# --- what an auditor found


def test_amounts_of_more_than_64_bits_are_stored_and_restored() -> None:
    huge = Coupon(code="huge", amount_off="200000000000000000000")
    journal = Journal(reload=True)
    prices = (per_unit(), fee("base", "300000000000000000000"), commitment("900000000000000000000"))
    journal.start("2026-01-01", terms(*prices), coupons=[huge])
    journal.use("a", "2026-01-05", "184467440737095516.16")
    journal.close("2026-02-01")
    journal.use("late", "2026-01-06", "1")
    journal.close("2026-03-01")
    usage = 18446744073709551616
    commit, paid, off = 90_000 * 10**18, 30_000 * 10**18, 20_000 * 10**18
    assert discounts(journal) == [
        [(paid - off, off)],
        [(usage, 0), (paid - off, off), (commit - paid - usage, 0)],
        [(100, 0), (-100, 0), (0, 0), (paid - off, off), (commit - paid, 0)],
    ]


def test_a_day_that_a_zone_skipped_does_not_stop_a_window_that_spans_it() -> None:
    journal = Journal(reload=True)
    journal.start("2011-12-10T10:00", terms(fee("base", "31.00"), timezone="Pacific/Apia"))
    journal.change("2011-12-15T10:00", terms(fee("day", "1.00"), timezone="Pacific/Apia", period="P1D", plan="q"))
    assert amounts(journal)[1] == [("unused_fee", "base", -2583), ("fee", "day", 2500)]  # 25 of 30 days


def test_the_last_charge_that_may_wait_brings_its_invoice() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    for _ in range(MOST_WAITING - 1):
        assert [one.lines for one in journal.charge("2026-01-05", "c", "1") if isinstance(one, Statement)] == [()]
    journal.charge("2026-01-05", "c", "1")
    assert [len(one.lines) for one in journal.statements] == [MOST_WAITING]


@pytest.mark.parametrize("is_late", [False, True])
def test_what_began_in_a_long_window_is_remembered_as_long_as_its_usage_may_come_late(*, is_late: bool) -> None:
    journal = started(fee("base", "0"), period="P1Y")
    journal.change("2026-02-15", terms(per_unit(), commitment("31.00"), plan="q"))
    journal.coupon("2026-02-16", Coupon(code="ten", amount_off="10.00"))
    journal.use("a", "2026-03-05", "20")
    if not is_late:
        journal.use("b", "2026-03-06", "5")
    journal.close("2027-01-01")
    if is_late:
        journal.use("b", "2026-03-06", "5")
    journal.close("2027-02-01")
    billed = [line for one in journal.statements for line in one.lines]
    # 25.00 less 10.00; 31.00 x 320 days of the open window / 28 of February, less 25.00; and January's 31.00
    assert sum(line.amount_minor for line in billed) == 1500 + (35429 - 2500) + 3100


def test_late_events_that_sum_to_nothing_still_owe_what_each_costs() -> None:
    each: Raw = {
        "code": "m", "type": "usage", "meter": "m", "model": "percentage", "rate_percent": "1",
        "per_event_amount": "0.30",
    }  # fmt: skip
    journal = started(each)
    journal.close("2026-02-01")
    journal.use("a", "2026-01-05", "50")
    journal.use("b", "2026-01-06", "-50")
    journal.close("2026-03-01")
    assert brief(journal.statements[1])[0] == ("adjustment", "m", "0", "60", "2026-01-01", "2026-02-01")


def test_levels_of_groups_are_summed_exactly() -> None:
    together: Raw = {**per_unit("m", "1000000"), "across_groups": True}
    journal = started(together, meters=[LEVEL])
    for number, (level, region) in enumerate((("1e22", "a"), ("0.123456789012", "b"), ("-1e22", "c"))):
        journal.use(f"{number}", "2026-01-01", level, region=region)
    for month in ("02", "03"):
        journal.close(f"2026-{month}-01")
    assert [sum(line.amount_minor for line in one.lines) for one in journal.statements] == [12345679, 12345679]


def test_a_fee_in_arrears_has_so_many_stretches_and_one_in_advance_keeps_the_newest() -> None:
    journal = started(fee("now", "31.00"))
    for number in range(20):
        journal.quantity("2026-01-11", "now", str(number + 2))
    assert len(journal.stored[b""]) < 700
