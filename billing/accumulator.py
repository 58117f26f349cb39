# ruff: noqa: ARG002 - all accumulators take what one of them needs
"""How the values of a window become one quantity.

An accumulator is the state of one meter (and one group of it) in one window. Each is exact, gives the same quantity in
whatever order its events arrive, forgets an event that is retracted as if it had never been, and merges with another
into what one of all their events would be.

What each keeps, and what bounds it:

| aggregation                  | keeps                                        | grows with                       |
|------------------------------|----------------------------------------------|----------------------------------|
| count, sum, avg              | number of events, their sum                  | nothing                          |
| weighted_sum                 | number of events, sum, sum weighted by time  | nothing                          |
| unique, max, min, percentile | how often each value occurred                | the distinct values of the window|
| latest, `EventValues`        | each event's time, position and value        | the events of the window         |

`entries` says how many values one keeps, so that an account can put a limit on them.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Self, TypeAlias

from billing.errors import Defect
from billing.instant import micros
from billing.period import Span
from billing.quantity import EXACT, ZERO, add, plain, subtract

Value: TypeAlias = Decimal | str | None
"""What a meter reads from one event: nothing for `count`, a text for `unique`, else a number."""
State: TypeAlias = list[Any]
"""Lists, integers and strings only, as msgpack and JSON carry them."""

_VERSION: Final = 1
_multiply = EXACT.multiply


class Accumulator(ABC):
    """The values of one window so far; `events` counts them."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events = 0

    @abstractmethod
    def add(self, value: Value, at_us: int, position: int) -> None:
        """Takes one event in.

        Args:
            value: what the meter read from it.
            at_us: when it occurred, microseconds since 1970 UTC.
            position: its order of arrival, different for each event; the greater one wins a tie of `latest`.
        """

    @abstractmethod
    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Takes back an event that was added with these very arguments.

        Raises:
            Defect: it is not there.
        """

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Takes in all events of another accumulator of the same meter and window, which stays as it is.

        The quantity is then that of all events, exactly; their positions must differ.
        """

    @abstractmethod
    def quantity(self, window: Span, carried: Decimal | None) -> Decimal | Fraction:
        """Returns the exact quantity, not rounded; 0 without events and without a carried level.

        Args:
            window: what the events lie in; only a time average asks for its length.
            carried: the level or last value that the window before closed with.
        """

    @abstractmethod
    def state(self) -> State:
        """Returns all that is kept; equal for equal contents, in whatever order they came."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Becomes what `state` was taken of."""

    def dump(self) -> State:
        """Returns `[version, *state]`."""
        return [_VERSION, *self.state()]

    def load(self, dumped: State) -> None:
        """Becomes what was dumped.

        Raises:
            Defect: the dump is of a version that this code does not know.
        """
        version, *state = dumped
        if version != _VERSION:
            raise Defect(
                f"an accumulator of version {version!r} was stored, this code reads {_VERSION}; replay rebuilds it"
            )
        self.restore(state)

    @property
    def entries(self) -> int:
        """How many values are kept one by one."""
        return 0

    def closing_level(self, carried: Decimal | None) -> Decimal | None:
        """Returns the level or last value that the next window begins with; None where nothing is carried over."""
        return None

    def _uncount(self) -> None:
        if not self.events:
            raise Defect("an event is retracted that was never added: the window has none")
        self.events -= 1


