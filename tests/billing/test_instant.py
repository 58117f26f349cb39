"""Instants: exact microseconds, and untrusted text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.instant import DAY_US, EPOCH, instant, micros, parse_instant

instants = st.datetimes(timezones=st.just(UTC))


def test_the_first_microsecond_is_that_of_1970() -> None:
    assert (EPOCH, micros(EPOCH), instant(1)) == (
        datetime(1970, 1, 1, tzinfo=UTC),
        0,
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    )
    assert instant(DAY_US) == datetime(1970, 1, 2, tzinfo=UTC)


@given(instants)
def test_microseconds_and_instants_say_the_same(at: datetime) -> None:
    assert instant(micros(at)) == at
    assert instant(micros(at)).tzinfo is UTC


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))  # noqa: DTZ001 - made aware below
def test_an_instant_written_with_any_offset_is_read_in_utc(wall: datetime, offset: int) -> None:
    at = wall.replace(tzinfo=timezone(timedelta(minutes=offset)))
    read = parse_instant(at.isoformat())
    assert (read, read.tzinfo) == (at, UTC)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5+01:00", datetime(2026, 1, 31, 11, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789012Z", datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_what_is_finer_than_a_microsecond_is_cut_off(text: str, read: datetime) -> None:
    assert parse_instant(text) == read


@pytest.mark.parametrize(
    ("text", "shown", "problem"),
    [
        ("2026-01-31", "'2026-01-31'", "it has another form"),
        ("2026-01-31T12:00:00", "'2026-01-31T12:00:00'", "it has another form"),
        ("2026-01-31 12:00:00Z", "'2026-01-31 12:00:00Z'", "it has another form"),
        ("20260131T120000Z", "'20260131T120000Z'", "it has another form"),
        ("2026-01-31T12:00:00.Z", "'2026-01-31T12:00:00.Z'", "it has another form"),
        ("2026-01-31T12:00:00.1234567890123Z", "'2026-01-31T12:00:00.1234567890123Z'", "it has another form"),
        ("٢٠٢٦-01-31T12:00:00Z", "'٢٠٢٦-01-31T12:00:00Z'", "it has another form"),
        ("2026-02-30T12:00:00Z", "'2026-02-30T12:00:00Z'", "day is out of range for month"),
        ("0001-01-01T00:00:00+01:00", "'0001-01-01T00:00:00+01:00'", "date value out of range"),
        ("9" * 61, f"'{'9' * 60}'", "it has another form"),
        ("9" * 1_000_000, f"'{'9' * 60}'", "it has another form"),
    ],
)
def test_another_text_is_refused_cut_short_and_with_its_problem(text: str, shown: str, problem: str) -> None:
    with pytest.raises(ValueError, match="is no instant") as refused:
        parse_instant(text)
    assert str(refused.value) == f"{shown} is no instant with its offset, such as 2026-01-31T12:00:00Z: {problem}"
