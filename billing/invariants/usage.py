"""I01 and I02: every event has one fate, and what was accepted is what was metered and invoiced."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from billing.invariants.finding import Finding, refold_of


class Measure(NamedTuple):
    """What one side has of a cell; None where that side does not say it."""

    quantity: Decimal | None
    events: int | None
    digest: bytes | None
    """The sum that stands for the events, as on an invoice's line."""


NOTHING: Final = Measure(Decimal(0), 0, bytes(24))
"""What a side has that was asked and knows nothing of the cell."""


class CellFact(NamedTuple):
    """One price and group of one subscription's window, as up to three sides have it; None: that side was not asked.

    A window that is still open has not been invoiced: then `invoiced` is None.
    """

    tenant: str
    subscription: str
    price: str
    group: str
    """The values that it groups by, in one text; empty where it does not group."""
    period_start: str
    accepted: Measure | None
    """Recomputed from the events that were accepted, each once."""
    metered: Measure | None
    """What rating says: its running totals."""
    invoiced: Measure | None
    """The usage line and all adjustments together; events and digest are those of the newest of them."""


def usage_is_conserved(cells: Iterable[CellFact]) -> Iterator[Finding]:
    """I01: of each cell the accepted quantity is the metered one, and that is the invoiced one with its adjustments."""
    for cell in cells:
        sides = [("accepted", cell.accepted), ("metered", cell.metered), ("invoiced", cell.invoiced)]
        asked = [(name, side) for name, side in sides if side is not None]
        for (name, one), (other_name, other) in pairwise(asked):
            if differs := _differences(one, other):
                yield Finding(
                    "I01",
                    cell.tenant,
                    f"{cell.subscription} {cell.price} {cell.group} from {cell.period_start}".replace("  ", " "),
                    f"{name} and {other_name} differ: {differs}. Refold the account{refold_of(cell.tenant)}",
                )


def _differences(one: Measure, other: Measure) -> str:
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in Measure._fields)
    return ", ".join(
        f"{name} {_shown(this)} and {_shown(that)}"
        for name, this, that in pairs
        if this is not None and that is not None and this != that
    )


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


class EventFact(NamedTuple):
    """What was sent under one id and what became of it, in records; or the sum over many ids."""

    tenant: str
    event: str
    """The event's source and id, or over what the sum is."""
    acknowledged: int
    """Records that Kafka acknowledged."""
    uncertain: int
    """Records that may have been sent or not: nobody heard."""
    accepted: int
    """Counted in time, once."""
    late: int
    """Counted after the close of its window, as an adjustment."""
    duplicate: int
    """Seen again, without effect; a voided event is one that was accepted."""
    dead: int
    """Dead letters of it: refused, conflicts, unreadable."""
    distinct: int = 1
    """Over how many ids the fact is; for a sum whose ids nobody counted, as many as records."""


def every_event_has_one_fate(events: Iterable[EventFact]) -> Iterator[Finding]:
    """I02: every record that was produced was accepted, adjusted late, a duplicate or dead-lettered, and only one."""
    for event in events:
        counted = event.accepted + event.late
        fates = counted + event.duplicate + event.dead
        if fates < event.acknowledged:
            yield _fate(event, f"lost: {event.acknowledged} were acknowledged and {fates} came out")
        if fates > event.acknowledged + event.uncertain:
            sent = event.acknowledged + event.uncertain
            yield _fate(event, f"unexpected: {sent} were sent at most and {fates} came out")
        if counted > event.distinct:
            yield _fate(event, f"counted {counted} times, and it is {event.distinct} of them")
        if event.duplicate and not counted and not event.dead:
            yield _fate(event, f"{event.duplicate} are called duplicates of an event that was never counted")


def _fate(event: EventFact, what: str) -> Finding:
    fates = f"accepted {event.accepted}, late {event.late}, duplicate {event.duplicate}, dead {event.dead}"
    remedy = f"Refold the account{refold_of(event.tenant)}"
    return Finding("I02", event.tenant, event.event, f"{what} ({fates}). {remedy}")
