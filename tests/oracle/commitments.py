"""What the terms of commitments come short of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from tests.oracle.lines import Line, TermKey, Window
from tests.oracle.numbers import Raw, minor, number, seconds
from tests.oracle.periods import Grid, periods_in


@dataclass(frozen=True, slots=True)
class Term:
    """A commitment's term with its billed windows under one stretch of the plan."""

    key: TermKey
    price: Raw
    place: int
    windows: Sequence[Window]
    full: tuple[datetime, datetime]

    def ends(self, stint_end: datetime | None) -> datetime:
        """Its end: the grid's, or earlier the plan's or the subscription's."""
        return min(self.full[1], stint_end or self.full[1])

    def committed(self, digits: int) -> int:
        """What its windows commit to, in minor units."""
        served = sum((seconds(window.start, window.end) for window in self.windows if window.end), Fraction(0))
        return minor(number(self.price, "amount") * served / seconds(*self.full), digits)

    def counted(self, lines: Iterable[Line]) -> int:
        """What its windows were billed, before coupons."""
        return sum(line.owed for line in lines if line.window in self.windows and line.term is None)


def terms(windows: Sequence[Window], grid: Grid) -> list[Term]:
    """Every term of every commitment that has a billed window, by its start, then by the plan's order."""
    found: dict[TermKey, tuple[Raw, int, list[Window]]] = {}
    for window in windows:
        if not window.billed:
            continue
        period = window.plan["billing_period"]
        for place, price in enumerate(window.plan["prices"]):
            if price["type"] == "commitment":
                k = grid.index(period, window.start) // periods_in(price.get("term", period), period)
                found.setdefault((window.stint, price["code"], k), (price, place, []))[2].append(window)
    result = []
    for key, (price, place, inside) in found.items():
        period = inside[0].plan["billing_period"]
        n = periods_in(price.get("term", period), period)
        full = grid.boundary(period, key[2] * n), grid.boundary(period, (key[2] + 1) * n)
        result.append(Term(key, price, place, inside, full))
    return sorted(result, key=lambda term: (term.windows[0].start, term.place))
