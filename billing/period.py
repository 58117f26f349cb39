"""Billing periods: half-open windows counted from an anchor, in the customer's zone."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

import tzdata

from billing.errors import InvalidDefinition

_MONTHS_A_YEAR: Final = 12
_DAYS_A_WEEK: Final = 7
_MICROSECOND: Final = timedelta(microseconds=1)
_ISO_8601: Final = re.compile(r"P([1-9][0-9]{0,4})([DWMY])")


class Unit(StrEnum):
    """The designators of an ISO 8601 duration that a billing period may have, and how many of each it may last."""

    DAY = "D"
    WEEK = "W"
    MONTH = "M"
    YEAR = "Y"


LONGEST: Final = MappingProxyType({Unit.DAY: 36_525, Unit.WEEK: 5_200, Unit.MONTH: 1_200, Unit.YEAR: 100})


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """So many calendar days, weeks, months or years; its text is the ISO 8601 duration: `P3M`."""

    length: int
    unit: Unit

    @property
    def months(self) -> int:
        """The length in months; 0 where it is counted in days."""
        return {Unit.MONTH: 1, Unit.YEAR: _MONTHS_A_YEAR}.get(self.unit, 0) * self.length

    @property
    def days(self) -> int:
        """The length in days; 0 where it is counted in months."""
        return {Unit.DAY: 1, Unit.WEEK: _DAYS_A_WEEK}.get(self.unit, 0) * self.length

    def __str__(self) -> str:
        return f"P{self.length}{self.unit}"


@dataclass(frozen=True, slots=True)
class Span:
    """The instants from `start` up to, and without, `end`. Both are aware UTC; empty where they are the same."""

    start: datetime
    end: datetime

    @property
    def length_us(self) -> int:
        """The real microseconds from start to end: an hour that a clock shows twice counts twice."""
        return (self.end - self.start) // _MICROSECOND

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Zones:
    """A zone, and those that were in its place before: wall times up to `until`, and with it, are read in the former.

    So a customer that moves keeps every boundary that is past or under way, and from then on has the same wall times in
    the new place. `former` is in order of time.
    """

    zone: ZoneInfo
    former: tuple[tuple[datetime, ZoneInfo], ...] = ()

    @property
    def first(self) -> ZoneInfo:
        """The zone that the anchor was chosen in."""
        return self.former[0][1] if self.former else self.zone

    def of(self, wall: datetime) -> ZoneInfo:
        """Returns the zone that a wall time is read in."""
        return next((former for until, former in self.former if wall <= until), self.zone)


Where: TypeAlias = ZoneInfo | Zones
"""Where a customer's calendar hangs: in one place always, or in one after the other."""


