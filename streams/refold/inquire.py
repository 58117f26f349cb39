"""One statement refolded, to tell why each of its lines says what it says."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from billing.account import Account, usage_digest, usage_key
from billing.account.books import Books
from billing.account.items import Items
from billing.entry import CustomerId, Entry, SubscriptionCommand, TenantId, Usage, UsageVoided
from billing.inquiry import Contribution, Explained, Inquiry
from billing.statement import Statement
from schemas import topics
from schemas.convert import statement_to_domain
from schemas.errors import UndecodableRecord
from schemas.records import StatementClosed
from streams.agents.rating import RatingPlan
from streams.agents.seen import SeenIds
from streams.batching.batch import Record
from streams.refold.refold import Refold
from streams.refold.replay import REPORT_EVERY, Progress, Wire
from streams.refold.scope import Scope, Stretch, require_whole

IDS_AT_ONCE = 1_000


class NoStatement(Exception):
    """The journal has no command where an invoice says that its statement was drawn; the text names the place."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which statement, and of which of its lines the events are kept.

    Attributes:
        position: where its command stands in the journal.
        keep: how many events of the line at a place are kept, None for all of them.
    """

    position: int
    keep: Callable[[int], int | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A statement, why each of its lines says what it says, and the first events behind them."""

    statement: Statement
    partition: int
    lines: list[Explained]
    behind: dict[int, list[Contribution]]
    """By the line's place, in the order of the journal."""


async def inquire(  # noqa: PLR0913, PLR0917 - what it reads, what it asks, and where it may work
    plan: RatingPlan, wire: Wire, scope: Scope, asked: Asked, directory: Path, progress: Progress
) -> Answer:
    """Folds the account up to the statement's command, draws the statement, and reads again what its lines are made of.

    Raises:
        JournalCut: the journal's beginning is gone.
        NoStatement: the journal has no command of the account there.
        KafkaConnectionError: no broker answers.
    """
    assert scope.customer is not None
    [home] = scope.homes
    journal = wire.name(topics.JOURNAL)
    held = await wire.positions.stretches(journal, [home])
    require_whole(journal, held.values())
    reading = _Reading(wire, scope, held[home], progress)
    refold = Refold(plan, home, directory / "tables")
    try:
        earlier = _Earlier(wire, directory / "earlier")
        async with aclosing(reading.records(asked.position, "folding")) as records:
            async for outgoing in refold.statements(records):
                assert outgoing.value is not None
                earlier.add(outgoing.value)
        seen = SeenIds(refold.store(plan.ids).get_many)
        books = _books(plan, scope, refold)
        command = await reading.command(asked.position)
        again = await reading.usage_since(Account(books).rewind_from(command), asked.position)
        inquiry = Inquiry(books, command, asked.position, seen, again)
        behind = await _behind(inquiry, reading, SeenIds(refold.store(plan.ids).get_many), asked)
        return Answer(inquiry.statement, home, inquiry.explain(earlier.statements()), behind)
    finally:
        refold.close()


def _books(plan: RatingPlan, scope: Scope, refold: Refold) -> Books:
    tenant, customer = scope.tenant, scope.customer
    assert customer is not None
    get, prefix = refold.store(plan.accounts).get, f"{tenant}/{customer}".encode() + b"\x00"
    return Books.restored(
        TenantId(tenant),
        CustomerId(customer),
        get(prefix),
        Items(lambda suffix: get(prefix + suffix)),
        plan.usage_window // timedelta(microseconds=1),
    )


async def _behind(inquiry: Inquiry, reading: "_Reading", seen: SeenIds, asked: Asked) -> dict[int, list[Contribution]]:
    """Counts all events of the lines again; returns those that are kept."""
    behind: dict[int, list[Contribution]] = {}
    span = inquiry.span_us
    if span is None:
        return behind
    async with aclosing(reading.counted(asked.position, span, seen)) as events:
        async for usage, position in events:
            for place, contribution in inquiry.take(usage, position):
                kept, most = behind.setdefault(place, []), asked.keep(place)
                if most is None or len(kept) < most:
                    kept.append(contribution)
    return behind


