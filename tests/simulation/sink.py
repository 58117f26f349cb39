"""The invoicing sink over the simulated database: the product's draw and double entry, in one transaction a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from billing.ledger import postings
from billing.statement import Statement
from schemas import convert, topics
from schemas.codec import Codec
from schemas.topics import Topic
from schemas.wire import Record
from tests.simulation.database import Database, Event, Issued, Transaction
from tests.simulation.reference import drawn

NAMES: Final = UUID("6f1d7c1e-6a1c-4d1e-9b0a-000000000006")


@dataclass(frozen=True, slots=True)
class SimInvoicing:
    """In the place of `InvoicingSink`."""

    database: Database
    codec: Codec
    prefix: str

    async def write(self, statements: Sequence[Statement], /) -> None:
        """See `InvoicingSink.write`."""
        async with self.database.transaction("invoices") as transaction:
            for statement in statements:
                transaction.write(lambda statement=statement: self._settle(transaction, statement))  # type: ignore[misc]

    def is_issued(self, statement: Statement) -> bool:
        """Whether the statement has its invoice."""
        return (statement.tenant, statement.statement_id) in self.database.invoices

    def _settle(self, transaction: Transaction, statement: Statement) -> None:
        command = self.database.commands.get(UUID(statement.command_id))
        if command is not None:
            command.settled = True
        if not statement.lines or self.is_issued(statement):
            return
        database = self.database
        number = database.numbers[statement.tenant] = database.numbers.get(statement.tenant, 0) + 1
        held = database.credit.setdefault((statement.tenant, statement.customer), {})
        invoice = drawn(statement, held)
        issued = Issued(invoice, uuid5(NAMES, f"{statement.tenant}/{number}"), number, postings(invoice))
        database.invoices[statement.tenant, statement.statement_id] = issued
        database.issued.append(issued)
        transaction.events += self._events(issued)

    def _events(self, issued: Issued) -> list[Event]:
        statement = issued.invoice.statement
        finalized = convert.invoice_from_domain(
            issued.invoice, invoice_id=issued.invoice_id, number=f"INV-{issued.number:06}"
        )
        events = [self._event(topics.INVOICE, str(issued.invoice_id), statement.tenant, finalized)]
        if issued.postings:
            transaction_id = uuid5(NAMES, f"ledger/{issued.invoice_id}")
            posted = convert.invoice_posted(
                statement, issued.postings, invoice_id=issued.invoice_id, transaction_id=transaction_id
            )
            events.append(self._event(topics.LEDGER, str(transaction_id), statement.tenant, posted))
        return events

    def _event(self, topic: Topic, aggregate_id: str, tenant: str, record: Record) -> Event:
        payload = self.codec.encode(topic.full_name(self.prefix), record)
        event_id = uuid5(NAMES, f"{topic.name}/{aggregate_id}")
        return Event(event_id, topic.name, aggregate_id, record.FULL_NAME, tenant, payload)
