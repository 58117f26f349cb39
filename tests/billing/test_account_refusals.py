"""Commands that cannot be: what each refusal asks, and what the answer says."""

from collections.abc import Callable

import pytest

from billing.entry import Coupon
from billing.statement import Outcome, Refused, Statement
from tests.billing.journal import Journal, fee, per_unit, terms

TEN = Coupon(code="ten", percent_off="10")
Command = Callable[[Journal, str], list[Outcome]]
AMENDMENTS: dict[str, Command] = {
    "zone": lambda journal, at: journal.rezone(at, terms(fee())),
    "quantity": lambda journal, at: journal.quantity(at, "base", "2"),
    "charge": lambda journal, at: journal.charge(at, "visit", "1"),
    "coupon": lambda journal, at: journal.coupon(at, TEN),
    "no coupon": lambda journal, at: journal.no_coupon(at, "half"),
}
COMMANDS: dict[str, Command] = {
    **AMENDMENTS,
    "plan": lambda journal, at: journal.change(at, terms(fee())),
    "pause": lambda journal, at: journal.pause(at),
    "cancel": lambda journal, at: journal.cancel(at),
}


def started() -> Journal:
    journal = Journal()
    journal.start("2026-01-01", terms(fee()), coupons=[Coupon(code="half", percent_off="50")])
    return journal


def why(said: list[Outcome]) -> str:
    answer, refused = said
    assert isinstance(answer, Statement)
    assert answer.lines == ()
    assert isinstance(refused, Refused)
    assert refused.reason == "illegal-command"
    return refused.detail


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_comes_after_the_newest_one_and_within_the_open_period(command: Command) -> None:
    journal = started()
    journal.quantity("2026-01-10", "base", "3")
    assert why(command(journal, "2026-01-09")) == (
        "the newest command was 2026-01-10 00:00:00+00:00, after 2026-01-09 00:00:00+00:00"
    )
    assert why(command(journal, "2026-02-02")).startswith("the period that ends 2026-02-01 00:00:00+00:00 must close")
    assert len(command(journal, "2026-01-10")) == 1


def test_a_resumption_comes_after_its_pause() -> None:
    journal = started()
    journal.pause("2026-01-10")
    assert why(journal.resume("2026-01-09")).startswith("the newest command was 2026-01-10")
    assert len(journal.resume("2026-01-10")) == 1


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_after_the_end_nothing_is_taken(command: Command) -> None:
    journal = started()
    journal.cancel("2026-01-10")
    assert "a subscription that is canceled cannot" in why(command(journal, "2026-01-11"))


@pytest.mark.parametrize("command", AMENDMENTS.values(), ids=AMENDMENTS)
def test_the_newest_command_may_be_an_amendment(command: Command) -> None:
    journal = started()
    assert len(command(journal, "2026-01-10")) == 1
    assert why(journal.pause("2026-01-09")).startswith("the newest command was 2026-01-10")


@pytest.mark.parametrize("command", AMENDMENTS.values(), ids=AMENDMENTS)
def test_an_amendment_in_a_pause_or_a_trial_draws_no_invoice(command: Command) -> None:
    paused, trial = started(), Journal()
    trial.start("2026-01-01", terms(fee()), trial_end="2026-01-20", coupons=[Coupon(code="half", percent_off="50")])
    paused.pause("2026-01-05")
    for journal in (paused, trial):
        before = len(journal.statements)
        assert len(command(journal, "2026-01-10")) == 1
        assert len(journal.statements) == before


@pytest.mark.parametrize("trial_end", ["2026-01-01", "2025-12-31"])
def test_a_trial_ends_after_its_start(trial_end: str) -> None:
    assert why(Journal().start("2026-01-01", terms(fee()), trial_end=trial_end)).startswith(
        "a trial ends after its start"
    )


def test_a_refusal_is_answered_in_the_terms_of_its_subscription_and_of_an_unknown_one_in_none() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee(), plan="p"))
    journal.start("2026-01-01", terms(fee(), plan="q", currency="EUR", timezone="Europe/Berlin"), subscription="s2")
    known, unknown = journal.cancel("2026-03-15", "s2")[0], journal.cancel("2026-01-15", "s3")[0]
    assert isinstance(known, Statement)
    assert isinstance(unknown, Statement)
    assert (known.plan, known.plan_version, known.currency, known.timezone, known.position) == (
        "q", 1, "EUR", "Europe/Berlin", 2,
    )  # fmt: skip
    assert (unknown.plan, unknown.plan_version, unknown.currency, unknown.timezone, unknown.tax_percent) == (
        "", 0, "", "", "0",
    )  # fmt: skip
    assert unknown.tzdata


def test_bad_terms_are_refused_at_the_start_and_the_name_is_free_again() -> None:
    journal = Journal()
    assert "there is no meter 'unknown'" in why(journal.start("2026-01-01", terms({**per_unit(), "meter": "unknown"})))
    assert len(journal.start("2026-01-01", terms(fee()))) == 1


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        (
            lambda j: j.quantity("2026-01-10", "desks", "1"),
            "the plan has no recurring price 'desks'; it has base, more",
        ),
        (lambda j: j.quantity("2026-01-10", "base", "-1"), "the quantity of base is -1; 0 or more is allowed"),
        (lambda j: j.quantity("2026-01-10", "base", "x"), "quantity of base: 'x' is no decimal number such as '12.5'"),
        (lambda j: j.charge("2026-01-10", "c", "0"), "charge c is 0 x 1; an amount other than 0 and a quantity above"),
        (lambda j: j.charge("2026-01-10", "c", "1", "0"), "charge c is 1 x 0; an amount other than 0"),
        (lambda j: j.charge("2026-01-10", "c", "1", "-1"), "charge c is 1 x -1; an amount other than 0"),
        (lambda j: j.charge("2026-01-10", "c", "x"), "charge c: 'x' is no decimal number such as '12.5'"),
        (lambda j: j.coupon("2026-01-10", Coupon(code="half", percent_off="1")), "coupon half is in force already"),
        (lambda j: j.coupon("2026-01-10", Coupon(code="c")), "coupon.percent_off: one of percent_off and amount_off"),
        (lambda j: j.no_coupon("2026-01-10", "c"), "coupon c is not in force; in force are: half"),
        (
            lambda j: j.rezone("2026-01-10", terms(fee(), timezone="UTC")),
            "a change of the zone changes nothing else; change the plan for that",
        ),
        (
            lambda j: j.start("2026-01-10", terms(fee()), subscription="s2", coupons=[TEN, TEN]),
            "a coupon is applied twice",
        ),
    ],
)
def test_a_refusal_says_what_is_allowed(said: Command, allowed: str) -> None:
    journal = Journal()
    half = Coupon(code="half", percent_off="50")
    journal.start("2026-01-01", terms(fee(), fee("more")), coupons=[half])
    assert why(said(journal)).startswith(allowed)  # type: ignore[call-arg]  # the rows know their moment


def test_none_is_said_where_there_is_none() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    assert why(journal.quantity("2026-01-10", "desks", "1")).endswith("it has none")
    assert why(journal.no_coupon("2026-01-10", "c")).endswith("in force are: none")


def test_a_coupon_that_has_ended_may_be_applied_again_and_cannot_be_removed() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee()), coupons=[Coupon(code="one", percent_off="10", periods=1)])
    journal.close("2026-02-01")
    assert why(journal.no_coupon("2026-02-01", "one")).endswith("in force are: none")
    assert len(journal.coupon("2026-02-01", Coupon(code="one", percent_off="10"))) == 1
    assert len(journal.no_coupon("2026-02-02", "one")) == 1