class _Reading:
    """The account's part of the journal, as often as it is asked for."""

    def __init__(self, wire: Wire, scope: Scope, held: Stretch, progress: Progress) -> None:
        self._wire, self._scope, self._held, self._progress = wire, scope, held, progress

    async def records(self, end: int, what: str, start: int = 0) -> AsyncGenerator[Record, None]:
        """Yields the account's records of positions [start, end)."""
        reader = self._wire.reader(self._wire.name(topics.JOURNAL))
        try:
            async with aclosing(reader.records(self._held.partition, start, min(end, self._held.end))) as records:
                async for record in records:
                    if record.offset % REPORT_EVERY == 0:
                        self._progress(what, record.offset - start, end - start)
                    if self._scope.has(record.key):
                        yield record
        finally:
            await reader.stop()

    async def command(self, position: int) -> SubscriptionCommand:
        """Returns the command that stands there."""
        async with aclosing(self.records(position + 1, "the command", position)) as records:
            async for record in records:
                entry = self._entry(record)
                if entry is not None and not isinstance(entry, Usage | UsageVoided):
                    return entry
        raise NoStatement(
            f"position {position} of {self._wire.name(topics.JOURNAL)}, partition {self._held.partition}, holds no"
            f" command of {self._scope.customer}: the invoice was drawn from another journal than this"
        )

    async def usage_since(self, since: int | None, end: int) -> list[tuple[Usage, int]]:
        """Returns the account's usage from a position on: what a command asks for that finds usage after it."""
        if since is None:
            return []
        async with aclosing(self.records(end, "usage", since)) as records:
            found = [(self._usage(record), record.offset) async for record in records]
        return [(usage, position) for usage, position in found if usage is not None]

    async def counted(
        self, end: int, span_us: tuple[int, int], seen: SeenIds
    ) -> AsyncGenerator[tuple[Usage, int], None]:
        """Yields the usage of a span of time that was counted by then, with its positions."""
        waiting: list[tuple[Usage, int]] = []
        async with aclosing(self.records(end, "events")) as records:
            async for record in records:
                usage = self._usage(record)
                if usage is not None and span_us[0] <= usage.occurred_at_us < span_us[1]:
                    waiting.append((usage, record.offset))
                if len(waiting) >= IDS_AT_ONCE:
                    for one in _counted(waiting, seen):
                        yield one
                    waiting = []
        for one in _counted(waiting, seen):
            yield one

    def _usage(self, record: Record) -> Usage | None:
        entry = self._entry(record)
        return entry if isinstance(entry, Usage) else None

    def _entry(self, record: Record) -> Entry | None:
        try:
            return self._wire.codec.decode_journal(record.value)
        except UndecodableRecord:
            return None  # a dead letter, which billed nothing


def _counted(arrived: Iterable[tuple[Usage, int]], seen: SeenIds) -> Iterator[tuple[Usage, int]]:
    """The first arrival of each id that was not voided or refused."""
    known = [(usage, position, usage_key(usage)) for usage, position in arrived]
    of_these = seen.of([key for _, _, key in known])
    for usage, position, key in known:
        if of_these.get(key) == (position, usage_digest(usage)):
            yield usage, position


class _Earlier:
    """The account's statements before the one that is asked for, in a file."""

    def __init__(self, wire: Wire, path: Path) -> None:
        self._wire, self._path = wire, path
        path.touch()

    def add(self, value: bytes) -> None:
        """Keeps one."""
        with self._path.open("ab") as file:
            file.write(len(value).to_bytes(4, "big") + value)

    def statements(self) -> Iterator[Statement]:
        """Yields them in their order."""
        with self._path.open("rb") as file:
            while length := file.read(4):
                record = self._wire.codec.decode(file.read(int.from_bytes(length, "big")))
                assert isinstance(record, StatementClosed)
                yield statement_to_domain(record)
