"""When something falls due by itself: the ends of trials and periods, and the end of a subscription that has one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from billing.errors import InvalidDefinition
from billing.period import BillingPeriod, boundary, containing


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
    zone: ZoneInfo
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


def period_end(anchor: datetime, period: BillingPeriod, zone: ZoneInfo, at: datetime) -> datetime:
    """Returns the end of the period that contains `at`: the first boundary after it."""
    return boundary(anchor, period, zone, containing(anchor, period, zone, at) + 1)
