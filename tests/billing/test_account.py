"""The rules of the norm, one by one, on the account machine."""

import msgspec
import pytest

from billing.entry import UsageVoided
from billing.errors import Defect
from billing.statement import Conflict, Duplicate, Parked, Refused, Repeated, Statement, Voided
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, brief, fee, per_unit, terms, usage

GROUPED = {**SUM, "group_by": ["region"]}
LEVEL = {"code": "m", "event": "x", "aggregation": "weighted_sum", "property": "n", "carry_over": True}
LATEST = {**LEVEL, "aggregation": "latest"}


def started(*prices: object, at: str = "2026-01-01", **more: object) -> Journal:
    journal = Journal()
    journal.start(at, terms(*prices, **more))  # type: ignore[arg-type]
    return journal


def test_fees_in_advance_are_stated_at_the_start() -> None:
    journal = started(fee())
    assert [brief(s) for s in journal.statements] == [[("fee", "base", "1", "3100", "2026-01-01", "2026-02-01")]]


def test_a_partial_first_period_owes_its_part_of_the_fee() -> None:
    journal = Journal()
    journal.start("2026-01-22", terms(fee()), anchor="2026-01-01")
    assert brief(journal.statements[0]) == [("fee", "base", "1", "1000", "2026-01-22", "2026-02-01")]


def test_a_close_states_usage_and_fees_together_in_the_order_of_the_plan() -> None:
    journal = started(fee("arrears", billed="in_arrears"), per_unit(), fee("advance"))
    journal.use("a", "2026-01-05", "7")
    journal.close("2026-02-01")
    assert brief(journal.statements[1]) == [
        ("fee", "arrears", "1", "3100", "2026-01-01", "2026-02-01"),
        ("usage", "m", "7", "700", "2026-01-01", "2026-02-01"),
        ("fee", "advance", "1", "3100", "2026-02-01", "2026-03-01"),
    ]


def test_a_price_without_usage_has_a_line_of_quantity_zero() -> None:
    journal = started(per_unit(minimum_amount="5"))
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "0", "500", "2026-01-01", "2026-02-01")]


def test_groups_stand_sorted_and_each_owes_the_minimum() -> None:
    journal = started(per_unit(minimum_amount="5"), meters=[GROUPED])
    journal.append(usage("a", "2026-01-05", "2", region="us"), usage("b", "2026-01-05", "9", region="eu"))
    journal.append(usage("c", "2026-01-06", "3", region="asia"))
    journal.void("c")
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [
        ("usage", "m", "eu", "9", "900", "2026-01-01", "2026-02-01"),
        ("usage", "m", "us", "2", "500", "2026-01-01", "2026-02-01"),
    ]


def test_a_command_without_anything_owed_has_a_statement_without_lines() -> None:
    journal = Journal()
    (statement,) = journal.start("2026-01-01", terms(per_unit()))
    assert isinstance(statement, Statement)
    assert (statement.lines, statement.position, statement.plan) == ((), 0, "p")


def test_statement_ids_are_a_function_of_the_command() -> None:
    assert started(fee()).statements[0].statement_id == started(fee(), per_unit()).statements[0].statement_id
    two = Journal()
    two.start("2026-01-01", terms(fee()), subscription="s1")
    two.start("2026-01-01", terms(fee()), subscription="s2")
    assert len({statement.statement_id for statement in two.statements}) == 2


def test_a_plan_change_states_credits_then_what_ended_then_what_begins() -> None:
    journal = started(fee("old", billed="in_arrears"), per_unit(), fee("ahead"))
    journal.use("a", "2026-01-05", "2")
    journal.change("2026-01-11", terms(fee("new", "62.00"), per_unit("m", "3"), plan="q"))
    journal.use("b", "2026-01-20", "2")
    journal.close("2026-02-01")
    assert [brief(statement) for statement in journal.statements[1:]] == [
        [
            ("unused_fee", "ahead", "1", "-2100", "2026-01-11", "2026-02-01"),
            ("fee", "old", "1", "1000", "2026-01-01", "2026-01-11"),
            ("usage", "m", "2", "200", "2026-01-01", "2026-01-11"),
            ("fee", "new", "1", "4200", "2026-01-11", "2026-02-01"),
        ],
        [
            ("fee", "new", "1", "6200", "2026-02-01", "2026-03-01"),
            ("usage", "m", "2", "600", "2026-01-11", "2026-02-01"),
        ],
    ]


