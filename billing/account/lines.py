"""The lines of a statement that come from cells: what a window used, and what late usage changed."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import reduce
from itertools import groupby

from billing.account.cell import Bill, Cell, difference
from billing.account.draft import Draft
from billing.account.identity import events_digest
from billing.account.window import Route, Window
from billing.allocation import spread
from billing.meter import Aggregation, new_accumulator
from billing.price import charge
from billing.quantity import ZERO, add, canonical, rounded
from billing.statement import Line, LineKind


def usage_lines(window: Window) -> Iterator[tuple[Cell, Draft]]:
    """Bills a window and yields a line for each price, or for each group of it; groups stand sorted by value.

    A group without events has no line.
    """
    for route in window.routes:
        for cell, bill in _bills(route):
            cell.billed = bill
            yield cell, _draft(LineKind.USAGE, cell, canonical(bill.quantity), bill.amount_minor)


def adjustments(late: Iterable[Cell]) -> Iterator[tuple[Cell, Draft]]:
    """Bills the late cells of closed windows again and yields the differences, in their order.

    There is none where the quantity did not change; of a price that asks for every event, where the amount did not
    either. A group that is first seen late owes all of f, one that has lost all its events owes nothing any more. Where
    groups are priced together, all of them are billed again, and there is one for each whose quantity or share changed.
    """
    for _, cells in groupby(late, key=lambda cell: (cell.window.number, cell.measured.number)):
        first = next(cells)
        if first.measured.price.across_groups:
            yield from _across_groups_again(first)
            continue
        for cell in (first, *cells):
            now, before = cell.bill() if cell.owes else None, cell.billed
            if _differs(cell, now, before):
                yield cell, _adjustment(cell, now)


def _across_groups_again(late: Cell) -> Iterator[tuple[Cell, Draft]]:
    window, route = late.window, late.window.route(late.measured.number)
    bills = {cell.group: bill for cell, bill in _bills(route)}
    for group in sorted(window.groups(route)):
        cell = window.cell(route, group)
        now = bills.get(group)
        if now != cell.billed:
            yield cell, _adjustment(cell, now)


def _bills(route: Route) -> list[tuple[Cell, Bill]]:
    """Returns what each cell that owes a line comes to, by group."""
    window = route.window
    owing = [cell for group in sorted(window.groups(route)) if (cell := window.cell(route, group)).owes]
    if not route.measured.price.across_groups or not owing:
        return [(cell, cell.bill()) for cell in owing]
    quantities = [cell.quantity() for cell in owing]
    amount = charge(route.measured.price, quantity_together(owing), window.tariff.currency)
    shares = spread(amount, [max(quantity, ZERO) for quantity in quantities])
    return [(cell, Bill(q, share)) for cell, q, share in zip(owing, quantities, shares, strict=True)]


def quantity_together(cells: list[Cell]) -> Decimal:
    """The quantity of all groups, as if the meter did not group; levels that were brought in are summed."""
    meter, window = cells[0].measured.meter, cells[0].window
    merged = new_accumulator(meter)
    for cell in cells:
        merged.merge(cell.accumulator)
    levels = [cell.carried or ZERO for cell in cells]
    carried = reduce(add, levels) if meter.aggregation is Aggregation.WEIGHTED_SUM else None
    return rounded(merged.quantity(window.span, carried))


def _differs(cell: Cell, now: Bill | None, before: Bill | None) -> bool:
    if now is None or before is None:
        return now is not before and before != Bill(ZERO, 0)  # a group that had come to nothing leaves nothing behind
    return now != before if cell.measured.by_event else now.quantity != before.quantity


def _adjustment(cell: Cell, now: Bill | None) -> Draft:
    before, cell.billed = cell.billed, now
    quantity, amount_minor = difference(now, before)
    draft = _draft(LineKind.ADJUSTMENT, cell, quantity, amount_minor)
    return draft._replace(before_minor=0 if before is None else before.amount_minor)


def _draft(kind: LineKind, cell: Cell, quantity: str, amount_minor: int) -> Draft:
    price, window = cell.measured.price, cell.window
    line = Line(
        kind=kind,
        price=price.code,
        group=dict(zip(cell.measured.meter.group_by, cell.group, strict=True)),
        quantity=quantity,
        amount_minor=amount_minor,
        period_start_us=window.start_us,
        period_end_us=window.end_us,
        taxable=price.taxable,
        events=cell.accumulator.events,
        events_digest=events_digest(cell.events_sum),
    )
    return Draft(cell.measured.number, line, window.tariff)
