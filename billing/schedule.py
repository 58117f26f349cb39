"""When something falls due by itself: the ends of trials and periods, and the end of a subscription that has one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from billing.entry import FormerZone, Terms
from billing.errors import InvalidDefinition
from billing.period import BillingPeriod, Where, Zones, billing_period, boundary, containing, wall_boundary, zone


class Falls(StrEnum):
    """What falls due: each becomes one command of the journal, with the due moment as its `at`."""

    CLOSE = "close"
    """A `CycleClosed`: a period or a trial is over and the next period begins."""
    CANCEL = "cancel"
    """A `SubscriptionCanceled`, instead of the close where both fall together."""


@dataclass(frozen=True, slots=True)
class Due:
    """One thing that falls due at `at`."""

    at: datetime
    falls: Falls


@dataclass(frozen=True, slots=True)
class Schedule:
    """What decides when a subscription's cycles close.

    `periods` cancels it at the end of its n-th billed period (a partial first period is one of them, a trial is none);
    `cancel_at` at that instant. The earlier one counts where both are given.
    """

    start: datetime
    anchor: datetime
    period: BillingPeriod
    zone: Where
    trial_end: datetime | None = None
    periods: int | None = None
    cancel_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.trial_end is not None and self.trial_end <= self.start:
            raise InvalidDefinition("trial_end", f"{self.trial_end} is not after the start, {self.start}")
        if self.periods is not None and self.periods < 1:
            raise InvalidDefinition("periods", f"is {self.periods}; a whole number of at least 1 is allowed")

    @property
    def ends_at(self) -> datetime | None:
        """When the subscription ends by itself; None where it goes on."""
        ends = [self.cancel_at] if self.cancel_at is not None else []
        if self.periods is not None:
            first = containing(self.anchor, self.period, self.zone, self.trial_end or self.start)
            ends.append(boundary(self.anchor, self.period, self.zone, first + self.periods))
        return min(ends, default=None)


def next_due(schedule: Schedule, after: datetime) -> Due | None:
    """Returns what falls due next, once everything up to and at `after` is done; None after the end.

    `after` is the start, or the moment of the newest close. A pause is the caller's: while it lasts nothing falls due,
    and then `after` is the moment of the resumption.
    """
    ends_at = schedule.ends_at
    if ends_at is not None and after >= ends_at:
        return None
    closes_at = _next_close(schedule, after)
    if ends_at is not None and ends_at <= closes_at:
        return Due(ends_at, Falls.CANCEL)
    return Due(closes_at, Falls.CLOSE)


def _next_close(schedule: Schedule, after: datetime) -> datetime:
    if schedule.trial_end is not None and after < schedule.trial_end:
        return schedule.trial_end
    return period_end(schedule.anchor, schedule.period, schedule.zone, after)


def period_end(anchor: datetime, period: BillingPeriod, zone: Where, at: datetime) -> datetime:
    """Returns the end of the period that contains `at`: the first boundary after it."""
    return boundary(anchor, period, zone, containing(anchor, period, zone, at) + 1)


def zones_of(terms: Terms) -> Zones:
    """Returns the zones that the boundaries of a subscription of these terms fall in.

    Raises:
        InvalidDefinition: there is no such zone, or a former one ends at no wall time.
    """
    return Zones(
        zone(terms.timezone), tuple((_wall(former.until), zone(former.timezone)) for former in terms.former_zones)
    )


def rezoned(terms: Terms, timezone: str, anchor: datetime, open_until: datetime) -> Terms:
    """Returns the terms in another zone: boundaries up to `open_until` stay, later ones keep their wall times in it.

    Args:
        terms: as they are agreed now; unchanged in the same zone.
        timezone: the new zone.
        anchor: what the subscription's periods are counted from.
        open_until: the end of the open period or trial; in a pause the moment of the change.

    Raises:
        InvalidDefinition: there is no such zone, or the next boundary would come before the end of the open period.
    """
    if timezone == terms.timezone:
        return terms
    here = zones_of(terms)
    until = _wall_of(open_until, here)
    kept = tuple(former for former in terms.former_zones if _wall(former.until) < until)
    left = FormerZone(timezone=here.of(until).key, until=until.isoformat())
    moved = msgspec.structs.replace(terms, timezone=timezone, former_zones=(*kept, left))
    period, zones = billing_period(terms.billing_period), zones_of(moved)
    first = _first_wall_after(anchor, period, zones, until)
    following, before = (boundary(anchor, period, zones, n) for n in (first, first - 1))
    if following < before:
        problem = (
            f"the period after {open_until} would end {following}, before it begins; change by a zone between the two"
        )
        raise InvalidDefinition("timezone", problem)
    return moved


def _wall_of(at: datetime, zones: Zones) -> datetime:
    """Returns the wall time that is read as this instant; where two zones meet and none is, that of the newest."""
    for place in (*(former for _, former in zones.former), zones.zone):
        wall = at.astimezone(place).replace(tzinfo=None, fold=0)
        if zones.of(wall) is place:
            break
    return wall


def _first_wall_after(anchor: datetime, period: BillingPeriod, zones: Zones, until: datetime) -> int:
    n = containing(anchor, period, zones.first, until.replace(tzinfo=UTC))
    while wall_boundary(anchor, period, zones, n) > until:
        n -= 1
    while wall_boundary(anchor, period, zones, n) <= until:
        n += 1
    return n


def _wall(text: str) -> datetime:
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        wall = None
    if wall is None or wall.tzinfo is not None:
        raise InvalidDefinition(
            "former_zones", f"{text[:40]!r} is no wall time without an offset, such as 2026-02-01T00:00:00"
        )
    return wall
