"""What each group of a usage price owes of a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TypeAlias

from tests.oracle.meters import Event, Group, group_of, level, matches, measured, values
from tests.oracle.numbers import Raw, spread
from tests.oracle.prices import owed

Span: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Bill:
    """What one group owes."""

    quantity: Fraction
    amount: int


NOTHING = Bill(Fraction(0), 0)


@dataclass(frozen=True, slots=True)
class Measured:
    """A meter's events of a window and of all windows before it, in order of arrival."""

    inside: Sequence[Event]
    before: Sequence[Event]


def bills(price: Raw, meter: Raw, events: Measured, span: Span, digits: int) -> dict[Group, Bill]:
    """The groups in order; without `group_by` the one group ()."""
    inside, before = ([event for event in part if matches(meter, event)] for part in (events.inside, events.before))
    groups = _groups(meter, inside, before)
    quantities = {group: _quantity(meter, part, span) for group, part in groups.items()}
    if price.get("across_groups"):
        return _across(price, _quantity(meter, Measured(inside, before), span), quantities, digits)
    read = {group: _read(price, meter, part.inside) for group, part in groups.items()}
    return {group: Bill(quantity, owed(price, quantity, read[group], digits)) for group, quantity in quantities.items()}


def _groups(meter: Raw, inside: Sequence[Event], before: Sequence[Event]) -> dict[Group, Measured]:
    """The groups that owe a line: those with events in the window, or with a level that is not 0."""
    if not meter.get("group_by"):
        return {(): Measured(inside, before)}
    found = sorted({group_of(meter, event) for event in [*inside, *(before if meter.get("carry_over") else [])]})
    parts = {
        group: Measured(*([event for event in part if group_of(meter, event) == group] for part in (inside, before)))
        for group in found
    }
    return {group: part for group, part in parts.items() if part.inside or level(meter, part.before)}


def _read(price: Raw, meter: Raw, inside: Sequence[Event]) -> list[Fraction]:
    """Of percentage, which prices each event: their values in order of time."""
    if price["model"] != "percentage":
        return []
    return values(meter, sorted(inside, key=lambda event: event.at))


def _quantity(meter: Raw, part: Measured, span: Span) -> Fraction:
    return measured(meter, part.inside, span, level(meter, part.before))


def _across(price: Raw, total: Fraction, quantities: dict[Group, Fraction], digits: int) -> dict[Group, Bill]:
    if not quantities:
        return {}
    shares = spread(owed(price, total, [], digits), [max(quantity, Fraction(0)) for quantity in quantities.values()])
    return {group: Bill(quantity, share) for (group, quantity), share in zip(quantities.items(), shares, strict=True)}
