"""What falls due, and when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InvalidDefinition
from billing.period import billing_period, boundary, calendar_anchor, zone
from billing.schedule import Due, Falls, Schedule, next_due

NEW_YORK = zone("America/New_York")
MONTH = billing_period("P1M")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(start: str = "2026-01-31", **more: object) -> Schedule:
    fields = {"start": at(start), "anchor": at(start), "period": MONTH, "zone": zone("UTC")}
    return Schedule(**(fields | more))  # type: ignore[arg-type]


def dues(one: Schedule, most: int = 20) -> list[Due]:
    found, after = list[Due](), one.start
    while len(found) < most and (due := next_due(one, after)) is not None:
        found.append(due)
        after = due.at
    return found


def test_what_falls_due_is_stored_under_these_names() -> None:
    assert [str(falls) for falls in Falls] == ["close", "cancel"]


def test_closes_fall_on_the_boundaries_counted_from_the_anchor() -> None:
    assert [due.at.date().isoformat() for due in dues(schedule(), 3)] == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_a_year_of_calendar_months_ends_with_a_cancellation_in_place_of_the_twelfth_close() -> None:
    start = at("2013-01-01T05:00")
    anchor = calendar_anchor(start, MONTH, NEW_YORK)
    found = dues(Schedule(start, anchor, MONTH, NEW_YORK, periods=12))
    assert [due.falls for due in found] == [Falls.CLOSE] * 11 + [Falls.CANCEL]
    assert found[-1] == Due(at("2014-01-01T05:00"), Falls.CANCEL)


def test_a_partial_first_period_is_one_of_the_periods() -> None:
    found = dues(schedule("2026-01-20", anchor=at("2026-01-01"), periods=1))
    assert found == [Due(at("2026-02-01"), Falls.CANCEL)]


def test_a_trial_ends_with_a_close_and_is_none_of_the_periods() -> None:
    trial_end = at("2026-01-15")
    found = dues(schedule("2026-01-01", anchor=trial_end, trial_end=trial_end, periods=2))
    assert found == [
        Due(trial_end, Falls.CLOSE),
        Due(at("2026-02-15"), Falls.CLOSE),
        Due(at("2026-03-15"), Falls.CANCEL),
    ]


def test_the_earlier_of_two_ends_counts_and_nothing_follows_it() -> None:
    one = schedule("2026-01-01", periods=2, cancel_at=at("2026-02-10"))
    assert dues(one) == [Due(at("2026-02-01"), Falls.CLOSE), Due(at("2026-02-10"), Falls.CANCEL)]
    assert next_due(one, at("2026-02-10")) is None


def test_an_end_in_the_trial_cancels_it() -> None:
    assert dues(schedule("2026-01-01", trial_end=at("2026-01-15"), cancel_at=at("2026-01-10"))) == [
        Due(at("2026-01-10"), Falls.CANCEL)
    ]


@pytest.mark.parametrize("field", [("trial_end", at("2026-01-31")), ("periods", 0)])
def test_a_schedule_that_means_nothing_is_refused(field: tuple[str, object]) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        schedule("2026-01-31", **dict([field]))
    assert refused.value.field == field[0]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)), st.sampled_from(["P1M", "P1W", "P1Y", "P28D", "P3M"]))  # noqa: DTZ001 - made aware below
def test_the_next_close_is_the_first_boundary_after_any_moment(naive: datetime, text: str) -> None:
    moment, period = naive.replace(tzinfo=UTC), billing_period(text)
    anchor = at("2019-12-31T23:30")
    due = next_due(Schedule(moment, anchor, period, NEW_YORK), moment)
    assert due is not None
    assert due.at > moment
    boundaries = [boundary(anchor, period, NEW_YORK, n) for n in range(-1_200, 1_200)]
    assert due.at == min(one for one in boundaries if one > moment)
    assert due.at - moment < timedelta(days=367)
