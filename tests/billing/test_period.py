from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InvalidDefinition
from billing.period import BillingPeriod, Span, Unit, billing_period, boundary, calendar_anchor, containing, nth, zone

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/Asuncion",
    "Africa/Casablanca",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "America/St_Johns",
]
PERIODS = ["P1D", "P10D", "P28D", "P1W", "P2W", "P1M", "P3M", "P5M", "P12M", "P1Y", "P2Y"]
instants = st.datetimes(datetime(1960, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by `timezones`
zones = st.sampled_from(ZONES).map(zone)
periods = st.sampled_from(PERIODS).map(billing_period)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("text", PERIODS)
def test_a_period_reads_as_it_is_written(text: str) -> None:
    assert str(billing_period(text)) == text


def test_a_period_is_counted_in_months_or_in_days() -> None:
    assert billing_period("P3M") == BillingPeriod(3, Unit.MONTH)
    assert [(p.months, p.days) for p in map(billing_period, ("P3M", "P2Y", "P2W", "P28D"))] == [
        (3, 0),
        (24, 0),
        (0, 14),
        (0, 28),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "P", "P0M", "P-1M", "1M", "p1m", "P1M ", "PT1H", "P1.5M", "P01M", "P1M1D", "P999999D", "P101Y", "P\u0661M"],
)
def test_another_text_is_no_period(text: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        billing_period(text)
    assert refusal.value.field == "billing_period"


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe", "europe/berlin", "zones", "/UTC"])
def test_a_zone_that_tzdata_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        zone(name)
    assert refusal.value.field == "timezone"


def test_a_zone_has_its_name_and_the_rules_of_tzdata() -> None:
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    assert zone("Europe/Berlin").utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)  # noqa: DTZ001 - the wall time
    assert zone("Europe/Berlin") is zone("Europe/Berlin")


@given(instants, periods, zones, st.integers(-40, 40))
def test_periods_tile_time_and_each_contains_its_instants(
    anchor: datetime, period: BillingPeriod, place: ZoneInfo, index: int
) -> None:
    window, following = nth(anchor, period, place, index), nth(anchor, period, place, index + 1)
    assert window.start <= window.end == following.start
    if window.length_us:  # Samoa skipped a whole day: a P1D there has no length
        last = window.end - timedelta(microseconds=1)
        assert window.start in window
        assert last in window
        assert window.end not in window
        assert [containing(anchor, period, place, moment) for moment in (window.start, last)] == [index, index]


@given(instants, periods, zones, instants)
def test_every_instant_lies_in_the_period_that_contains_it(
    anchor: datetime, period: BillingPeriod, place: ZoneInfo, moment: datetime
) -> None:
    assert moment in nth(anchor, period, place, containing(anchor, period, place, moment))


@given(instants, periods, zones)
def test_the_first_period_begins_at_its_anchor(anchor: datetime, period: BillingPeriod, place: ZoneInfo) -> None:
    assert nth(anchor, period, place, 0).start == anchor
    assert containing(anchor, period, place, anchor) == 0


def test_an_anchor_in_the_second_of_two_hours_begins_its_first_period_there() -> None:
    second, month, new_york = at("2026-11-01T06:30:00Z"), billing_period("P1M"), zone("America/New_York")
    assert nth(second, month, new_york, 0) == Span(second, at("2026-12-01T06:30:00Z"))


@given(instants, periods, zones)
def test_a_calendar_anchor_is_a_local_midnight_that_the_calendar_begins_on(
    start: datetime, period: BillingPeriod, place: ZoneInfo
) -> None:
    anchor = calendar_anchor(start, period, place)
    local = anchor.astimezone(place)
    begins = {
        Unit.DAY: True,
        Unit.WEEK: local.weekday() == 0,
        Unit.MONTH: local.day == 1 and (period.length == 5 or (local.month - 1) % period.length == 0),
        Unit.YEAR: (local.month, local.day) == (1, 1),
    }
    assert begins[period.unit]
    assert f"{local:%H:%M:%S.%f}" == "00:00:00.000000"
    assert anchor.tzinfo is UTC
    assert 0 <= containing(anchor, period, place, start) <= 2  # above 0 only where a midnight does not exist


@pytest.mark.parametrize(
    ("period", "anchor"),
    [
        ("P1M", "2026-08-01T04:00:00Z"),
        ("P3M", "2026-07-01T04:00:00Z"),
        ("P6M", "2026-07-01T04:00:00Z"),
        ("P5M", "2026-08-01T04:00:00Z"),
        ("P12M", "2026-01-01T05:00:00Z"),
        ("P1Y", "2026-01-01T05:00:00Z"),
        ("P2Y", "2026-01-01T05:00:00Z"),
        ("P1W", "2026-08-10T04:00:00Z"),
        ("P4W", "2026-08-10T04:00:00Z"),
        ("P28D", "2026-08-14T04:00:00Z"),
    ],
)
def test_the_calendar_begins_months_quarters_years_and_weeks(period: str, anchor: str) -> None:
    friday = at("2026-08-14T15:00:00Z")
    assert calendar_anchor(friday, billing_period(period), zone("America/New_York")) == at(anchor)


def test_a_midnight_that_the_clocks_jump_over_does_not_shift_the_months_after_it() -> None:
    asuncion, month = zone("America/Asuncion"), billing_period("P1M")  # 2017-10-01 began at one o'clock there
    start = at("2017-10-12T12:00:00Z")
    anchor = calendar_anchor(start, month, asuncion)
    found = nth(anchor, month, asuncion, containing(anchor, month, asuncion, start))
    assert anchor == at("2017-09-01T04:00:00Z")
    assert found == Span(at("2017-10-01T04:00:00Z"), at("2017-11-01T03:00:00Z"))


def test_a_day_that_a_zone_skipped_is_a_period_without_length() -> None:
    anchor, day, apia = at("2011-12-28T22:00:00Z"), billing_period("P1D"), zone("Pacific/Apia")
    assert nth(anchor, day, apia, 2).length_us == 0
    assert containing(anchor, day, apia, at("2011-12-30T22:00:00Z")) == 3


def test_a_clock_set_back_into_yesterday_does_not_bring_the_period_before_back() -> None:
    day, st_johns = billing_period("P1D"), zone("America/St_Johns")  # at 00:01 on 2010-11-07 it was 23:01 again
    anchor = at("2010-11-01T02:30:00Z")
    assert nth(anchor, day, st_johns, 6) == Span(at("2010-11-07T02:30:00Z"), at("2010-11-08T03:30:00Z"))
    assert containing(anchor, day, st_johns, at("2010-11-07T03:00:00Z")) == 6


@pytest.mark.parametrize("n", [10**5, -(10**5), 10**18])
def test_a_boundary_outside_of_the_calendar_is_refused(n: int) -> None:
    with pytest.raises(InvalidDefinition, match="9999"):
        boundary(at("2026-01-01T00:00:00Z"), billing_period("P1Y"), zone("UTC"), n)
    with pytest.raises(InvalidDefinition, match="9999") as refused:
        boundary(at("2026-01-01T00:00:00Z"), billing_period("P100D"), zone("UTC"), n)
    assert refused.value.field == "anchor"


@pytest.mark.parametrize(("longest", "longer"), [(36_525, "D"), (5_200, "W"), (1_200, "M"), (100, "Y")])
def test_a_period_lasts_at_most_a_hundred_years(longest: int, longer: str) -> None:
    assert billing_period(f"P{longest}{longer}").length == longest
    with pytest.raises(InvalidDefinition, match="days, weeks, months or years up to a hundred years are allowed"):
        billing_period(f"P{longest + 1}{longer}")


@given(instants, periods, zones)
def test_a_calendar_anchor_is_its_own(start: datetime, period: BillingPeriod, place: ZoneInfo) -> None:
    anchor = calendar_anchor(start, period, place)
    assert anchor <= start
    assert calendar_anchor(anchor, period, place) == anchor
