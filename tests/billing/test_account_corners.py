"""Corners of the account machine where two rules meet."""

from collections.abc import Iterable

import pytest

from billing.account import (
    USAGE_WINDOW_US,
    VOIDED,
    SeenInMemory,
    books,
    bounds,
    charges,
    coupons,
    fees,
    parking,
    subscribed,
    usage_key,
)
from billing.entry import Coupon
from billing.instant import DAY_US
from billing.statement import Parked, Refused
from billing.subscription import State
from tests.billing.journal import SUM, Journal, Raw, brief, fee, per_unit, terms, usage

GROUPED: Raw = {**SUM, "group_by": ["region"]}
LEVEL: Raw = {**SUM, "code": "level", "aggregation": "weighted_sum", "carry_over": True, "group_by": ["region"]}
SEATS: Raw = {**per_unit("seats"), "meter": "level"}


def reasons(said: Iterable[object]) -> list[str]:
    return [one.reason for one in said if isinstance(one, Refused)]


def discounts(journal: Journal) -> list[list[tuple[int, int]]]:
    return [[(line.amount_minor, line.discount_minor) for line in one.lines] for one in journal.statements]


def cells(journal: Journal) -> int:
    return sum(key[:1] == b"c" for key in journal.stored)


# --- voids


def test_what_no_window_takes_back_any_more_is_refused_and_says_why() -> None:
    journal = Journal(usage_window_days=10)
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-05")
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    (refused,) = journal.void("a")
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.position) == ("too-old", 1)
    assert refused.detail == "its period ended more than 10 days before the newest close; bill it by hand"
    journal.cancel("2026-03-05")
    assert reasons(journal.void("a")) == ["final-billed"]


def test_a_void_that_one_of_two_subscriptions_takes_back_is_no_refusal() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.start("2026-01-01", terms(per_unit("n")), subscription="s2")
    journal.use("a", "2026-01-05", "3")
    journal.cancel("2026-01-10")
    assert journal.void("a") == []
    journal.close("2026-02-01", "s2")
    assert [line[:3] for one in journal.statements for line in brief(one)] == [("usage", "m", "3"), ("usage", "n", "0")]


def test_of_two_refusals_of_a_void_the_first_subscriptions_is_told() -> None:
    journal = Journal(usage_window_days=1)
    journal.start("2026-01-01", terms(per_unit()))
    journal.start("2026-01-01", terms(per_unit()), subscription="s2")
    journal.use("a", "2026-01-05")
    for at in ("2026-02-01", "2026-03-01"):
        journal.close(at)
    journal.cancel("2026-01-10", "s2")
    (refused,) = journal.void("a")
    assert isinstance(refused, Refused)
    assert refused.reason == "too-old"
    assert refused.detail == "its period ended more than 1 days before the newest close; bill it by hand"


def test_usage_that_was_refused_after_all_is_voided_like_any_that_never_came() -> None:
    journal = Journal()
    journal.append(usage("early", "2025-12-31"))
    assert reasons(journal.start("2026-01-01", terms(per_unit()))) == ["before-start"]
    assert journal.void("early") == []
    known = journal.seen.get(usage_key(usage("early", "2025-12-31")))
    assert known is not None
    assert known[1] == VOIDED


# --- usage that a command concerns


def test_a_command_moves_only_usage_of_its_own_subscription_and_of_its_open_period() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.start("2026-01-01", terms(per_unit()), subscription="s2")
    journal.append(usage("other", "2026-01-20", "5", subscription="s2"), usage("next", "2026-02-01", "7"))
    assert len(journal.change("2026-01-10", terms(per_unit("n"), plan="q"))) == 1
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    journal.close("2026-02-01", "s2")
    assert [brief(one)[0][1:3] for one in journal.statements] == [("m", "0"), ("n", "0"), ("n", "7"), ("m", "5")]


def test_usage_that_another_subscription_still_counts_is_not_refused() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.start("2026-01-01", terms(per_unit()), subscription="s2")
    journal.use("a", "2026-01-20")
    assert reasons(journal.pause("2026-01-10")) == []
    assert reasons(journal.pause("2026-01-10", "s2")) == ["paused"]


def test_usage_a_second_after_the_newest_is_seen_by_a_command_of_that_second() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-10T00:00:00")
    journal.use("b", "2026-01-10T00:00:01", "2")
    journal.change("2026-01-10T00:00:01", terms(per_unit("n"), plan="q"))
    journal.cancel("2026-01-11")
    assert [brief(one)[0][1:3] for one in journal.statements] == [("m", "1"), ("n", "2")]


