"""The windows of one subscription in order of time: closed ones, the open one, and what usage opened ahead of it."""

from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from billing.account import bounds, levels
from billing.account.cell import Cell
from billing.account.items import VERSION, Items, check_version, late_key
from billing.account.tariff import Tariff, tariff
from billing.account.window import Window
from billing.errors import RefusedUsage
from billing.statement import Total

_NEVER: Final = 1 << 62
_Address = tuple[int, int, tuple[str, ...]]  # window, price, group


class WindowRecord(msgspec.Struct, array_like=True, frozen=True):
    """A window as the head keeps it; `terms` is a place in the timeline's list."""

    number: int
    start_us: int
    end_us: int
    trial: bool
    closed: bool
    terms: int
    expired: bool = False


class TimelineRecord(msgspec.Struct, array_like=True, frozen=True):
    """A timeline as the head keeps it; `current` is the number of the open window."""

    windows: tuple[WindowRecord, ...] = ()
    terms: tuple[bytes, ...] = ()
    current: int | None = None
    next_number: int = 0
    forgotten_us: int | None = None


class _Late(msgspec.Struct, array_like=True, frozen=True):
    """Late cells, and about how long their lines are: as it was counted, since groups may have come in the meantime."""

    version: int
    cells: list[_Address]
    lines_bytes: int


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_late: Final = msgspec.msgpack.Decoder(_Late).decode


