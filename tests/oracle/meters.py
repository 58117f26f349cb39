"""What a meter makes of a window's events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import TypeAlias

from tests.oracle.numbers import Raw, exact, number, seconds, twelve

Group: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One usage event as its producer meant it; `arrived` is the tenant's clock when it came."""

    id: str
    customer: str
    type: str
    at: datetime
    properties: Raw
    arrived: datetime
    subscription: str | None = None


def once(events: Iterable[Event]) -> list[Event]:
    """Each id of a customer, at its first arrival."""
    first: dict[tuple[str, str], Event] = {}
    for event in events:
        first.setdefault((event.customer, event.id), event)
    return list(first.values())


def matches(meter: Raw, event: Event) -> bool:
    """Whether the event is for the meter."""
    filters = meter.get("filters", {})
    return event.type == meter["event"] and all(event.properties.get(name) in ok for name, ok in filters.items())


def readable(meter: Raw, event: Event) -> bool:
    """Whether the meter finds what it reads."""
    return "property" not in meter or meter["property"] in event.properties


def group_of(meter: Raw, event: Event) -> Group:
    """The group that the event is in; () where the meter does not group."""
    return tuple((name, event.properties.get(name, "")) for name in meter.get("group_by", []))


def level(meter: Raw, before: Sequence[Event]) -> Fraction | None:
    """What a meter that carries over brings in, from the events before the window; None: nothing."""
    if not meter.get("carry_over") or not before:
        return None
    if meter["aggregation"] == "latest":
        return _latest(meter, before)
    return sum(values(meter, before), Fraction(0))


def values(meter: Raw, events: Iterable[Event]) -> list[Fraction]:
    """What the meter reads."""
    return [exact(event.properties[meter["property"]]) for event in events]


def measured(
    meter: Raw, events: Sequence[Event], span: tuple[datetime, datetime], carried: Fraction | None
) -> Fraction:
    """The quantity of a window's events, in order of arrival."""
    match meter["aggregation"]:
        case "count":
            return Fraction(len(events))
        case "unique":
            return Fraction(len({event.properties[meter["property"]] for event in events}))
        case "latest":
            return twelve(_latest(meter, events) if events else carried or Fraction(0))
        case "weighted_sum":
            weighted = [
                value * seconds(event.at, span[1]) for value, event in zip(values(meter, events), events, strict=True)
            ]
            return twelve((carried or Fraction(0)) + sum(weighted, Fraction(0)) / seconds(*span))
    return twelve(_statistic(meter, values(meter, events))) if events else Fraction(0)


def _latest(meter: Raw, events: Sequence[Event]) -> Fraction:
    return values(meter, sorted(events, key=lambda event: event.at))[-1]  # sorted() keeps ties: the later arrival wins


def _statistic(meter: Raw, read: list[Fraction]) -> Fraction:
    match meter["aggregation"]:
        case "sum":
            return sum(read, Fraction(0))
        case "max":
            return max(read)
        case "min":
            return min(read)
        case "avg":
            return sum(read, Fraction(0)) / len(read)
        case "percentile":
            return sorted(read)[ceil(number(meter, "percentile") / 100 * len(read)) - 1]
        case other:
            raise ValueError(other)
