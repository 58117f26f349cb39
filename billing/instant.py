"""Instants: microseconds since 1970-01-01 UTC on the wire and in comparisons, `datetime` where a calendar is asked."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

DAY_US: Final = 86_400_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
_LONGEST_SHOWN: Final = 60


def instant(at_us: int) -> datetime:
    """Returns the aware UTC instant of these microseconds, exactly.

    Raises:
        OverflowError: it is outside of the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Returns the microseconds of an aware instant, exactly."""
    return (at - EPOCH) // _MICROSECOND


def parse_instant(text: str) -> datetime:
    """Returns the instant that untrusted RFC 3339 text names, in UTC; what is finer than a microsecond is cut off.

    Raises:
        ValueError: another form, no offset, no such moment, or outside of the years 1 to 9999.
    """
    problem: object = "it has another form"
    if _RFC_3339.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            problem = error
    shown = text[:_LONGEST_SHOWN]
    raise ValueError(f"{shown!r} is no instant with its offset, such as 2026-01-31T12:00:00Z: {problem}")
