"""Where several subscriptions meet a bound: usage is counted in every window that holds it, or in none of them."""

from collections.abc import Callable, Iterable

import pytest

from billing.account import bounds, commands
from billing.account.counting import uncount_in
from billing.errors import Defect
from billing.statement import Duplicate, Refused
from tests.billing.journal import SUM, Journal, Raw, brief, per_unit, terms, us, usage

UNIQUE: Raw = {**SUM, "aggregation": "unique"}
LOOSE = terms(per_unit())
TIGHT = terms(per_unit(), meters=[UNIQUE], plan="tight")
GROUPED = terms(per_unit(), meters=[{**SUM, "group_by": ["n"]}], plan="grouped")
OTHER = terms(per_unit(), meters=[{**SUM, "property": "other"}], plan="other")


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three values, or the lines of three groups."""
    monkeypatch.setattr(bounds, "MOST_VALUES", 3)
    monkeypatch.setattr(bounds, "LARGEST_GROUPS_BYTES", 3 * bounds.line_bytes("m", ("n",), ("1",)))


def refusals(said: Iterable[object]) -> list[tuple[str, int | None]]:
    """Why usage was refused, and the position at which it had been counted."""
    return [(one.reason, one.position) for one in said if isinstance(one, Refused)]


def four(journal: Journal) -> None:
    """Four values, one more than a tight subscription has room for."""
    journal.append(*(usage(value, "2026-01-20", value) for value in "1234"))


def events(journal: Journal, *subscriptions: str) -> list[int]:
    """How many events stand behind the bill of January, adjustments included."""
    said = {}
    for one in journal.statements:
        for line in one.lines:
            if line.kind.value in {"usage", "adjustment"} and line.period_end_us > line.period_start_us:
                said[one.subscription, line.period_start_us, *line.group.values()] = line.events
    return [sum(n for (subscription, *_), n in said.items() if subscription == name) for name in subscriptions]


def closed(journal: Journal, *subscriptions: str) -> list[int]:
    for end in ("2026-02-01", "2026-03-01"):
        for name in subscriptions:
            journal.close(end, name)
    return events(journal, *subscriptions)


def second_start(journal: Journal) -> list[object]:
    four(journal)
    return [*journal.start("2026-01-01", TIGHT, subscription="s2")]


def second_start_grouped(journal: Journal) -> list[object]:
    four(journal)
    return [*journal.start("2026-01-01", GROUPED, subscription="s2")]


def plan_change(journal: Journal) -> list[object]:
    journal.start("2026-01-01", LOOSE, subscription="s2")
    four(journal)
    return [*journal.change("2026-01-10", TIGHT, "s2")]


def resumption(journal: Journal) -> list[object]:
    journal.start("2026-01-01", TIGHT, subscription="s2")
    journal.pause("2026-01-02", "s2")
    four(journal)
    return [*journal.resume("2026-01-10", "s2")]


OVERTAKEN = pytest.mark.parametrize("command", [second_start, second_start_grouped, plan_change, resumption])


@OVERTAKEN
def test_what_a_command_leaves_without_room_in_one_subscription_is_refused_by_all(
    command: Callable[[Journal], list[object]],
) -> None:
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    ((reason, position),) = refusals(command(journal))
    assert reason in {"too-many-values", "too-many-groups"}
    assert position is not None
    assert journal.entries[position] == usage("4", "2026-01-20", "4")
    assert closed(journal, "s1", "s2") == [3, 3]


@OVERTAKEN
@pytest.mark.parametrize("value", "1234")
def test_what_was_counted_and_what_was_refused_are_voided_alike(
    command: Callable[[Journal], list[object]], value: str
) -> None:
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    command(journal)
    assert journal.void(value) == []
    left = 3 if value == "4" else 2
    assert closed(journal, "s1", "s2") == [left, left]


@OVERTAKEN
@pytest.mark.parametrize("second", ["pause", "cancel", "change"])
def test_usage_that_has_room_again_after_a_second_command_counts_for_all_that_have_a_window(
    command: Callable[[Journal], list[object]], second: str
) -> None:
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    command(journal)
    said = (
        journal.change("2026-01-15", LOOSE, "s2")
        if second == "change"
        else getattr(journal, second)("2026-01-15", "s2")
    )
    assert refusals(said) == []
    assert journal.use("4", "2026-01-20", "4") == [Duplicate(journal.entries.index(usage("4", "2026-01-20", "4")))]
    journal.void("1")
    assert closed(journal, "s1")[0] == 3
    if second == "change":
        assert closed(journal, "s2") == [3]


def test_in_the_order_of_time_it_comes_to_the_same() -> None:
    overtaken, in_order = Journal(), Journal()
    overtaken.start("2026-01-01", LOOSE)
    plan_change(overtaken)
    in_order.start("2026-01-01", LOOSE)
    in_order.start("2026-01-01", LOOSE, subscription="s2")
    in_order.change("2026-01-10", TIGHT, "s2")
    four(in_order)
    assert refusals(in_order.outcomes) == [("too-many-values", None)]
    assert closed(overtaken, "s1", "s2") == closed(in_order, "s1", "s2") == [3, 3]
    assert [brief(one) for one in overtaken.statements] == [brief(one) for one in in_order.statements]


def test_an_event_of_a_value_that_others_have_too_takes_nothing_from_them() -> None:
    """A value that occurs twice hid that one of its events was never counted: its void took the other one out."""
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    journal.append(*(usage(name, "2026-01-20", value) for name, value in zip("abcd", "1231", strict=True)))
    assert refusals(journal.start("2026-01-01", TIGHT, subscription="s2")) == [("too-many-values", 4)]
    journal.void("d")
    journal.close("2026-02-01", "s2")
    assert brief(journal.statements[-1]) == [("usage", "m", "3", "300", "2026-01-01", "2026-02-01")]


def test_what_was_billed_before_is_given_back_on_the_next_invoice() -> None:
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    four(journal)
    journal.close("2026-02-01")
    assert refusals(journal.start("2026-01-01", TIGHT, subscription="s2")) == [("too-many-values", 4)]
    journal.close("2026-03-01")
    assert ("adjustment", "m", "-4", "-400", "2026-01-01", "2026-02-01") in brief(journal.statements[-1])


def test_what_waited_and_has_no_room_is_refused_and_voided_like_any_that_never_came() -> None:
    journal = Journal()
    four(journal)
    assert refusals(journal.start("2026-01-01", TIGHT)) == [("too-many-values", 3)]
    assert journal.void("4") == []
    assert journal.void("1") == []
    assert closed(journal, "s1") == [2]


def test_what_one_has_no_room_for_when_it_comes_is_counted_by_none() -> None:
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    journal.start("2026-01-01", TIGHT, subscription="s2")
    four(journal)
    assert refusals(journal.outcomes) == [("too-many-values", None)]
    assert journal.void("4") == []
    assert refusals(journal.change("2026-01-10", LOOSE, "s2")) == []
    assert closed(journal, "s1", "s2") == [3, 3]


def test_usage_that_the_new_terms_of_one_after_the_other_cannot_read_is_refused_once() -> None:
    """Where each left it to the other it was counted by none, and nobody said so."""
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    journal.start("2026-01-01", LOOSE, subscription="s2")
    journal.use("a", "2026-01-20")
    assert refusals(journal.change("2026-01-10", OTHER)) == [("missing-property", 2)]
    assert refusals(journal.change("2026-01-10", OTHER, "s2")) == []
    assert journal.use("a", "2026-01-20", other="5") == []
    assert closed(journal, "s1", "s2") == [1, 1]


def test_planted_bug_leaving_to_the_others_what_one_has_no_room_for_stops_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As it once was: nobody knows afterwards who did not count it."""
    monkeypatch.setattr(commands, "uncount_in", lambda *_: [])
    monkeypatch.setattr(commands, "_give_ids_back", lambda *_: None)
    assert uncount_in([], usage("a", "2026-01-20"), 0) == []
    journal = Journal()
    journal.start("2026-01-01", LOOSE)
    second_start(journal)
    with pytest.raises(Defect, match="never added"):
        journal.void("4")


def a_conflict_that_counts_later() -> Journal:
    """One id twice: the first waits for `s1` and is refused when it starts, so the second counts from then on."""
    journal = Journal()
    journal.start("2026-01-01", LOOSE, subscription="s2")
    journal.append(usage("early", "2026-01-20"))
    journal.append(usage("twice", "2025-12-01", subscription="s1"), usage("twice", "2026-03-12"))
    journal.append(usage("late", "2026-04-20"))
    journal.start("2026-01-01", LOOSE)
    journal.change("2026-02-01", LOOSE)
    return journal


def test_what_counts_only_since_an_id_was_given_back_is_found_again_by_every_later_command() -> None:
    journal = a_conflict_that_counts_later()
    for end in ("2026-02-01", "2026-03-01", "2026-04-01"):
        journal.close(end, "s1")
        journal.close(end, "s2")
    march = us("2026-03-01")
    billed = [
        (one.subscription, line.quantity)
        for one in journal.statements
        for line in one.lines
        if line.period_start_us == march
    ]
    assert billed == [("s1", "1"), ("s2", "1")]
