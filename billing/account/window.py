"""A window: the time between two boundaries that one tariff prices, and its cells."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from billing.account import bounds
from billing.account.cell import Cell
from billing.account.items import VERSION, Items, cell_key, check_version, groups_key
from billing.account.tariff import Measured, Tariff
from billing.entry import Usage
from billing.errors import RefusedUsage
from billing.instant import instant
from billing.period import Span
from billing.statement import Total

if TYPE_CHECKING:
    from billing.meter import Value

_GROUPS_A_PART: Final = 64  # a new group rewrites one part: at most 64 groups, however many the window has
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, list[tuple[str, ...]]]).decode


Reading: TypeAlias = "tuple[Route, tuple[str, ...], Value]"
"""What one meter read from one event: which, in which group, and what."""


class Route:
    """The way from an event type to the cells of one price."""

    __slots__ = ("cells", "filtered", "groups", "groups_bytes", "grows", "measured", "meter", "window")

    def __init__(self, measured: Measured, window: "Window") -> None:
        meter = measured.meter
        self.measured = measured
        self.grows = measured.grows
        self.window = window
        self.meter = meter
        self.filtered = bool(meter.filters)
        self.cells: dict[tuple[str, ...], Cell] = {}
        self.groups: list[tuple[str, ...]] | None = None if meter.group_by else [()]
        self.groups_bytes = 0

    def line_bytes(self, group: tuple[str, ...]) -> int:
        """About how long the line of a group is."""
        return bounds.line_bytes(self.measured.price.code, self.measured.meter.group_by, group)


class Window:
    """From `start_us` up to `end_us`, without it. `closed` once a statement or the end of the trial has passed it.

    `expired` once it takes no usage any more, and is kept only for the levels that it closed with.
    """

    __slots__ = (
        "_items", "_span", "by_type", "closed", "end_us", "expired", "is_bounded", "number", "ordinal", "routes",
        "start_us", "tariff", "trial",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a record's fields, each named at the call
        self, *, ordinal: int, number: int, start_us: int, end_us: int, trial: bool, tariff: Tariff, items: Items
    ) -> None:
        self.ordinal = ordinal
        self._items = items
        self._span: tuple[int, Span] | None = None
        self.number = number
        self.start_us = start_us
        self.end_us = end_us
        self.trial = trial
        self.closed = False
        self.expired = False
        self.tariff = tariff
        self.routes = tuple([Route(measured, self) for measured in tariff.measured])
        self.by_type: dict[str, list[Route]] = {}
        for route in self.routes:
            self.by_type.setdefault(route.measured.meter.event, []).append(route)
        self.is_bounded = any(route.grows for route in self.routes)

    @property
    def span(self) -> Span:
        """The window as the calendar has it."""
        if self._span is None or self._span[0] != self.end_us:
            self._span = self.end_us, Span(instant(self.start_us), instant(self.end_us))
        return self._span[1]

    def read(self, usage: Usage) -> list[Reading]:
        """Returns what every meter reads from the event, before any of it is counted.

        Raises:
            RefusedUsage: one of them cannot read it.
        """
        properties = usage.properties
        readings: list[Reading] = []
        for route in self.by_type.get(usage.type, ()):
            meter = route.meter
            if not route.filtered or meter.matches(properties):
                readings.append((route, meter.group(properties), meter.value(properties)))
        return readings

    def require_room(self, readings: list[Reading]) -> None:
        """Refuses what would make a statement or a cell too large; what is counted already is always taken back.

        Raises:
            RefusedUsage: `too-many-groups` or `too-many-values`.
        """
        for route, group, _ in readings:
            if not route.grows:
                continue
            cell = self._known_cell(route, group)
            if cell is None:
                if group and self._groups_bytes() >= bounds.LARGEST_GROUPS_BYTES:
                    detail = f"the groups of {route.measured.price.code!r} fill a statement; group by something rarer"
                    raise RefusedUsage("too-many-groups", detail)
            elif cell.entries >= bounds.MOST_VALUES:
                detail = f"meter {route.measured.meter.code!r} keeps {bounds.MOST_VALUES} values of a period at most"
                raise RefusedUsage("too-many-values", detail)

    def route(self, price: int) -> Route:
        """Returns the route of the price with this place in the plan."""
        return next(route for route in self.routes if route.measured.number == price)

    def cell(self, route: Route, group: tuple[str, ...]) -> Cell:
        """Returns the cell of a group: at hand, stored, or new and empty."""
        found = route.cells.get(group)
        if found is None:
            found = Cell(self.ordinal, self, route.measured, group)
            stored = self._items.get(found.key)
            if stored is not None:
                found.restore(stored)
            elif group:
                self._add_group(route, group)
            route.cells[group] = found
        return found

    def groups(self, route: Route) -> list[tuple[str, ...]]:
        """Returns the groups that have a cell, in the order in which they came."""
        if route.groups is None:
            route.groups = [group for part in self._parts(route) for group in part]
            route.groups_bytes = sum(map(route.line_bytes, route.groups))
        return route.groups

    def all_cells(self) -> Iterator[Cell]:
        """Yields every cell that the window has, loading those that are not at hand."""
        for route in self.routes:
            for group in self.groups(route):
                yield self.cell(route, group)

    def forget_clean(self) -> None:
        """Drops from memory what is stored as it stands."""
        for route in self.routes:
            for group in [group for group, cell in route.cells.items() if not cell.dirty]:
                del route.cells[group]
            if route.measured.meter.group_by:
                route.groups = None

    def delete(self, final: Callable[[Cell], Total | None]) -> None:
        """Deletes every cell and group; `final` gives the last total to say of each."""
        for cell in list(self.all_cells()):
            self._items.drop(cell, final(cell))
        for route in self.routes:
            if route.measured.meter.group_by:
                for part in range(-(-len(self.groups(route)) // _GROUPS_A_PART)):
                    self._items.put(self._part_key(route, part), None)
                route.groups, route.groups_bytes = [], 0
            route.cells = {}

    def _known_cell(self, route: Route, group: tuple[str, ...]) -> Cell | None:
        found = route.cells.get(group)
        if found is None and self._items.get(cell_key(self.ordinal, self.number, route.measured.number, group)):
            found = self.cell(route, group)
        return found

    def _groups_bytes(self) -> int:
        for route in self.routes:
            self.groups(route)
        return sum(route.groups_bytes for route in self.routes)

    def _add_group(self, route: Route, group: tuple[str, ...]) -> None:
        groups = self.groups(route)
        part = len(groups) // _GROUPS_A_PART
        groups.append(group)
        route.groups_bytes += route.line_bytes(group)
        self._items.put(self._part_key(route, part), _encode((VERSION, groups[part * _GROUPS_A_PART :])))

    def _parts(self, route: Route) -> Iterator[list[tuple[str, ...]]]:
        part = 0
        while (stored := self._items.get(self._part_key(route, part))) is not None:
            version, groups = _decode(stored)
            check_version(version, "a list of groups")
            yield groups
            part += 1

    def _part_key(self, route: Route, part: int) -> bytes:
        return groups_key(self.ordinal, self.number, route.measured.number, part)