def test_refused_usage_a_second_after_the_newest_counts_once_a_command_gives_it_a_window() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.pause("2026-01-05")
    assert reasons(journal.use("a", "2026-01-10T00:00:00")) == ["paused"]
    assert reasons(journal.use("b", "2026-01-10T00:00:01", "2")) == ["paused"]
    journal.resume("2026-01-10T00:00:01")
    journal.cancel("2026-01-11")
    assert [brief(one)[0][2] for one in journal.statements] == ["0", "2"]


# --- late usage


def test_a_second_correction_of_a_period_is_of_what_the_first_left() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    for at, late in (("2026-02-01", "1"), ("2026-02-15", "2")):
        journal.close(at) if at == "2026-02-01" else journal.change(at, terms(per_unit(), plan="q"))
        journal.use(f"late {late}", "2026-01-05", late)
    journal.close("2026-03-01")
    assert [line[:3] for one in journal.statements for line in brief(one) if line[0] == "adjustment"] == [
        ("adjustment", "m", "1"),
        ("adjustment", "m", "2"),
    ]


def test_a_group_that_came_late_and_went_before_it_was_billed_has_no_line() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(minimum_amount="5"), meters=[GROUPED]))
    journal.close("2026-02-01")
    journal.append(usage("late", "2026-01-05", region="eu"))
    journal.void("late")
    journal.close("2026-03-01")
    assert journal.statements == []


def test_what_a_coupon_takes_off_a_group_first_seen_late_counts_from_nothing() -> None:
    journal = Journal()
    half = Coupon(code="half", percent_off="50")
    journal.start("2026-01-01", terms(per_unit("m", "0.01"), meters=[GROUPED]), coupons=[half])
    journal.close("2026-02-01")
    journal.append(usage("a", "2026-01-05", "1", region="a"), usage("b", "2026-01-05", "2", region="b"))
    journal.close("2026-03-01")
    assert discounts(journal) == [[(0, 1), (1, 1)]]


def test_a_list_of_late_cells_is_written_once() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.close("2026-02-01")
    journal.use("late", "2026-01-05")
    assert b"l" in {key[:1] for key, _ in journal.write().items}
    assert journal.write().items == []


# --- coupons


def test_a_coupon_is_in_force_for_late_usage_as_long_as_that_is_taken() -> None:
    journal = Journal(reload=True, usage_window_days=28)
    half, five = Coupon(code="half", percent_off="50", periods=1), Coupon(code="five", amount_off="5", periods=1)
    journal.start("2026-01-01", terms(per_unit(), period="P28D"), coupons=[half, five])
    journal.use("a", "2026-01-05", "10")
    journal.close("2026-01-29")
    journal.close("2026-02-26")  # 28 days later: the first period still takes usage
    journal.use("late", "2026-01-28", "4")
    journal.close("2026-03-26")
    assert discounts(journal) == [[(0, 1000)], [(0, 0)], [(200, 200), (0, 0)]]


def test_coupons_for_ever_leave_nothing_behind_but_themselves() -> None:
    journal = Journal(reload=True)
    journal.start("2024-01-01", terms(fee("base", "10")), coupons=[Coupon(code="one", amount_off="1")])
    sizes = []
    for number in range(1, 24):
        journal.close(f"{2024 + number // 12}-{number % 12 + 1:02}-01")
        sizes.append(len(journal.stored[b""]) - 8 * (number + 1))
    assert max(sizes[4:]) - min(sizes[4:]) <= 16


def test_coupons_are_bounded_and_a_removal_names_those_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupons, "MOST_HELD", 2)
    journal = Journal()
    journal.start("2026-01-01", terms(fee()), coupons=[Coupon(code="half", percent_off="50")])
    assert len(journal.coupon("2026-01-02", Coupon(code="ten", percent_off="10"))) == 1
    (_, refused) = journal.no_coupon("2026-01-02", "c")
    assert isinstance(refused, Refused)
    assert refused.detail == "coupon c is not in force; in force are: half, ten"
    (_, refused) = journal.coupon("2026-01-02", Coupon(code="more", percent_off="10"))
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("2 coupons were applied to the subscription lately")


