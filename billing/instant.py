"""Instants: microseconds since 1970-01-01 UTC on the wire and in comparisons, `datetime` where a calendar is asked."""

from datetime import UTC, datetime, timedelta
from typing import Final

DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def instant(at_us: int) -> datetime:
    """Returns the aware UTC instant of these microseconds, exactly.

    Raises:
        OverflowError: it is outside of the years 1 to 9999.
    """
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Returns the microseconds of an aware instant, exactly."""
    return (at - _EPOCH) // _MICROSECOND