class Timeline:
    """The windows; `current` is the open one, None in a pause and after the end.

    Windows that usage opened ahead of time lie after `current` and are given up by every command that changes what
    follows, since its usage is then counted again.
    """

    def __init__(self, ordinal: int, record: TimelineRecord, items: Items) -> None:
        self._ordinal = ordinal
        self._items = items
        self._next_number = record.next_number
        self.forgotten_us = record.forgotten_us
        self.windows = [self._restored(window, record.terms) for window in record.windows]
        self.current = next((window for window in self.windows if window.number == record.current), None)
        self._late: set[_Address] | None = None
        self._late_bytes = 0

    def record(self) -> TimelineRecord:
        """Returns what the head keeps of it."""
        terms = tuple(dict.fromkeys(window.tariff.written for window in self.windows))
        return TimelineRecord(
            windows=tuple(
                WindowRecord(
                    window.number,
                    window.start_us,
                    window.end_us,
                    window.trial,
                    window.closed,
                    terms.index(window.tariff.written),
                    window.expired,
                )
                for window in self.windows
            ),
            terms=terms,
            current=None if self.current is None else self.current.number,
            next_number=self._next_number,
            forgotten_us=self.forgotten_us,
        )

    def find(self, at_us: int) -> Window | None:
        """Returns the window that takes usage of the instant."""
        for window in reversed(self.windows):
            if window.start_us <= at_us < window.end_us and not window.expired:
                return window
        return None

    def add(self, start_us: int, end_us: int, tariff: Tariff, *, trial: bool = False) -> Window:
        """Returns a new window in its place of time."""
        window = Window(
            ordinal=self._ordinal,
            number=self._next_number,
            start_us=start_us,
            end_us=end_us,
            trial=trial,
            tariff=tariff,
            items=self._items,
        )
        self._next_number += 1
        self._items.head_changed = True
        self.windows.append(window)
        self.windows.sort(key=lambda one: one.start_us)
        return window

    def open(self, start_us: int, end_us: int, tariff: Tariff, *, trial: bool = False) -> None:
        """Makes the window of this time the open one, with the levels that were carried to it."""
        opened = next((window for window in self.ahead() if window.start_us == start_us), None)
        self.current = opened or self.add(start_us, end_us, tariff, trial=trial)
        levels.bring_in(self.windows, self.current, self._items)

    def shut(self, at_us: int, final: Callable[[Cell], Total | None]) -> None:
        """Ends the open window; one of no length has nothing to say and goes."""
        window = self.current
        assert window is not None
        window.end_us, window.closed, self.current = at_us, True, None
        if window.start_us == at_us:
            self._delete(window, final)

    def ahead(self) -> list[Window]:
        """Returns the windows that usage opened ahead of time."""
        return [window for window in self.windows if not window.closed and window is not self.current]

    def give_up_ahead(self, final: Callable[[Cell], Total | None]) -> None:
        """Deletes the windows that usage opened ahead of time."""
        for window in self.ahead():
            self._delete(window, final)

    def changed(self, cell: Cell) -> None:
        """Notes a change; of a closed window's cell for the next statement, with all that its level changes."""
        self._items.touch(cell)
        if cell.window.closed:
            self._owe(cell)
            passed = [window for window in self.windows if window.closed or window is self.current]
            levels.hand_on_again(passed, cell, self._items, self._owe)

    def require_room_for_late(self) -> None:
        """Refuses late usage while what is late already fills the next statement.

        Raises:
            RefusedUsage: `too-many-late`.
        """
        self._late_now()
        if self._late_bytes >= bounds.LARGEST_LATE_BYTES:
            raise RefusedUsage("too-many-late", "late usage fills the next statement; send this again after it")

    def late_cells(self) -> Iterator[Cell]:
        """Yields the cells that changed after they were billed: by window, place of the price, and group."""
        late, starts = self._late_now(), {window.number: window.start_us for window in self.windows}
        for number, price, group in sorted(late, key=lambda address: (starts[address[0]], *address)):
            window = next(window for window in self.windows if window.number == number)
            yield window.cell(window.route(price), group)

    def forget_late(self) -> None:
        """Forgets which cells are late: a statement has billed them."""
        if self._late_now():
            self._late, self._late_bytes = set(), 0
            self._items.put_when_taken(late_key(self._ordinal), self._written_late)

    def expire(self, before_us: int, final: Callable[[Cell], Total | None]) -> None:
        """No window that was closed and ended before this instant takes usage any more.

        It is deleted, once what it carries over was handed on to a window after it.
        """
        for window in [window for window in self.windows if window.closed and window.end_us < before_us]:
            window.expired = True
            self._items.head_changed = True
            self.forgotten_us = max(window.end_us, self.forgotten_us or window.end_us)
            if not levels.ends_in(window, self.windows):
                self._delete(window, final)

    def clear(self, final: Callable[[Cell], Total | None]) -> None:
        """Deletes all windows: the subscription has ended."""
        for window in list(self.windows):
            self._delete(window, final)

    @property
    def oldest_us(self) -> int:
        """When the oldest window began that is open or takes late usage; now and later, if there is none."""
        return min((window.start_us for window in self.windows if not window.expired), default=_NEVER)

    @property
    def size(self) -> int:
        """How many cells are in memory."""
        return sum(len(route.cells) for window in self.windows for route in window.routes)

    def forget_clean(self) -> None:
        """Drops from memory what is stored as it stands."""
        for window in self.windows:
            window.forget_clean()

    def _delete(self, window: Window, final: Callable[[Cell], Total | None]) -> None:
        window.delete(final)
        self.windows.remove(window)
        self._items.head_changed = True

    def _owe(self, cell: Cell) -> None:
        if cell.window.closed and not cell.window.trial:
            late = self._late_now()
            address = (cell.window.number, cell.measured.number, cell.group)
            if address not in late:
                self._late_bytes += _line_bytes(cell.window, address, late)
                late.add(address)
                self._items.put_when_taken(late_key(self._ordinal), self._written_late)

    def _written_late(self) -> bytes | None:
        return _encode(_Late(VERSION, sorted(self._late), self._late_bytes)) if self._late else None

    def _late_now(self) -> set[_Address]:
        if self._late is None:
            stored = self._items.get(late_key(self._ordinal))
            late = _Late(VERSION, [], 0) if stored is None else _decode_late(stored)
            check_version(late.version, "a list of late cells")
            self._late, self._late_bytes = set(late.cells), late.lines_bytes
        return self._late

    def _restored(self, record: WindowRecord, terms: tuple[bytes, ...]) -> Window:
        window = Window(
            ordinal=self._ordinal,
            number=record.number,
            start_us=record.start_us,
            end_us=record.end_us,
            trial=record.trial,
            tariff=tariff(terms[record.terms]),
            items=self._items,
        )
        window.closed, window.expired = record.closed, record.expired
        return window


def _line_bytes(window: Window, address: _Address, known: Collection[_Address]) -> int:
    """About how long the lines are that a late cell makes; the first of groups priced together makes one for each."""
    number, price, group = address
    route = window.route(price)
    together = route.measured.price.across_groups and not any(one[:2] == (number, price) for one in known)
    return sum(map(route.line_bytes, window.groups(route))) if together else route.line_bytes(group)