@lru_cache(maxsize=256)
def billing_period(text: str) -> BillingPeriod:
    """Returns the period that an ISO 8601 duration writes: `P1M`, `P3M`, `P1Y`, `P2W`, `P28D`.

    Raises:
        InvalidDefinition: another text, no length, or more than a hundred years.
    """
    found = _ISO_8601.fullmatch(text)
    if found is not None:
        period = BillingPeriod(int(found[1]), Unit(found[2]))
        if period.length <= LONGEST[period.unit]:
            return period
    problem = (
        f"{text[:20]!r} is no period; days, weeks, months or years up to a hundred years are allowed: P28D, P1M, P1Y"
    )
    raise InvalidDefinition("billing_period", problem)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Returns the time zone of this IANA name, from the tzdata package: the same rules on every machine.

    Raises:
        InvalidDefinition: tzdata knows no such zone.
    """
    if name not in _zone_names():
        raise InvalidDefinition("timezone", f"{name[:40]!r} is no IANA time zone such as 'Europe/Berlin'")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def tzdata_version() -> str:
    """Returns the version of the tz database that zones come from, such as `2026b`."""
    version: str = tzdata.IANA_VERSION
    return version


def boundary(anchor: datetime, period: BillingPeriod, zone: Where, n: int) -> datetime:
    """Returns the n-th boundary in UTC: the anchor's local wall time plus n periods, its day clamped to its month.

    Counted from the anchor, so that the 31st comes back after a short month. A wall time that the clocks jump over
    moves forward by the gap, one that they show twice is the first. Boundary 0 is the anchor itself, whatever the
    clocks do. `n` may be negative.

    Raises:
        InvalidDefinition: the boundary is outside of the years 1 to 9999.
    """
    if n == 0:
        return anchor
    try:
        wall = wall_boundary(anchor, period, zone, n)
        return _instant(wall, zone if isinstance(zone, ZoneInfo) else zone.of(wall))
    except (OverflowError, ValueError):
        raise InvalidDefinition("anchor", f"{anchor} and {n} times {period} leave the years 1 to 9999") from None


def wall_boundary(anchor: datetime, period: BillingPeriod, zone: Where, n: int) -> datetime:
    """Returns the wall time of the n-th boundary, without a zone.

    Raises:
        OverflowError, ValueError: it is outside of the years 1 to 9999.
    """
    first = zone if isinstance(zone, ZoneInfo) else zone.first
    return _moved(anchor.astimezone(first).replace(tzinfo=None, fold=0), period, n)


def nth(anchor: datetime, period: BillingPeriod, zone: Where, index: int) -> Span:
    """Returns the period from boundary `index` to the next; these windows tile time without a gap or an overlap."""
    return Span(boundary(anchor, period, zone, index), boundary(anchor, period, zone, index + 1))


def containing(anchor: datetime, period: BillingPeriod, zone: Where, at: datetime) -> int:
    """Returns the index of the period that contains the instant `at`; negative before the anchor."""
    guess = zone if isinstance(zone, ZoneInfo) else zone.first
    local, from_local = at.astimezone(guess), anchor.astimezone(guess)
    if period.months:
        passed = (local.year - from_local.year) * _MONTHS_A_YEAR + local.month - from_local.month
        index = passed // period.months
    else:
        index = (local.date() - from_local.date()).days // period.days
    # The wall's guess is at most two off: it leaves out the time of day, clamped days, changes of clocks and of zones.
    while boundary(anchor, period, zone, index) > at:
        index -= 1
    while boundary(anchor, period, zone, index + 1) <= at:
        index += 1
    return index


def calendar_anchor(start: datetime, period: BillingPeriod, zone: ZoneInfo) -> datetime:
    """Returns a calendar boundary at or before `start`, in UTC: local midnight of the day that the calendar begins on.

    Months that divide a year begin with the year's blocks (P1M on the first, P3M in January, April, July, October, P12M
    in January); other months (P5M, P18M) with the month of `start`. Years (P1Y, P2Y) begin with the January of `start`,
    weeks (P1W, P2W) on its Monday, days (P10D) on its own day.

    Where the clocks jump over that midnight the boundary before it is taken, since every later boundary would inherit
    the wrong time of day; so the period of `start` is `containing(anchor, ..., start)`, which is mostly 0.
    """
    wall = datetime.combine(_calendar_day(start.astimezone(zone), period), time())
    anchor = _instant(wall, zone)
    while anchor > start or anchor.astimezone(zone).replace(tzinfo=None) != wall:
        wall = _moved(wall, period, -1)
        anchor = _instant(wall, zone)
    return anchor


def _calendar_day(local: datetime, period: BillingPeriod) -> datetime:
    match period.unit:
        case Unit.DAY:
            return local
        case Unit.WEEK:
            return local - timedelta(days=local.weekday())
        case Unit.MONTH:
            divides_year = _MONTHS_A_YEAR % period.length == 0
            past_block = (local.month - 1) % period.length if divides_year else 0
            return local.replace(month=local.month - past_block, day=1)
        case Unit.YEAR:
            return local.replace(month=1, day=1)
        case _:
            assert_never(period.unit)


def _moved(wall: datetime, period: BillingPeriod, n: int) -> datetime:
    if not period.months:
        return wall + timedelta(days=n * period.days)
    year, month = divmod(wall.year * _MONTHS_A_YEAR + wall.month - 1 + n * period.months, _MONTHS_A_YEAR)
    return wall.replace(year=year, month=month + 1, day=min(wall.day, _days_of_month(year, month + 1)))


def _days_of_month(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Fold 0 reads a skipped wall time with the offset before the gap, and a repeated one as the first (PEP 495)."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())
