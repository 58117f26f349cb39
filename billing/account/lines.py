"""The lines of a statement that come from cells: what a window used, and what late usage changed."""

from collections.abc import Iterator

from billing.account.cell import Bill, Cell, difference
from billing.account.window import Window
from billing.quantity import canonical
from billing.statement import Line, LineKind


def usage_lines(window: Window) -> Iterator[tuple[int, Cell, Line]]:
    """Bills a window and yields its lines, with the place of the price: one for each price, or for each group.

    Groups stand sorted by value. A group without events has no line.
    """
    for route in window.routes:
        for group in sorted(window.groups(route)):
            cell = window.cell(route, group)
            if cell.owes:
                cell.billed = bill = cell.bill()
                line = _line(LineKind.USAGE, cell, canonical(bill.quantity), bill.amount_minor)
                yield route.measured.number, cell, line


def adjustment(cell: Cell) -> Line | None:
    """Bills a cell of a closed window again and returns the difference; None where the quantity did not change.

    A group that is first seen late owes all of f, one that has lost all its events owes nothing any more.
    """
    now, before = cell.bill() if cell.owes else None, cell.billed
    if _quantity(now) == _quantity(before):
        return None
    cell.billed = now
    return _line(LineKind.ADJUSTMENT, cell, *difference(now, before))


def _quantity(bill: Bill | None) -> object:
    return None if bill is None else bill.quantity


def _line(kind: LineKind, cell: Cell, quantity: str, amount_minor: int) -> Line:
    price = cell.measured.price
    return Line(
        kind=kind,
        price=price.code,
        group=dict(zip(cell.measured.meter.group_by, cell.group, strict=True)),
        quantity=quantity,
        amount_minor=amount_minor,
        period_start_us=cell.window.start_us,
        period_end_us=cell.window.end_us,
        taxable=price.taxable,
        events=cell.accumulator.events,
    )
