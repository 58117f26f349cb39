"""The account machine: a journal's entries in, what the bill says of them out. Deterministic in the journal alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from billing.account import commands
from billing.account.books import Books
from billing.account.commands import Arrived
from billing.account.counting import NOTHING, count, read, void
from billing.account.identity import REFUSED, VOIDED, Seen, command_mark, event_number, usage_digest, usage_key
from billing.account.items import HEAD, Items, LoadItem
from billing.account.lane import Lane
from billing.account.subscribed import TOO_EARLY
from billing.entry import CustomerId, Entry, TenantId, Usage, UsageVoided
from billing.errors import Defect, IllegalTransition, InvalidDefinition, RefusedUsage
from billing.instant import DAY_US
from billing.statement import Conflict, Duplicate, Outcome, Parked, Refused, Repeated, Total, Voided
from billing.subscription import State

USAGE_WINDOW_US: Final = 35 * DAY_US
"""How long after the end of its window usage is still billed."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write: items by key suffix (None: deleted), and the running totals of the cells among them."""

    items: list[tuple[bytes, bytes | None]]
    totals: list[Total]


class Account:
    """Everything that the bill of one customer of one tenant depends on, folded from its journal.

    `apply` takes the entries in the order of their positions, each once. A command takes effect at its `at`, wherever
    it stands: usage that arrived before it and occurred after it is counted again. So whoever applies a command asks
    `rewind_from` first, and hands that part of the journal over with it.
    """

    __slots__ = ("_books", "_frontier", "_items", "_lanes", "_subscribed")

    def __init__(self, books: Books) -> None:
        self._books = books
        self._items = books.items
        self._frontier = books.frontier
        self._subscribed = books.subscribed
        self._lanes: dict[str, Lane] = {}

    @classmethod
    def load(
        cls,
        tenant: TenantId,
        customer: CustomerId,
        head: bytes | None,
        load_item: LoadItem,
        *,
        usage_window_us: int = USAGE_WINDOW_US,
    ) -> "Account":
        """Returns the account as it stood when `head` was written; an empty one for None.

        Args:
            tenant: whose customer it is.
            customer: the tenant's own name for it.
            head: the value of the item `HEAD`.
            load_item: returns the newest value of an item that `changes` handed out, also while that is being written.
            usage_window_us: how long after the end of its window usage is still billed.

        Raises:
            Defect: the head is of another version.
        """
        return cls(Books.restored(tenant, customer, head, Items(load_item), usage_window_us))

    def apply(
        self, entry: Entry, position: int, seen: Seen, again: Iterable[tuple[Usage, int]] | None = None
    ) -> Sequence[Outcome]:
        """Takes one entry in and returns what there is to say: nothing of usage that was simply counted.

        Args:
            entry: the journal's entry; its tenant and customer are this account's.
            position: where it stands.
            seen: what is known of usage ids.
            again: where `rewind_from(entry)` names a position, the account's usage from there up to this entry; only
                what occurred at the entry's instant or later is looked at, so the rest may be left out.

        Raises:
            Defect: `again` is needed and not given, or what we keep contradicts itself.
        """
        if isinstance(entry, Usage):
            return self.apply_usage(entry, position, usage_key(entry), usage_digest(entry), seen)
        self._items.position = position
        self._lanes = {}
        if isinstance(entry, UsageVoided):
            return void(self._books, entry, position, seen)
        mark = command_mark(entry.command_id)
        if mark in self._books.commands:
            return (Repeated(),)
        if again is None and self.rewind_from(entry) is not None:
            raise Defect(f"{type(entry).__name__} {entry.command_id} needs the usage since rewind_from(), and got none")
        try:
            outcomes = commands.obey(self._books, entry, seen, [Arrived(*arrived) for arrived in again or ()])
        except (IllegalTransition, InvalidDefinition) as refused:
            outcomes = commands.refuse(self._books, entry, str(refused))
        self._books.commands.append(mark)
        self._items.head_changed = True
        return outcomes

    def apply_usage(  # noqa: C901 - see below
        self, usage: Usage, position: int, key: bytes, digest: bytes, seen: Seen
    ) -> Sequence[Outcome]:
        """Counts usage in every subscription that it is for, all of it or, with a reason, nothing.

        The hot path: `key` and `digest` are `usage_key` and `usage_digest` of the usage, made for a batch at once. One
        long function for what is usual, as half of its time would go to calls.
        """
        known = seen.get(key)
        if known is not None and known[1] != REFUSED:
            return (_repeated(known, digest),)
        at_us = usage.occurred_at_us
        lane = self._lanes.get(usage.type)
        if lane is None or usage.subscription is not None or not lane.start_us <= at_us < lane.end_us:
            return self._count_anywhere(usage, position, key, digest, seen)
        number = int.from_bytes(key + digest, "big")
        route = lane.only
        if route is not None:
            properties = usage.properties
            try:
                counts = not route.filtered or route.meter.matches(properties)
                value = route.meter.value(properties) if counts else None
            except RefusedUsage:
                return self._count_anywhere(usage, position, key, digest, seen)
            if counts:
                cell = lane.cell
                if cell is None:
                    cell = lane.cell = lane.window.cell(route, ())
                cell.add(value, at_us, position, number)
                if not cell.dirty:
                    lane.timeline.changed(cell)
        else:
            window = lane.window
            try:
                readings = window.read(usage)
                if window.is_bounded:
                    window.require_room(readings)
            except RefusedUsage:
                return self._count_anywhere(usage, position, key, digest, seen)
            count([(lane.timeline, readings)], at_us, position, number)
        self._items.position = position
        if at_us >= self._frontier.ceiling_us:
            self._frontier.advance(at_us, position)
        seen.put(key, position, digest)
        return NOTHING

    def _count_anywhere(self, usage: Usage, position: int, key: bytes, digest: bytes, seen: Seen) -> Sequence[Outcome]:
        self._items.position = position
        at_us = usage.occurred_at_us
        try:
            readings = read(self._subscribed, usage)
        except RefusedUsage as refused:
            # A clock that is wrong by years must not make every later command read the journal from here on.
            if refused.reason != TOO_EARLY and at_us >= self._frontier.ceiling_us:
                self._frontier.advance(at_us, position)
            return (Refused(refused.reason, refused.detail),)
        if at_us >= self._frontier.ceiling_us:
            self._frontier.advance(at_us, position)
        if readings is None:
            outcome = self._books.parking.park(usage, position)
            if isinstance(outcome, Parked):
                seen.put(key, position, digest)
            return (outcome,)
        count(readings, at_us, position, event_number(key, digest))
        seen.put(key, position, digest)
        self._open_lane(usage)
        return NOTHING

    def _open_lane(self, usage: Usage) -> None:
        if len(self._subscribed) == 1:
            timeline = self._subscribed[0].timeline
            window = timeline.current
            if window is not None and usage.type in window.by_type:
                self._lanes[usage.type] = Lane(timeline, window, window.by_type[usage.type])

    def rewind_from(self, entry: Entry) -> int | None:
        """Returns the position from which on `apply` needs the account's usage again; None where it needs none.

        Usage and commands reach the journal by different ways: some of what occurred after a command stands before it.
        """
        if not isinstance(entry, commands.MOVING) or not self._subscribed:
            return None
        if command_mark(entry.command_id) in self._books.commands:
            return None
        return self._frontier.position_of(entry.at_us)

    def changes(self) -> Changes:
        """Returns what has changed since the last call; from then on it counts as written."""
        cells = [cell for cell in self._items.cells if not cell.dropped]
        totals = [*self._items.totals, *(self._subscribed[cell.window.ordinal].total(cell) for cell in cells)]
        head = [(HEAD, self._books.head())] if self._items.head_changed else []
        return Changes([*head, *self._frontier.taken(), *self._items.taken()], totals)

    @property
    def position(self) -> int:
        """The journal position of the entry that was applied last; -1 before any was, and after a restart."""
        return self._items.position

    @property
    def parked(self) -> int:
        """How many usage events wait for a subscription."""
        return self._books.parking.record.count

    @property
    def size(self) -> int:
        """How many cells are in memory."""
        return sum(one.timeline.size for one in self._subscribed)

    def forget_clean(self) -> None:
        """Drops from memory every cell that is written as it stands; it is loaded when it is asked for again."""
        self._lanes = {}
        for one in self._subscribed:
            one.timeline.forget_clean()

    def states(self) -> list[tuple[str, State]]:
        """Returns where each subscription stands, in the order of their starts."""
        return [(one.subscription, one.state) for one in self._subscribed]


def _repeated(known: tuple[int, bytes], digest: bytes) -> Duplicate | Conflict | Voided:
    first, content = known
    if content == VOIDED:
        return Voided(by=first)
    return Duplicate(first) if content == digest else Conflict(first)
