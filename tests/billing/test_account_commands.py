"""Trials, pauses, and commands that stand behind usage which occurred after them."""

import pytest

from billing.entry import PlanChanged
from billing.errors import Defect
from billing.statement import Refused
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, brief, fee, per_unit, terms, us, usage

GROUPED = {**SUM, "group_by": ["region"]}


def test_a_trial_is_measured_and_not_billed_and_the_fees_begin_at_its_end() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee(), per_unit()), trial_end="2026-01-11")
    journal.use("in-trial", "2026-01-05", "5")
    journal.write()
    journal.use("ahead", "2026-01-12", "7")
    journal.close("2026-01-11")
    journal.use("late", "2026-01-06", "5")
    journal.close("2026-02-01")
    assert [brief(statement) for statement in journal.statements] == [
        [("fee", "base", "1", "2100", "2026-01-11", "2026-02-01")],
        [
            ("fee", "base", "1", "3100", "2026-02-01", "2026-03-01"),
            ("usage", "m", "7", "700", "2026-01-11", "2026-02-01"),
        ],
    ]
    assert [(total.quantity, total.amount_minor) for total in journal.totals] == [("5", 0)]


def test_a_plan_changed_and_canceled_in_a_trial_owes_nothing() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee(), per_unit()), trial_end="2026-01-11")
    journal.use("a", "2026-01-05", "5")
    journal.change("2026-01-06", terms(fee(), per_unit()))
    journal.cancel("2026-01-08")
    assert journal.statements == []


def test_a_pause_owes_until_it_begins_and_from_when_it_ends() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee(), per_unit()))
    journal.use("a", "2026-01-05", "5")
    journal.pause("2026-01-11")
    (refused,) = journal.use("paused", "2026-01-15")
    journal.use("late", "2026-01-06", "1")
    journal.resume("2026-01-22")
    journal.use("b", "2026-01-25", "3")
    journal.close("2026-02-01")
    assert isinstance(refused, Refused)
    assert refused.reason == "paused"
    assert [brief(statement) for statement in journal.statements[1:]] == [
        [
            ("unused_fee", "base", "1", "-2100", "2026-01-11", "2026-02-01"),
            ("usage", "m", "5", "500", "2026-01-01", "2026-01-11"),
        ],
        [
            ("adjustment", "m", "1", "100", "2026-01-01", "2026-01-11"),
            ("fee", "base", "1", "1000", "2026-01-22", "2026-02-01"),
        ],
        [
            ("fee", "base", "1", "3100", "2026-02-01", "2026-03-01"),
            ("usage", "m", "3", "300", "2026-01-22", "2026-02-01"),
        ],
    ]


def test_a_plan_changed_in_a_pause_counts_from_its_end_on() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee()))
    journal.pause("2026-01-11")
    journal.change("2026-01-15", terms(fee("new", "62.00")))
    journal.resume("2026-01-22")
    assert brief(journal.statements[-1]) == [("fee", "new", "1", "2000", "2026-01-22", "2026-02-01")]


def test_canceled_in_a_pause_only_late_usage_is_stated() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee(), per_unit()))
    journal.pause("2026-01-11")
    journal.use("late", "2026-01-06", "1")
    journal.cancel("2026-01-20")
    assert brief(journal.statements[-1]) == [("adjustment", "m", "1", "100", "2026-01-01", "2026-01-11")]


def test_usage_that_overtook_a_plan_change_is_priced_by_the_new_plan() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.append(usage("before", "2026-01-05", "1", region="eu"), usage("after", "2026-01-15", "2", region="eu"))
    journal.append(usage("next month", "2026-02-15", "4", region="us"), usage("gone", "2026-01-16", "9", region="eu"))
    journal.append(usage("after", "2026-01-15", "2", region="eu"))
    journal.void("gone")
    journal.write()
    journal.change("2026-01-11", terms(per_unit("new", "10"), meters=[GROUPED]))
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    assert [brief(statement) for statement in journal.statements] == [
        [("usage", "m", "eu", "1", "100", "2026-01-01", "2026-01-11")],
        [("usage", "new", "eu", "2", "2000", "2026-01-11", "2026-02-01")],
        [("usage", "new", "us", "4", "4000", "2026-02-01", "2026-03-01")],
    ]


def test_usage_that_overtook_the_end_is_refused_when_the_end_comes() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("before", "2026-01-05", "1")
    journal.use("after", "2026-01-15", "2")
    journal.use("next month", "2026-02-15", "2")
    _, *refused = journal.cancel("2026-01-11")
    assert [(one.reason, one.position) for one in refused if isinstance(one, Refused)] == [
        ("after-end", 2),
        ("after-end", 3),
    ]
    assert brief(journal.statements[-1]) == [("usage", "m", "1", "100", "2026-01-01", "2026-01-11")]


def test_usage_that_overtook_a_resumption_or_a_new_start_counts_after_all() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.pause("2026-01-05")
    journal.use("a", "2026-01-11", "2")
    journal.resume("2026-01-10")
    journal.cancel("2026-01-20")
    journal.use("b", "2026-02-03", "3")
    journal.use("still refused", "2026-01-25", "9")
    journal.start("2026-02-01", terms(per_unit()), subscription="s2")
    journal.close("2026-03-01", "s2")
    assert [brief(statement) for statement in journal.statements] == [
        [("usage", "m", "0", "0", "2026-01-01", "2026-01-05")],
        [("usage", "m", "2", "200", "2026-01-10", "2026-01-20")],
        [("usage", "m", "3", "300", "2026-02-01", "2026-03-01")],
    ]


def test_usage_that_overtook_a_second_subscription_counts_for_both() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("before", "2026-01-05", "1")
    journal.use("after", "2026-01-15", "2")
    journal.start("2026-01-10", terms(per_unit()), subscription="s2")
    journal.cancel("2026-01-20", "s2")
    journal.close("2026-02-01")
    assert [brief(statement)[0][2] for statement in journal.statements] == ["2", "3"]


def test_a_command_that_needs_usage_again_and_gets_none_is_a_defect() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("after", "2026-01-15", "2")
    change = PlanChanged(
        command_id="c",
        tenant=TENANT,
        customer=CUSTOMER,
        subscription="s1",
        at_us=us("2026-01-11"),
        terms=terms(per_unit()),
    )
    assert journal.account.rewind_from(change) == 1
    with pytest.raises(Defect, match="rewind_from"):
        journal.account.apply(change, 2, journal.seen)


def test_a_command_after_all_usage_needs_none_of_it_again() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-15", "2")
    change = PlanChanged(
        command_id="c",
        tenant=TENANT,
        customer=CUSTOMER,
        subscription="s1",
        at_us=us("2026-01-16"),
        terms=terms(per_unit()),
    )
    assert journal.account.rewind_from(change) is None


def test_a_total_of_usage_that_moved_to_another_window_goes_to_zero() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("next month", "2026-02-15", "4")
    journal.write()
    journal.cancel("2026-01-20")
    journal.write()
    said = {(total.period_start_us, total.price): total.quantity for total in journal.totals}
    assert said == {(us("2026-02-01"), "m"): "0", (us("2026-01-01"), "m"): "0"}
