"""What coupons take off the lines of a statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from tests.oracle.lines import Line
from tests.oracle.numbers import Raw, half_away, minor, number, spread
from tests.oracle.periods import Grid


@dataclass(slots=True, eq=False)
class Applied:
    """A coupon from the moment it was applied up to its end; None: for ever."""

    coupon: Raw
    start: datetime
    end: datetime | None

    @property
    def code(self) -> str:
        """The coupon's code."""
        return str(self.coupon["code"])

    def in_force(self, line: Line) -> bool:
        """Whether it takes something off the line."""
        if "prices" in self.coupon and line.price not in self.coupon["prices"]:
            return False
        if line.paid_at is not None:
            return self.start <= line.paid_at and (self.end is None or line.paid_at < self.end)
        if line.ended_at is not None:
            return self.start < line.ended_at and (self.end is None or line.ended_at <= self.end)
        return False


@dataclass(frozen=True, slots=True)
class Discounts:
    """The coupons of a subscription in order of application."""

    applied: Sequence[Applied]
    grid: Grid
    digits: int

    def take_off(self, lines: Sequence[Line], earlier: Sequence[Line]) -> None:
        """Sets what coupons take off the statement's lines, which stand in their order."""
        for line in lines:
            line.coupons = self.in_force(line) if line.coupons is None else line.coupons
            before = self._percent_of(line.already, line)
            line.percent_off = self._percent_of(line.already + line.owed, line) - before
        for place, applied in enumerate(self.applied):
            if "amount_off" in applied.coupon:
                self._take_amount_off(place, lines, earlier)

    def in_force(self, line: Line) -> frozenset[int]:
        """The places of the coupons that take something off the line."""
        return frozenset(place for place, applied in enumerate(self.applied) if applied.in_force(line))

    def _percent_of(self, amount: int, line: Line) -> int:
        """What the percent coupons in force for the line take off an amount."""
        left = Fraction(1)
        for place in line.coupons or ():
            left *= 1 - number(self.applied[place].coupon, "percent_off") / 100
        return half_away(amount * (1 - left))

    def _take_amount_off(self, place: int, lines: Sequence[Line], earlier: Sequence[Line]) -> None:
        off = minor(number(self.applied[place].coupon, "amount_off"), self.digits)
        for period, now in self._eligible(place, lines).items():
            before = self._eligible(place, earlier).get(period, [])
            total = sum(_left(line, place) for line in [*before, *now])
            given = sum(line.amounts_off.get(place, 0) for line in before)
            shares = spread(min(off, max(total, 0)) - given, [Fraction(abs(_left(line, place))) for line in now])
            for line, share in zip(now, shares, strict=True):
                line.amounts_off[place] = share

    def _eligible(self, place: int, lines: Sequence[Line]) -> dict[datetime, list[Line]]:
        """The lines that it is in force for, by the starts of their periods."""
        found: dict[datetime, list[Line]] = {}
        for line in lines:
            if place in (line.coupons or ()):
                found.setdefault(self.grid.period(line.period, line.start)[0], []).append(line)
        return found


def _left(line: Line, place: int) -> int:
    """What the percents and the amount coupons before this one leave of a line."""
    return line.owed - line.percent_off - sum(off for other, off in line.amounts_off.items() if other < place)
