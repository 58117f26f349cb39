"""What a replay needs of the place where invoices stand."""

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from billing.statement import Statement
from schemas.records import InvoiceFinalized


class Issued(Protocol):
    """An invoice that was issued."""

    @property
    def number(self) -> str:
        """The number in the tenant's series."""

    @property
    def invoice_id(self) -> str:
        """Its id, as events name it."""

    @property
    def customer(self) -> str:
        """Whose it is."""

    @property
    def statement_id(self) -> str:
        """The statement that it was drawn from."""

    @property
    def position(self) -> int:
        """Where the statement's command stands in the journal."""

    @property
    def events(self) -> tuple[bytes, ...]:
        """What the outbox still has of the events that told of it, framed."""

    def event(self, statement: Statement, /) -> InvoiceFinalized:
        """The event that tells of the statement under this invoice's number, paid with the credit that it took."""

    def differences(self, statement: Statement, /) -> Iterable[tuple[str, str, str]]:
        """Every column that is not what the statement makes of it: its name, what it ought to be, what it is."""


class Books(Protocol):
    """All invoices."""

    def invoices(self, tenant: str, customer: str | None, /) -> AsyncIterator[Issued]:
        """Yields the invoices in the order of their numbers."""