def test_a_change_at_the_start_of_a_period_has_no_usage_line() -> None:
    journal = started(per_unit(), fee())
    journal.change("2026-01-01", terms(per_unit("m", "2"), fee("new")))
    assert brief(journal.statements[1]) == [
        ("unused_fee", "base", "1", "-3100", "2026-01-01", "2026-02-01"),
        ("fee", "new", "1", "3100", "2026-01-01", "2026-02-01"),
    ]


def test_a_change_of_the_period_keeps_the_boundary_and_owes_the_time_by_the_new_period() -> None:
    journal = started(fee())
    journal.change("2026-01-15", terms(fee("weekly", "7.00"), period="P1W"))
    journal.close("2026-02-01")
    assert brief(journal.statements[1])[1] == ("fee", "weekly", "1", "1700", "2026-01-15", "2026-02-01")
    assert brief(journal.statements[2]) == [("fee", "weekly", "1", "400", "2026-02-01", "2026-02-05")]


def test_a_cancellation_now_credits_and_bills_and_nothing_follows() -> None:
    journal = started(fee(), per_unit())
    journal.use("a", "2026-01-05", "2")
    journal.cancel("2026-01-11")
    assert brief(journal.statements[1]) == [
        ("unused_fee", "base", "1", "-2100", "2026-01-11", "2026-02-01"),
        ("usage", "m", "2", "200", "2026-01-01", "2026-01-11"),
    ]
    answer, refused = journal.close("2026-02-01")
    assert isinstance(refused, Refused)
    assert refused.reason == "illegal-command"
    assert isinstance(answer, Statement)
    assert (answer.lines, answer.command_id) == ((), f"command-{len(journal.entries) - 1}")
    assert answer.refusal == refused.detail


def test_a_cancellation_at_the_end_of_a_period_stands_in_place_of_its_close() -> None:
    journal = started(fee(), per_unit(), fee("arrears", billed="in_arrears"))
    journal.use("a", "2026-01-05", "2")
    journal.cancel("2026-02-01")
    assert brief(journal.statements[1]) == [
        ("usage", "m", "2", "200", "2026-01-01", "2026-02-01"),
        ("fee", "arrears", "1", "3100", "2026-01-01", "2026-02-01"),
    ]


def test_late_usage_is_the_difference_on_the_next_statement_once() -> None:
    journal = started(per_unit(minimum_amount="5"))
    journal.use("a", "2026-01-05", "2")
    journal.close("2026-02-01")
    journal.use("late", "2026-01-31", "4")
    journal.close("2026-03-01")
    journal.close("2026-04-01")
    assert [brief(statement) for statement in journal.statements[1:]] == [
        [
            ("adjustment", "m", "4", "100", "2026-01-01", "2026-02-01"),
            ("usage", "m", "0", "500", "2026-02-01", "2026-03-01"),
        ],
        [("usage", "m", "0", "500", "2026-03-01", "2026-04-01")],
    ]


def test_each_adjustment_goes_on_from_the_one_before() -> None:
    journal = started(per_unit())
    journal.close("2026-02-01")
    journal.use("late", "2026-01-31", "4")
    journal.close("2026-03-01")
    journal.use("later", "2026-01-31", "1")
    journal.cancel("2026-03-31")
    assert [brief(statement)[0][2:4] for statement in journal.statements] == [("0", "0"), ("4", "400"), ("1", "100")]


def test_a_group_first_seen_late_owes_all_of_it_and_one_that_lost_its_events_nothing() -> None:
    journal = started(per_unit(minimum_amount="5"), meters=[GROUPED])
    journal.append(usage("a", "2026-01-05", "2", region="us"))
    journal.close("2026-02-01")
    journal.append(usage("b", "2026-01-06", "3", region="eu"))
    journal.void("a")
    journal.close("2026-03-01")
    assert brief(journal.statements[1]) == [
        ("adjustment", "m", "eu", "3", "500", "2026-01-01", "2026-02-01"),
        ("adjustment", "m", "us", "-2", "-500", "2026-01-01", "2026-02-01"),
    ]


def test_late_usage_that_leaves_the_quantity_as_it_was_has_no_line() -> None:
    journal = started(per_unit(), meters=[{**SUM, "aggregation": "max"}])
    journal.use("a", "2026-01-05", "9")
    journal.close("2026-02-01")
    journal.use("b", "2026-01-06", "3")
    journal.close("2026-03-01")
    assert brief(journal.statements[1]) == [("usage", "m", "0", "0", "2026-02-01", "2026-03-01")]


