"""PostgreSQL, as far as the money goes: transactions that commit at one moment, unique keys, a log of the outbox.

The rows that matter here are invoices with their lines, ledger transactions, credit, commands and outbox events. A
transaction reads what is committed and writes when it commits; what two could do to each other is kept apart by locks
in the product (an account's, the scheduler's round), and here by committing at one moment.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.credit import Grant
from billing.invoice import Invoice
from billing.ledger import Posting
from tests.simulation.world import World


@dataclass(slots=True)
class Command:
    """A row of `journal_commands`."""

    sequence: int
    tenant_id: str
    command_id: UUID
    customer_id: str
    kind: str
    at: datetime
    payload: bytes
    barrier: bool
    noted_at: datetime | None = None
    noted_offsets: str = ""
    released: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice with its number and its double entry."""

    invoice: Invoice
    invoice_id: UUID
    number: int
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the outbox."""

    id: UUID
    aggregate_type: str
    aggregate_id: str
    type: str
    tenant_id: str
    payload: bytes


@dataclass(slots=True)
class Held:
    """Credit of a customer, and since when."""

    grant: Grant
    currency: str
    granted_at_us: int


@dataclass(slots=True)
class Database:
    """Committed rows.

    Attributes:
        unreleased: of the commands, those that have not gone out yet, in their order.
        wal: for each commit that wrote to the outbox, its events.
        slot: how many of these commits the relay has confirmed.
        reader: which session reads the slot.
    """

    world: World
    commands: dict[UUID, Command] = field(default_factory=dict)
    unreleased: dict[UUID, Command] = field(default_factory=dict)
    invoices: dict[tuple[str, str], Issued] = field(default_factory=dict)
    issued: list[Issued] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    credit: dict[tuple[str, str], dict[str, Held]] = field(default_factory=dict)
    wal: list[tuple[Event, ...]] = field(default_factory=list)
    slot: int = 0
    reader: object | None = None

    @asynccontextmanager
    async def transaction(self, label: str) -> AsyncIterator["Transaction"]:
        """A transaction that commits at the end of the block."""
        transaction = Transaction(self)
        yield transaction
        await self.world.op(f"commit in the database: {label}", transaction.commit)


@dataclass(slots=True)
class Transaction:
    """What is to be written."""

    database: Database
    events: list[Event] = field(default_factory=list)
    _writes: list[Callable[[], None]] = field(default_factory=list)

    def write(self, act: Callable[[], None]) -> None:
        """Happens at the commit; it may add events, and an error undoes all where it checks before it changes."""
        self._writes.append(act)

    def commit(self) -> None:
        """All of it, at once."""
        for act in self._writes:
            act()
        if self.events:
            self.database.wal.append(tuple(self.events))
