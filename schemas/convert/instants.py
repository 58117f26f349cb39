"""Instants of the wire: aware datetimes, where billing has integers of microseconds."""

from datetime import datetime

from billing import instant as calendar
from schemas.errors import Unencodable


def written(us: int) -> datetime:
    """Returns the instant as records have it.

    Raises:
        Unencodable: it lies beyond the years 1 to 9999.
    """
    try:
        return calendar.instant(us)
    except OverflowError:
        raise Unencodable(f"{us} microseconds since 1970 lie beyond the years 1 to 9999") from None