def test_adjustments_stand_before_all_else_oldest_window_first() -> None:
    journal = started(per_unit("first"), per_unit("second"))
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    journal.append(usage("b", "2026-02-05"), usage("a", "2026-01-05"))
    journal.change("2026-03-10", terms(fee()))
    assert [(line[0], line[1], line[-2]) for line in brief(journal.statements[2])] == [
        ("adjustment", "first", "2026-01-01"),
        ("adjustment", "second", "2026-01-01"),
        ("adjustment", "first", "2026-02-01"),
        ("adjustment", "second", "2026-02-01"),
        ("usage", "first", "2026-03-01"),
        ("usage", "second", "2026-03-01"),
        ("fee", "base", "2026-03-10"),
    ]


def test_an_id_counts_once_and_other_content_is_a_conflict() -> None:
    journal = started(per_unit())
    assert journal.use("a", "2026-01-05", "2") == []
    assert journal.use("a", "2026-01-05", "2") == [Duplicate(first=1)]
    assert journal.use("a", "2026-01-05", "3") == [Conflict(first=1)]
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "2", "200", "2026-01-01", "2026-02-01")]


def test_a_voided_id_stays_voided_whether_it_came_before_or_after() -> None:
    journal = started(per_unit())
    journal.use("a", "2026-01-05", "2")
    journal.void("a")
    assert journal.use("a", "2026-01-05", "2") == [Voided(by=2)]
    assert journal.void("never") == []
    assert journal.use("never", "2026-01-05", "2") == [Voided(by=4)]
    assert journal.void("a") == [Repeated()]
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "0", "0", "2026-01-01", "2026-02-01")]


def test_a_void_after_billing_is_given_back_on_the_next_statement() -> None:
    journal = started(per_unit())
    journal.use("a", "2026-01-05", "2")
    journal.close("2026-02-01")
    journal.void("a")
    journal.close("2026-03-01")
    assert brief(journal.statements[1])[0] == ("adjustment", "m", "-2", "-200", "2026-01-01", "2026-02-01")


def test_a_void_whose_original_the_journal_lost_is_refused_and_one_with_another_is_a_defect() -> None:
    journal = started(per_unit())
    journal.use("a", "2026-01-05", "2")
    void = UsageVoided(command_id="v", tenant=TENANT, customer=CUSTOMER, source="", id="a", at_us=0)
    (refused,) = journal.append(void)
    assert isinstance(refused, Refused)
    assert refused.reason == "original-gone"
    with pytest.raises(Defect, match="counted at position 1"):
        journal.append(msgspec.structs.replace(void, original=(usage("a", "2026-01-05", "2"), 0)))


def test_a_level_is_carried_into_the_next_windows_and_late_changes_of_it_too() -> None:
    journal = started(per_unit(), meters=[LEVEL])
    journal.use("a", "2026-01-01", "10")
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    journal.use("late", "2026-01-01", "5")
    journal.close("2026-04-01")
    assert [brief(statement) for statement in journal.statements] == [
        [("usage", "m", "10", "1000", "2026-01-01", "2026-02-01")],
        [("usage", "m", "10", "1000", "2026-02-01", "2026-03-01")],
        [
            ("adjustment", "m", "5", "500", "2026-01-01", "2026-02-01"),
            ("adjustment", "m", "5", "500", "2026-02-01", "2026-03-01"),
            ("usage", "m", "15", "1500", "2026-03-01", "2026-04-01"),
        ],
    ]


def test_the_latest_value_of_a_group_is_carried_past_a_plan_change() -> None:
    meter = {**LATEST, "group_by": ["region"]}
    journal = started(per_unit(), meters=[meter])
    journal.append(usage("a", "2026-01-05", "4", region="eu"))
    journal.change("2026-01-11", terms(per_unit("seats", "2"), meters=[meter]))
    journal.close("2026-02-01")
    assert brief(journal.statements[1]) == [("usage", "seats", "eu", "4", "800", "2026-01-11", "2026-02-01")]


def test_percentage_prices_take_events_in_the_order_of_their_time() -> None:
    price = {
        "code": "m",
        "type": "usage",
        "meter": "m",
        "model": "percentage",
        "rate_percent": "10",
        "free_events": "1",
    }
    journal = started(price)
    journal.append(usage("b", "2026-01-06", "50"), usage("a", "2026-01-05", "100"))
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "150", "500", "2026-01-01", "2026-02-01")]


