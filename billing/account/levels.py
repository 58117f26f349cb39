"""Levels and last values that meters with `carry_over` hand on from window to window.

A meter is followed as long as its definition is the same, also past windows of a plan that did not price it and past a
pause. A group is carried while its level is not 0.
"""

from collections.abc import Callable, Iterator, Sequence

from billing.account.cell import Cell
from billing.account.items import Items
from billing.account.window import Route, Window


def bring_in(windows: Sequence[Window], opened: Window, items: Items) -> None:
    """Gives the window that opens the levels that the windows before it closed with."""
    before = windows[: windows.index(opened)]
    for route in opened.routes:
        sources = _nearest(reversed(before), route) if route.measured.meter.carry_over else []
        for source in sources[:1]:  # prices of one meter measure the same
            for group in list(source.window.groups(source)):
                _hand_on(source.window.cell(source, group), route, items)


def ends_in(window: Window, windows: Sequence[Window]) -> bool:
    """Whether a level stands in this window that no window after it has taken over."""
    after = windows[windows.index(window) + 1 :]
    return any(route.measured.meter.carry_over and not _nearest(iter(after), route) for route in window.routes)


def hand_on_again(windows: Sequence[Window], changed: Cell, items: Items, touched: Callable[[Cell], None]) -> None:
    """Carries a late change of a closed window through the windows after it, as far as it changes their levels."""
    sources = [changed] if changed.measured.meter.carry_over else []
    while sources:
        cell = sources.pop()
        after = windows[windows.index(cell.window) + 1 :]
        for route in _nearest(iter(after), cell.window.route(cell.measured.number)):
            target = _hand_on(cell, route, items)
            if target is not None:
                touched(target)
                sources.append(target)


def _hand_on(source: Cell, route: Route, items: Items) -> Cell | None:
    """Returns the cell whose level changed; None where it did not."""
    level = source.closing_level() or None
    if level is None and source.group not in route.window.groups(route):
        return None
    target = route.window.cell(route, source.group)
    if target.carried == level:
        return None
    target.carried = level
    items.touch(target)
    return target


def _nearest(windows: Iterator[Window], like: Route) -> list[Route]:
    """Returns the routes of the same meter in the first of the windows that has one."""
    meter = like.measured.meter
    found = ([route for route in window.routes if route.measured.meter == meter] for window in windows)
    return next((routes for routes in found if routes), [])
