"""Usage in and out of the windows of an account's subscriptions."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from billing.account.books import Books
from billing.account.identity import VOIDED, Seen, id_key, number_of, taken_at
from billing.account.subscribed import AHEAD_US, TOO_EARLY, Refusal, Subscribed
from billing.account.timeline import Timeline
from billing.account.window import Reading, Window
from billing.entry import Usage, UsageVoided
from billing.errors import Defect, RefusedUsage
from billing.statement import Outcome, Refused, Repeated

Readings: TypeAlias = list[tuple[Timeline, list[Reading]]]
"""What the meters of every subscription read from one event."""
NOTHING: Final[tuple[Outcome, ...]] = ()
"""What there is to say where all is well."""


def read(subscribed: Iterable[Subscribed], usage: Usage, *, ahead_us: int = AHEAD_US) -> Readings | None:
    """Returns what is read of the usage, before any of it is counted; None where it waits for its subscription.

    What one subscription cannot count although it has a window there, or will have, is refused by all: too early, not
    to be read, no room. So usage is counted in every window that holds its instant, or in none, and whoever takes it
    back needs to know no more than that.

    Args:
        subscribed: the subscriptions that it may be for.
        usage: what a customer did.
        ahead_us: how far after an open window it may have occurred.

    Raises:
        RefusedUsage: no window holds it, or a meter cannot read it.
    """
    at_us, named = usage.occurred_at_us, usage.subscription
    readings: Readings = []
    refusal: Refusal | None = None
    for one in subscribed:
        if named is not None and named != one.subscription:
            continue
        window = one.timeline.current
        if window is None or not window.start_us <= at_us < window.end_us:
            found = one.window_at(at_us, ahead_us=ahead_us)
            if isinstance(found, Refusal):
                if found.reason == TOO_EARLY:
                    raise RefusedUsage(found.reason, found.detail)
                refusal = refusal or found
                continue
            window = found
        one_reads = window.read(usage)
        if window.is_bounded:
            window.require_room(one_reads)
        if window.closed and one_reads:
            one.timeline.require_room_for_late()
        readings.append((one.timeline, one_reads))
    if refusal is not None and not readings:
        raise RefusedUsage(refusal.reason, refusal.detail)
    return readings or None


def count(readings: Readings, at_us: int, position: int, number: int) -> None:
    """Counts what was read of the event with this number."""
    for timeline, read in readings:
        for route, group, value in read:
            cell = route.cells.get(group) or route.window.cell(route, group)
            cell.add(value, at_us, position, number)
            # A cell that is dirty already, in a window that is open, needs nothing more: nearly every event.
            if not cell.dirty or route.window.closed:
                timeline.changed(cell)


def uncount(one: Subscribed, window: Window, usage: Usage, position: int) -> None:
    """Takes usage out of a window as if it had never been counted."""
    number = number_of(usage)
    for route, group, value in window.read(usage):
        cell = window.cell(route, group)
        cell.retract(value, usage.occurred_at_us, position, number)
        one.timeline.changed(cell)


def uncount_in(subscribed: Iterable[Subscribed], usage: Usage, position: int) -> list[Refusal]:
    """Takes usage out of every window of these subscriptions that holds it; returns why the others have none."""
    refusals: list[Refusal] = []
    for one in subscribed:
        window = one.window_at(usage.occurred_at_us)
        if isinstance(window, Refusal):
            refusals.append(window)
        else:
            uncount(one, window, usage, position)
    return refusals


def void(books: Books, entry: UsageVoided, position: int, seen: Seen) -> tuple[Outcome, ...]:
    """Takes usage back wherever it was counted, and marks its id, so that it never counts again, or never does.

    Raises:
        Defect: the shell found another original than the one that was counted.
    """
    key = id_key(entry.tenant, entry.customer, entry.source, entry.id)
    known = seen.get(key)
    if known is not None and known[1] == VOIDED:
        return (Repeated(),)
    counted_at = taken_at(known)
    refused = None if counted_at is None else _take_back(books, entry, counted_at)
    if refused is not None:
        return (refused,)
    seen.put(key, position, VOIDED)
    return NOTHING


def _take_back(books: Books, entry: UsageVoided, counted_at: int) -> Refused | None:
    for waiting in books.parking.waiting():
        if waiting.position == counted_at:
            books.parking.remove(waiting.number)
            return None
    if entry.original is None:
        return Refused("original-gone", f"the journal no longer has position {counted_at}; credit the usage by hand")
    usage, position = entry.original
    if position != counted_at:
        raise Defect(f"usage {entry.id} was counted at position {counted_at}, its void names {position}")
    measuring = books.measuring(usage)
    refusals = uncount_in(measuring, usage, position)
    if refusals and len(refusals) == len(measuring):
        return Refused(refusals[0].reason, refusals[0].detail, usage, position)
    return None