def test_usage_counts_for_each_subscription_or_for_the_one_it_names() -> None:
    journal = started(per_unit())
    journal.start("2026-01-10", terms(per_unit("m", "2")), subscription="s2")
    journal.append(usage("both", "2026-01-11", "1"), usage("first", "2026-01-05", "10"))
    journal.append(usage("named", "2026-01-12", "100", subscription="s2"))
    journal.close("2026-02-01")
    journal.close("2026-02-10", "s2")
    assert [brief(statement)[0][2:4] for statement in journal.statements] == [("11", "1100"), ("101", "20200")]


@pytest.mark.parametrize(
    ("at", "reason"), [("2025-12-31", "before-start"), ("2026-01-25", "after-end"), ("2026-01-05", "final-billed")]
)
def test_usage_outside_the_subscription_is_refused_with_the_reason(at: str, reason: str) -> None:
    journal = started(per_unit())
    journal.cancel("2026-01-20")
    (refused,) = journal.use("a", at)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_refused_usage_has_no_effect_on_any_meter_and_counts_when_it_is_sent_again() -> None:
    other = {"code": "o", "event": "x", "aggregation": "sum", "property": "o"}
    journal = started(per_unit(), {**per_unit("o"), "meter": "o"}, meters=[SUM, other])
    (missing,) = journal.use("a", "2026-01-05", "2")
    (no_decimal,) = journal.use("a", "2026-01-05", "2", o="many")
    assert isinstance(missing, Refused)
    assert isinstance(no_decimal, Refused)
    assert (missing.reason, no_decimal.reason) == ("missing-property", "not-a-decimal")
    assert journal.use("a", "2026-01-05", "2", o="3") == []
    journal.close("2026-02-01")
    assert [line[2] for line in brief(journal.statements[0])] == ["2", "3"]


def test_usage_that_no_price_measures_is_taken_in_silently() -> None:
    journal = started(per_unit())
    assert journal.use("a", "2026-01-05", type_="y") == []
    assert journal.use("a", "2026-01-05", type_="y") == [Duplicate(first=1)]


def test_usage_of_more_than_35_days_after_its_window_is_refused_and_the_window_forgotten() -> None:
    journal = started(per_unit(), meters=[GROUPED])
    journal.append(usage("a", "2026-01-05", region="eu"))
    for month in ("02", "03", "04"):
        journal.close(f"2026-{month}-01")
        journal.write()
    (refused,) = journal.append(usage("b", "2026-01-05", region="eu"))
    assert isinstance(refused, Refused)
    assert refused.reason == "too-old"
    assert journal.append(usage("c", "2026-02-05", region="eu")) == []
    assert [key[:1] for key in journal.stored if key[:1] in {b"c", b"g"}] == []


def test_usage_ahead_of_the_open_period_waits_in_its_own_window() -> None:
    journal = started(per_unit())
    journal.append(usage("mar", "2026-03-05", "3"), usage("feb", "2026-02-05", "2"), usage("jan", "2026-01-05", "1"))
    for month in ("02", "03", "04"):
        journal.close(f"2026-{month}-01")
    assert [brief(statement)[0][2] for statement in journal.statements] == ["1", "2", "3"]
    (refused,) = journal.use("far", "2027-12-05")
    assert isinstance(refused, Refused)
    assert refused.reason == "too-early"


def test_usage_before_any_subscription_is_parked_and_applied_in_order() -> None:
    journal = Journal()
    assert journal.use("early", "2026-01-05", "2") == [Parked()]
    assert journal.use("before", "2025-12-05", "2") == [Parked()]
    assert journal.use("voided", "2026-01-06", "9") == [Parked()]
    assert journal.use("early", "2026-01-05", "2") == [Duplicate(first=0)]
    journal.void("voided")
    _, refused = journal.start("2026-01-01", terms(per_unit()))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.position) == ("before-start", 1)
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "2", "200", "2026-01-01", "2026-02-01")]


