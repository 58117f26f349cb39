"""Billing periods: boundaries counted from the anchor's wall time, and what a change of the zone does to them."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from tests.oracle.numbers import seconds


@lru_cache(maxsize=100_000)
def boundary(anchor: datetime, period: str, zone: ZoneInfo, n: int, *, read_in: ZoneInfo | None = None) -> datetime:
    """The n-th boundary: the anchor's wall time in the zone plus n periods, its day clamped, read in `read_in`.

    The boundary 0 is the anchor itself, also where that is the second of two instants with its wall time.
    """
    if n == 0 and read_in is None:
        return anchor
    found = re.fullmatch(r"P(\d+)([DWMY])", period)
    assert found, period
    amount, unit = int(found[1]) * n, found[2]
    wall = anchor.astimezone(zone).replace(tzinfo=None, fold=0)
    if unit in "DW":
        moved = wall + timedelta(days=amount * (7 if unit == "W" else 1))
    else:
        months = wall.year * 12 + wall.month - 1 + amount * (12 if unit == "Y" else 1)
        year, month = divmod(months, 12)
        following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1)  # noqa: DTZ001 - a wall time
        moved = wall.replace(year=year, month=month + 1, day=min(wall.day, (following - timedelta(days=1)).day))
    return moved.replace(tzinfo=read_in or zone).astimezone(UTC)  # fold 0: the first of two, and past a gap


def calendar(start: datetime, period: str, zone: ZoneInfo) -> datetime:
    """The first of the month or year, or the Monday, at or before the start, in the zone."""
    wall = start.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    match period[-1]:
        case "W":
            wall -= timedelta(days=wall.weekday())
        case "M":
            wall = wall.replace(day=1)
        case _:
            wall = wall.replace(month=1, day=1)
    return wall.replace(tzinfo=zone).astimezone(UTC)


@dataclass(slots=True)
class Grid:
    """The boundaries of a subscription, for any billing period."""

    anchor: datetime
    zone: ZoneInfo
    moves: list[tuple[datetime, ZoneInfo]] = field(default_factory=list)
    """Each change of the zone: the boundaries after this moment are read in that zone."""

    def boundary(self, period: str, n: int) -> datetime:
        """The n-th boundary, by all changes so far."""
        at = boundary(self.anchor, period, self.zone, n)
        for kept_until, zone in self.moves:
            if at > kept_until:
                at = boundary(self.anchor, period, self.zone, n, read_in=zone)
        return at

    def index(self, period: str, at: datetime) -> int:
        """Which period holds the instant; a boundary belongs to the one that begins there."""
        return next(n for n in count() if self.boundary(period, n + 1) > at)

    def period(self, period: str, at: datetime) -> tuple[datetime, datetime]:
        """The full period that holds the instant."""
        n = self.index(period, at)
        return self.boundary(period, n), self.boundary(period, n + 1)

    def served(self, period: str, start: datetime, end: datetime) -> Fraction:
        """How many periods there are in a stretch of time: the sum of its parts of each."""
        n, parts = self.index(period, start), Fraction(0)
        while (opens := self.boundary(period, n)) < end:
            closes = self.boundary(period, n + 1)
            parts += seconds(max(opens, start), min(closes, end)) / seconds(opens, closes)
            n += 1
        return parts


def periods_in(term: str, period: str) -> int:
    """How many periods a term is long."""
    (term_length, term_unit), (length, unit) = (_length(one) for one in (term, period))
    assert term_unit == unit, (term, period)
    assert term_length % length == 0, (term, period)
    return term_length // length


def _length(period: str) -> tuple[int, str]:
    amount, unit = int(period[1:-1]), period[-1]
    return amount * {"W": 7, "Y": 12}.get(unit, 1), {"W": "D", "Y": "M"}.get(unit, unit)