@pytest.mark.parametrize("changed_on", ["2026-01-20", "2026-03-15"])
def test_an_amount_is_given_once_for_periods_of_two_lengths_that_begin_together(changed_on: str) -> None:
    journal = Journal(reload=True)
    year: Raw = {"code": "setup", "type": "one_off", "amount": "7"}
    journal.start("2026-01-01", terms(per_unit()), coupons=[Coupon(code="ten", amount_off="10")])
    journal.use("a", "2026-01-05", "20")
    for at in ("2026-02-01", "2026-03-01", changed_on):
        if at <= changed_on:
            journal.close(at) if at != changed_on else journal.change(at, terms(year, period="P1Y", plan="q"))
    journal.close("2026-02-01" if changed_on < "2026-02" else "2026-04-01")
    for at in ("2026-04-10", "2026-05-20"):
        journal.change(at, terms(year, period="P1Y", plan=f"from {at}"))
    for day in ("01", "02"):
        journal.charge(f"2026-07-{day}", "visit", "4", at_once=True)
    given = [line.discount_minor for one in journal.statements for line in one.lines]
    assert sum(given) == 1000
    assert given[-1] == 0


# --- quantities


def test_the_stretches_of_a_fee_in_arrears_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fees, "MOST_STRETCHES", 3)
    journal = Journal()
    journal.start("2026-01-01", terms(fee("served", "1", billed="in_arrears")))
    for day in ("02", "03"):
        assert len(journal.quantity(f"2026-01-{day}", "served", day)) == 1
    (_, refused) = journal.quantity("2026-01-04", "served", "4")
    assert isinstance(refused, Refused)
    assert refused.detail == "the quantity of served has changed too often in this period; wait for the next"
    journal.close("2026-02-01")
    assert len(journal.quantity("2026-02-02", "served", "5")) == 1


# --- levels


def test_a_level_is_carried_beside_a_price_that_carries_none_and_old_windows_go() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(SEATS, per_unit(), meters=[LEVEL, SUM]))
    journal.use("a", "2026-01-01", "8", region="eu")
    journal.change("2026-01-20", terms(fee("base", "0"), plan="q"))
    for number in range(2, 13):
        journal.close(f"2026-{number:02}-01")
    assert cells(journal) == 2  # of the one window that the level ended in
    journal.change("2026-12-02", terms(SEATS, meters=[LEVEL], plan="r"))
    journal.close("2027-01-01")
    assert brief(journal.statements[-1])[-1][:4] == ("usage", "seats", "eu", "8")
    for number in range(2, 6):
        journal.close(f"2027-{number:02}-01")
    assert cells(journal) <= 3


def test_windows_whose_meters_carry_nothing_leave_nothing() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-05")
    journal.change("2026-01-20", terms(fee("base", "0"), plan="q"))
    for number in range(2, 6):
        journal.close(f"2026-{number:02}-01")
    assert cells(journal) == 0


def test_a_group_whose_level_is_back_at_0_is_not_carried() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(SEATS, meters=[LEVEL]))
    journal.use("a", "2026-01-01", "8", region="eu")
    journal.use("b", "2026-01-05", "-8", region="eu")
    journal.close("2026-02-01")
    assert cells(journal) == 1


# --- what an account tells of itself


def test_parked_usage_is_counted_taken_back_and_gone_once_it_is_counted() -> None:
    journal = Journal(reload=True)
    for name in "abc":
        assert journal.use(name, "2026-01-05") == [Parked()]
    assert (journal.account.parked, journal.account.states()) == (3, [])
    journal.void("b")
    assert journal.account.parked == 2
    journal.start("2026-01-01", terms(per_unit()))
    assert (journal.account.parked, journal.account.states()) == (0, [("s1", State.ACTIVE)])
    assert not any(key[:1] == b"p" for key in journal.stored)
    journal.close("2026-02-01")
    assert brief(journal.statements[0])[0][2] == "2"


def test_parking_that_is_full_says_how_to_empty_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "MOST_PARKED", 2)
    journal = Journal()
    journal.use("a", "2026-01-05")
    journal.use("b", "2026-01-05")
    (refused,) = journal.use("c", "2026-01-05")
    assert refused == Refused("parked-full", "2 events wait for a subscription already; start it, then send this again")
    journal.void("a")
    assert journal.use("c", "2026-01-05") == [Parked()]
    monkeypatch.setattr(parking, "LARGEST_PARKED_BYTES", 10)
    journal.void("b")
    (refused,) = journal.use("d", "2026-01-05")
    assert isinstance(refused, Refused)
    assert refused.reason == "parked-too-large"
    assert refused.detail.endswith("bytes, at most 10 wait for a subscription; start it first")


def test_seen_in_memory_is_what_was_put() -> None:
    seen = SeenInMemory()
    seen.put(b"k", 1, b"d")
    assert seen.get(b"k") == (1, b"d")


