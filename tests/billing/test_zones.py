"""A customer that moves: boundaries before and after."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entry import FormerZone, Terms
from billing.errors import InvalidDefinition
from billing.period import Zones, billing_period, boundary, containing, nth, tzdata_version, zone
from billing.schedule import period_end, rezoned, zones_of
from tests.billing.journal import terms

NAMES = ["UTC", "America/New_York", "Europe/Berlin", "Pacific/Apia", "Asia/Kolkata", "Pacific/Honolulu"]
PERIODS = ["P1W", "P10D", "P1M", "P3M", "P1Y"]
anchors = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by `timezones`
names = st.sampled_from(NAMES)


def agreed(timezone: str, period: str = "P1M") -> Terms:
    return terms(period=period, timezone=timezone)


@given(anchors, st.sampled_from(PERIODS), names, st.lists(names, min_size=1, max_size=3), st.integers(1, 9))
def test_boundaries_up_to_the_open_end_stay_and_later_ones_keep_their_wall_times(
    anchor: datetime, text: str, first: str, later: list[str], step: int
) -> None:
    period, now = billing_period(text), agreed(first, text)
    for move, name in enumerate(later):
        index = (move + 1) * step
        open_until = boundary(anchor, period, zones_of(now), index)
        moved = rezoned(now, name, anchor, open_until)
        before, after = zones_of(now), zones_of(moved)
        for n in range(-3, index + 1):
            assert boundary(anchor, period, after, n) == boundary(anchor, period, before, n)
        wall = anchor.astimezone(zone(first)).replace(tzinfo=None)
        following = boundary(anchor, period, after, index + 1).astimezone(zone(name))
        if period.days:  # where no clock was changed the wall time is the very one
            ahead = wall + timedelta(days=(index + 1) * period.days)
            assert abs(following.replace(tzinfo=None) - ahead) <= timedelta(days=1)  # Apia skipped a day
        assert period_end(anchor, period, after, open_until) == boundary(anchor, period, after, index + 1)
        now = moved
    zones = zones_of(now)
    bounds = [boundary(anchor, period, zones, n) for n in range(60)]
    assert all(one < other for one, other in pairwise(bounds))
    assert [containing(anchor, period, zones, at) for at in bounds] == list(range(60))


def test_a_month_is_longer_or_shorter_by_the_difference_once() -> None:
    anchor, month = datetime(2025, 12, 31, 23, tzinfo=UTC), billing_period("P1M")
    moved = rezoned(agreed("Europe/Berlin"), "America/New_York", anchor, datetime(2026, 1, 31, 23, tzinfo=UTC))
    assert moved.timezone == "America/New_York"
    assert moved.former_zones == (FormerZone(timezone="Europe/Berlin", until="2026-02-01T00:00:00"),)
    found = [nth(anchor, month, zones_of(moved), n).end.isoformat() for n in range(4)]
    assert found == [f"2026-{at}:00:00+00:00" for at in ("01-31T23", "03-01T05", "04-01T04", "05-01T04")]


def test_a_zone_that_no_boundary_fell_in_is_forgotten() -> None:
    anchor, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    twice = rezoned(rezoned(agreed("UTC"), "Europe/Berlin", anchor, until), "Asia/Kolkata", anchor, until)
    assert [former.timezone for former in twice.former_zones] == ["UTC"]
    assert boundary(anchor, billing_period("P1M"), zones_of(twice), 1) == until
    assert boundary(anchor, billing_period("P1M"), zones_of(twice), 2) == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)


def test_there_and_back_within_a_period_changes_nothing() -> None:
    anchor, month = datetime(2026, 1, 31, 23, tzinfo=UTC), billing_period("P1M")
    here, until = agreed("Europe/Berlin"), datetime(2026, 2, 28, 23, tzinfo=UTC)
    back = rezoned(rezoned(here, "Asia/Kolkata", anchor, until), "Europe/Berlin", anchor, until)
    found, before = ([boundary(anchor, month, zones_of(one), n) for n in range(9)] for one in (back, here))
    assert found == before


def test_the_same_zone_changes_nothing() -> None:
    now = agreed("UTC")
    assert rezoned(now, "UTC", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) is now


def test_a_period_that_would_end_before_it_begins_is_refused() -> None:
    anchor = datetime(2026, 1, 1, 11, tzinfo=UTC)  # midnight in Pago Pago, an hour and a day before Kiritimati's
    with pytest.raises(InvalidDefinition, match="before it begins; change by a zone between the two"):
        rezoned(agreed("Pacific/Pago_Pago", "P1D"), "Pacific/Kiritimati", anchor, anchor + timedelta(days=4))


@pytest.mark.parametrize("until", ["2026-02-01T00:00:00Z", "tomorrow", ""])
def test_a_former_zone_ends_at_a_wall_time(until: str) -> None:
    former = (FormerZone(timezone="UTC", until=until),)
    with pytest.raises(InvalidDefinition, match="no wall time") as refused:
        zones_of(terms(former_zones=former))
    assert refused.value.field == "former_zones"


def test_a_wall_time_is_read_in_the_first_zone_that_reaches_to_it() -> None:
    early, late = datetime(2026, 1, 1), datetime(2026, 2, 1)  # noqa: DTZ001 - wall times
    zones = Zones(zone("UTC"), ((early, zone("Europe/Berlin")), (late, zone("Asia/Kolkata"))))
    assert [zones.of(wall).key for wall in (early, late, late.replace(day=2))] == [
        "Europe/Berlin",
        "Asia/Kolkata",
        "UTC",
    ]
    assert zones.first.key == "Europe/Berlin"
    assert Zones(zone("UTC")).first.key == "UTC"


def test_the_tz_database_has_a_version() -> None:
    year, letter = tzdata_version()[:4], tzdata_version()[4:]
    assert year.isdigit()
    assert letter.isalpha()


def test_moving_twice_in_a_period_leaves_the_zones_before_it_and_no_trace_of_the_first_move() -> None:
    anchor, february, march = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
    moved = rezoned(agreed("UTC"), "Europe/Berlin", anchor, february)
    open_until = boundary(anchor, billing_period("P1M"), zones_of(moved), 2)
    twice = rezoned(rezoned(moved, "Asia/Kolkata", anchor, open_until), "Pacific/Honolulu", anchor, open_until)
    assert open_until < march
    assert (twice.timezone, twice.former_zones) == (
        "Pacific/Honolulu",
        (
            FormerZone(timezone="UTC", until="2026-02-01T00:00:00"),
            FormerZone(timezone="Europe/Berlin", until="2026-03-01T00:00:00"),
        ),
    )


def test_a_move_hours_before_a_boundary_in_the_east_reaches_to_that_boundary() -> None:
    anchor, paused_at = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 18, 15, tzinfo=UTC)
    start = rezoned(agreed("Pacific/Kiritimati", "P1W"), "Asia/Kolkata", anchor, paused_at)
    assert start.former_zones == (FormerZone(timezone="Pacific/Kiritimati", until="2026-02-19T05:00:00"),)
    assert period_end(anchor, billing_period("P1W"), zones_of(start), paused_at) == datetime(
        2026, 2, 19, 8, 30, tzinfo=UTC
    )


def test_there_and_back_over_the_date_line_by_the_day_is_refused_by_its_field() -> None:
    anchor = datetime(2025, 12, 31, 10, tzinfo=UTC)  # midnight in Kiritimati
    west = rezoned(agreed("Pacific/Kiritimati", "P1D"), "Pacific/Pago_Pago", anchor, anchor + timedelta(days=3))
    open_until = boundary(anchor, billing_period("P1D"), zones_of(west), 6)
    with pytest.raises(InvalidDefinition, match="before it begins") as refused:
        rezoned(west, "Pacific/Kiritimati", anchor, open_until)
    assert refused.value.field == "timezone"


def test_a_period_that_ends_as_it_begins_is_allowed() -> None:
    anchor, day = datetime(2026, 1, 1, 11, tzinfo=UTC), billing_period("P1D")  # 24 hours lie between the two
    moved = rezoned(agreed("Pacific/Pago_Pago", "P1D"), "Pacific/Tongatapu", anchor, anchor + timedelta(days=4))
    ends = [boundary(anchor, day, zones_of(moved), n) - anchor for n in (4, 5, 6)]
    assert ends == [timedelta(days=4), timedelta(days=4), timedelta(days=5)]
