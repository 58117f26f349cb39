"""Where in the journal usage first reached an instant: a command finds there what occurred after it and came before."""

from bisect import bisect_right
from typing import Final

from billing.account.items import FRONTIER, VERSION, Items, check_version
from billing.account.records import FrontierRecord, decode_frontier, encode_record

_STEP_US: Final = (
    1_000_000  # one mark a second of event time: fine enough to read little again, rare enough to be cheap
)
_MOST_MARKS: Final = 16  # they are written at nearly every flush
_SPARSER: Final = slice(1, _MOST_MARKS // 2, 2)
_BEFORE_ALL: Final = -(1 << 63)


class Frontier:
    """Marks (instant, position): all usage that occurred at the instant or later stands at the position or later.

    All usage so far occurred before `ceiling_us`.
    """

    __slots__ = ("_changed", "_instants", "_positions", "ceiling_us")

    def __init__(self, items: Items) -> None:
        stored = items.get(FRONTIER)
        record = FrontierRecord(VERSION, _BEFORE_ALL, []) if stored is None else decode_frontier(stored)
        check_version(record.version, "a frontier")
        self.ceiling_us = record.ceiling_us
        self._instants = [at_us for at_us, _ in record.marks]
        self._positions = [position for _, position in record.marks]
        self._changed = False

    def advance(self, at_us: int, position: int) -> None:
        """Takes in usage that occurred at the ceiling or later."""
        self._instants.append(self.ceiling_us)
        self._positions.append(position)
        self.ceiling_us = at_us + _STEP_US
        if len(self._instants) > _MOST_MARKS:  # the older ones get sparser; the first stays, before everything
            del self._instants[_SPARSER], self._positions[_SPARSER]
        self._changed = True

    def include(self, at_us: int, position: int) -> None:
        """Takes in usage that stands before newer marks: it was refused when it arrived, and counts from now on."""
        if at_us >= self.ceiling_us:
            self.advance(at_us, position)
        later = bisect_right(self._instants, at_us)
        self._positions[:later] = [min(first, position) for first in self._positions[:later]]
        self._changed = True

    def taken(self) -> list[tuple[bytes, bytes | None]]:
        """Returns its item where it has changed since the last call; encoded then, and not at each advance."""
        if not self._changed:
            return []
        self._changed = False
        marks = list(zip(self._instants, self._positions, strict=True))
        return [(FRONTIER, encode_record(FrontierRecord(VERSION, self.ceiling_us, marks)))]

    def position_of(self, at_us: int) -> int | None:
        """Returns a position that no usage from `at_us` on stands before; None where there is no such usage."""
        if at_us >= self.ceiling_us:
            return None
        return self._positions[bisect_right(self._instants, at_us) - 1]