# --- what was refused or parked, and has a window now


def test_of_refused_usage_what_can_be_read_counts_once_and_what_waits_for_another_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parking, "MOST_PARKED", 0)
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.pause("2026-01-05")
    unread = usage("unread", "2026-01-20", "no number")
    sent = [
        *journal.append(usage("elsewhere", "2026-01-20", subscription="s9")),
        *journal.append(unread),
        *journal.use("b", "2026-01-20", "2"),
        *journal.use("b", "2026-01-20", "2"),
    ]
    assert reasons(sent) == ["parked-full", "paused", "paused", "paused"]
    journal.resume("2026-01-10")
    journal.close("2026-02-01")
    assert [brief(one)[0][2] for one in journal.statements] == ["0", "2"]


def test_parked_usage_is_counted_past_what_is_for_another_or_refused() -> None:
    journal = Journal()
    journal.append(
        usage("other", "2026-01-05", "1", subscription="s2"),
        usage("early", "2025-12-05", "2"),
        usage("mine", "2026-01-05", "4"),
    )
    assert reasons(journal.start("2026-01-01", terms(per_unit()))) == ["before-start"]
    assert journal.account.parked == 1
    journal.close("2026-02-01")
    assert brief(journal.statements[0])[0][2] == "4"


def test_bounds_are_as_they_are_told() -> None:
    """The pricing page, the guarantees and the errors name them."""
    assert (bounds.LARGEST_GROUPS_BYTES, bounds.LARGEST_LATE_BYTES, bounds.MOST_VALUES) == (4 << 20, 4 << 20, 200_000)
    assert (parking.MOST_PARKED, parking.LARGEST_PARKED_BYTES) == (1_000, 64 << 10)
    assert (charges.MOST_WAITING, fees.MOST_STRETCHES, coupons.MOST_HELD) == (1_000, 10_000, 200)
    assert (books.KNOWN_COMMANDS, subscribed.AHEAD_US, USAGE_WINDOW_US) == (256, 400 * DAY_US, 35 * DAY_US)


def test_parked_usage_may_be_as_large_as_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(reload=True)
    journal.use("a", "2026-01-05")
    (size,) = [len(value) for key, value in journal.stored.items() if key[:1] == b"p"]
    monkeypatch.setattr(parking, "LARGEST_PARKED_BYTES", size)
    assert journal.use("b", "2026-01-05") == [Parked()]
    monkeypatch.setattr(parking, "LARGEST_PARKED_BYTES", size - 1)
    assert reasons(journal.use("c", "2026-01-05")) == ["parked-too-large"]


def test_a_window_goes_as_soon_as_the_next_one_has_taken_its_level_over() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(SEATS, meters=[LEVEL], period="P1Y"))
    journal.use("a", "2026-01-01", "8", region="eu")
    journal.change("2026-02-15", terms(SEATS, meters=[LEVEL], period="P1Y", plan="q"))
    assert cells(journal) == 2
    journal.pause("2026-04-15")
    assert cells(journal) == 1


def test_what_is_too_early_for_one_subscription_is_counted_by_none() -> None:
    """Else it would look as if the other one had counted it, once its windows have come so far."""
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), period="P1Y"), subscription="yearly")
    journal.start("2026-01-01", terms(per_unit()), subscription="monthly")
    (refused,) = journal.use("far", "2027-05-20", "5")
    assert isinstance(refused, Refused)
    assert refused.reason == "too-early"
    journal.cancel("2026-01-15", "yearly")
    assert journal.use("near", "2026-01-20", "7") == []
    for month in ("02", "03", "04", "05", "06"):
        journal.close(f"2026-{month}-01", "monthly")
    assert journal.use("far again", "2027-05-20", "5") == []
    assert journal.void("far again") == []


def test_what_was_counted_is_not_too_early_for_a_shorter_period() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(), period="P1Y"), subscription="a")
    journal.start("2026-01-01", terms(per_unit(), period="P1Y"), subscription="b")
    assert journal.use("far", "2027-12-20", "5") == []
    journal.change("2026-02-01", terms(per_unit(), plan="q"), "b")
    journal.change("2026-02-10", terms(per_unit(), plan="r"), "b")
    ends = [f"{2026 + month // 12}-{month % 12 + 1:02}-01" for month in range(2, 25)]
    for end in ends:
        journal.close(end, "b")
    assert ("usage", "m", "5", "500", "2027-12-01", "2028-01-01") in brief(journal.statements[-1])
    assert journal.void("far") == []