class Count(Accumulator):
    """The number of events."""

    __slots__ = ()

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Counts it."""
        self.events += 1

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Counts it no more."""
        self._uncount()

    def merge(self, other: Self) -> None:
        """Adds the number of events."""
        self.events += other.events

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the number of events."""
        return Decimal(self.events)

    def state(self) -> State:
        """Returns `[events]`."""
        return [self.events]

    def restore(self, state: State) -> None:
        """Takes `[events]`."""
        (self.events,) = state


class Sum(Accumulator):
    """The sum of the values."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        super().__init__()
        self.total = ZERO

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Adds the value."""
        assert isinstance(value, Decimal)
        self.events += 1
        self.total = add(self.total, value)

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Subtracts the value."""
        assert isinstance(value, Decimal)
        self._uncount()
        self.total = subtract(self.total, value)

    def merge(self, other: Self) -> None:
        """Adds the sum."""
        self.events += other.events
        self.total = add(self.total, other.total)

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal | Fraction:
        """Returns the sum."""
        return self.total

    def state(self) -> State:
        """Returns `[events, sum]`."""
        return [self.events, plain(self.total)]

    def restore(self, state: State) -> None:
        """Takes `[events, sum]`."""
        self.events, total = state
        self.total = Decimal(total)


class Average(Sum):
    """The sum of the values by their number."""

    __slots__ = ()

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal | Fraction:
        """Returns the exact fraction."""
        return Fraction(self.total) / self.events if self.events else ZERO


class WeightedSum(Sum):
    """The time average of a level that every value changes at its instant.

    A change v at the instant t adds v (end - t) / (end - start) to the average: linear in v and in v t, so two sums
    hold all of it, in any order.
    """

    __slots__ = ("carries", "moment")

    def __init__(self, *, carries: bool) -> None:
        super().__init__()
        self.carries = carries
        self.moment = ZERO  # the sum of value x microseconds since 1970

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Changes the level by the value from its instant on."""
        super().add(value, at_us, position)
        assert isinstance(value, Decimal)
        self.moment = add(self.moment, _multiply(value, Decimal(at_us)))

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Takes the change of the level back."""
        super().retract(value, at_us, position)
        assert isinstance(value, Decimal)
        self.moment = subtract(self.moment, _multiply(value, Decimal(at_us)))

    def merge(self, other: Self) -> None:
        """Adds the changes of the level."""
        super().merge(other)
        self.moment = add(self.moment, other.moment)

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal | Fraction:
        """Returns the average over the real time of the window; of an empty window, the level."""
        level = self._brought_in(carried)
        if not window.length_us:
            return add(level, self.total)
        end_us = Decimal(micros(window.end))
        return Fraction(level) + Fraction(subtract(_multiply(self.total, end_us), self.moment)) / window.length_us

    def closing_level(self, carried: Decimal | None) -> Decimal | None:
        """Returns the level at the end of the window."""
        return add(self._brought_in(carried), self.total) if self.carries else None

    def state(self) -> State:
        """Returns `[events, sum, moment]`."""
        return [*super().state(), plain(self.moment)]

    def restore(self, state: State) -> None:
        """Takes `[events, sum, moment]`."""
        *summed, moment = state
        super().restore(summed)
        self.moment = Decimal(moment)

    def _brought_in(self, carried: Decimal | None) -> Decimal:
        return carried if carried is not None and self.carries else ZERO


class Unique(Accumulator):
    """The number of distinct texts; how often each occurred, so that taking one back is exact."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[Any, int] = {}

    @property
    def entries(self) -> int:
        """The number of distinct values."""
        return len(self.counts)

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Counts the value."""
        self.events += 1
        self.counts[value] = self.counts.get(value, 0) + 1

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Counts the value no more."""
        left = self.counts.get(value, 0) - 1
        if left < 0:
            raise Defect("an event is retracted that was never added: its value does not occur")
        self._uncount()
        if left:
            self.counts[value] = left
        else:
            del self.counts[value]

    def merge(self, other: Self) -> None:
        """Adds how often each value occurred."""
        self.events += other.events
        for value, times in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + times

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns how many different values occurred."""
        return Decimal(len(self.counts))

    def state(self) -> State:
        """Returns `[[value, times], ...]`, by value."""
        return [[value, times] for value, times in sorted(self.counts.items())]

    def restore(self, state: State) -> None:
        """Takes `[[value, times], ...]`."""
        self.counts = dict(state)
        self.events = sum(self.counts.values())