@pytest.mark.parametrize("reload", [False, True])
def test_usage_that_is_refused_after_all_counts_when_it_is_sent_again(*, reload: bool) -> None:
    journal = Journal(reload=reload)
    assert journal.use("parked", "2026-01-05", "five") == [Parked()]
    _, unreadable = journal.start("2026-01-01", terms(per_unit()))
    assert isinstance(unreadable, Refused)
    assert journal.use("parked", "2026-01-05", "5") == []
    assert journal.use("beyond", "2026-01-20", "7") == []
    *_, ended = journal.cancel("2026-01-10")
    assert isinstance(ended, Refused)
    journal.start("2026-01-10", terms(per_unit()), subscription="s2")
    assert journal.use("beyond", "2026-01-20", "7") == [Duplicate(first=3)]
    journal.close("2026-02-10", subscription="s2")
    assert [line.quantity for statement in journal.statements for line in statement.lines] == ["5", "7"]


def test_a_void_of_usage_that_was_refused_after_all_holds_for_what_is_sent_again() -> None:
    journal = Journal()
    journal.use("parked", "2026-01-05", "five")
    journal.start("2026-01-01", terms(per_unit()))
    assert journal.void("parked") == []
    assert journal.use("parked", "2026-01-05", "5") == [Voided(by=2)]


def test_a_void_of_usage_that_was_refused_and_sent_again_takes_back_what_counted() -> None:
    journal = started(per_unit())
    (refused,) = journal.use("a", "2026-01-05", "five")
    assert isinstance(refused, Refused)
    assert journal.use("a", "2026-01-05", "5") == []
    assert journal.void("a") == []
    journal.close("2026-02-01")
    assert [brief(statement)[0][2] for statement in journal.statements] == ["0"]


def test_usage_that_names_a_later_subscription_is_parked_until_that_one_starts() -> None:
    journal = started(per_unit())
    assert journal.use("a", "2026-01-12", "2", subscription="s2") == [Parked()]
    journal.start("2026-01-10", terms(per_unit()), subscription="s2")
    journal.close("2026-02-01")
    journal.close("2026-02-10", "s2")
    assert [brief(statement)[0][2] for statement in journal.statements] == ["0", "2"]


def test_parking_is_bounded() -> None:
    journal = Journal()
    (large,) = journal.use("large", "2026-01-05", "1", more="x" * 70_000)
    journal.append(*(usage(str(number), "2026-01-05") for number in range(1_000)))
    (full,) = journal.use("full", "2026-01-05")
    assert isinstance(large, Refused)
    assert isinstance(full, Refused)
    assert (large.reason, full.reason) == ("parked-too-large", "parked-full")


def test_a_repeated_command_changes_nothing() -> None:
    journal = started(per_unit(), fee())
    journal.use("a", "2026-01-05", "2")
    close = journal.close("2026-02-01")
    assert close
    assert journal.append(journal.entries[0]) == [Repeated()]
    assert journal.append(journal.entries[2]) == [Repeated()]


def test_a_command_that_the_state_does_not_allow_is_refused_answered_and_changes_nothing() -> None:
    journal, without = started(fee()), started(fee())
    said = [
        *journal.close("2026-01-15"),
        *journal.resume("2026-01-15"),
        *journal.cancel("2026-03-15"),
        *journal.change("2025-12-15", terms(fee())),
        *journal.change("2026-01-15", terms(fee(), currency="EUR")),
        *journal.change("2026-01-15", terms({**per_unit(), "meter": "unknown"})),
        *journal.start("2026-01-15", terms(fee())),
        *journal.cancel("2026-01-15", "unknown"),
    ]
    assert [type(one) for one in said] == [Statement, Refused] * 8
    assert not any(one.lines for one in said if isinstance(one, Statement))
    assert [one.refusal for one in said if isinstance(one, Statement)] == [
        one.detail for one in said if isinstance(one, Refused)
    ]
    assert {one.refusal for one in journal.statements} == {""}
    assert journal.append(journal.entries[1]) == [Repeated()]
    assert [brief(one) for one in journal.statements] == [brief(one) for one in without.statements]
    assert [type(one) for one in journal.close("2026-02-01")] == [Statement]
    assert journal.account.states() == without.account.states()


def test_running_totals_say_quantity_and_amount_of_every_cell_that_changed() -> None:
    journal = started(per_unit("m", "0.5"), meters=[GROUPED])
    journal.append(usage("a", "2026-01-05", "3", region="eu"))
    journal.write()
    journal.append(usage("b", "2026-01-05", "4", region="us"))
    journal.write()
    said = [(total.group["region"], total.quantity, total.amount_minor, total.position) for total in journal.totals]
    assert said == [("eu", "3", 150, 1), ("us", "4", 200, 2)]