class _Ranked(Unique):
    """Numbers and how often each occurred: taking the greatest back leaves the one below it.

    The keys are the numbers' texts. A number's own hash is the same everywhere, so that strangers can choose 100,000 of
    one hash, each a step slower than the one before; a text's is salted.
    """

    __slots__ = ()

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Counts the value."""
        assert isinstance(value, Decimal)
        super().add(plain(value), at_us, position)

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Counts the value no more."""
        assert isinstance(value, Decimal)
        super().retract(plain(value), at_us, position)


class Maximum(_Ranked):
    """The greatest value."""

    __slots__ = ()

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the greatest value."""
        return max(map(Decimal, self.counts), default=ZERO)


class Minimum(_Ranked):
    """The least value."""

    __slots__ = ()

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the least value."""
        return min(map(Decimal, self.counts), default=ZERO)


class Percentile(_Ranked):
    """The value of the nearest rank: the least value that p per cent of all values do not exceed."""

    __slots__ = ("percent",)

    def __init__(self, percent: Decimal) -> None:
        super().__init__()
        self.percent = percent

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the value of rank ceil(p / 100 x events)."""
        rank = -(-Fraction(self.percent) * self.events // 100)
        for text in sorted(self.counts, key=Decimal):
            rank -= self.counts[text]
            if rank <= 0:
                return Decimal(text)
        return ZERO


class _Ordered(Accumulator):
    """Every value, by event time and then by arrival: taking the last back leaves the one before it."""

    __slots__ = ("entered",)

    def __init__(self) -> None:
        super().__init__()
        self.entered: list[tuple[int, int, Decimal]] = []

    @property
    def entries(self) -> int:
        """The number of events."""
        return len(self.entered)

    def add(self, value: Value, at_us: int, position: int) -> None:
        """Puts the value in its place; at the end, where most belong, that costs the least."""
        assert isinstance(value, Decimal)
        self.events += 1
        insort(self.entered, (at_us, position, value))

    def retract(self, value: Value, at_us: int, position: int) -> None:
        """Takes the value out of its place."""
        assert isinstance(value, Decimal)
        entry = (at_us, position, value)
        place = bisect_left(self.entered, entry)
        if self.entered[place : place + 1] != [entry]:
            raise Defect(f"an event is retracted that was never added: none of position {position} at {at_us}")
        del self.entered[place]
        self._uncount()

    def merge(self, other: Self) -> None:
        """Puts every value in its place."""
        self.events += other.events
        self.entered = sorted(self.entered + other.entered)

    def state(self) -> State:
        """Returns `[[at_us, position, value], ...]` in order."""
        return [[at_us, position, plain(value)] for at_us, position, value in self.entered]

    def restore(self, state: State) -> None:
        """Takes `[[at_us, position, value], ...]`."""
        self.entered = [(at_us, position, Decimal(value)) for at_us, position, value in state]
        self.events = len(self.entered)


class Latest(_Ordered):
    """The value of the greatest event time; of several at that time, the last to arrive."""

    __slots__ = ("carries",)

    def __init__(self, *, carries: bool) -> None:
        super().__init__()
        self.carries = carries

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the last value, else the carried one."""
        if self.entered:
            return self.entered[-1][2]
        return carried if carried is not None and self.carries else ZERO

    def closing_level(self, carried: Decimal | None) -> Decimal | None:
        """Returns the last value, else the carried one."""
        if not self.carries:
            return None
        return self.entered[-1][2] if self.entered else carried


class EventValues(_Ordered):
    """The single values that percentage pricing asks for, beside the quantity.

    In the order of event time, then of arrival, so that what is free does not depend on who was delivered first. One
    entry of about 150 bytes for each event of the window.
    """

    __slots__ = ()

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        """Returns the sum of the values."""
        total = ZERO
        for _, _, value in self.entered:
            total = add(total, value)
        return total

    def values(self) -> tuple[Decimal, ...]:
        """Returns the values in order, as `price.amount` takes them."""
        return tuple([value for _, _, value in self.entered])
