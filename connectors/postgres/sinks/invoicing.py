"""Statements become invoices: numbered, paid from credit as far as it reaches, posted, told of, and final."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from billing.invoice import Invoice
from billing.statement import Statement
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Connection, Pool
from connectors.postgres.queries import customer
from connectors.postgres.queries import invoicing as queries
from connectors.postgres.sinks import finalized
from connectors.postgres.sinks.dead_letters import storable
from connectors.postgres.sinks.finalized import Finalized
from connectors.postgres.sinks.purse import Purse, account
from connectors.postgres.unit_of_work import unit_of_work


class InvoicingSink:
    """Writes statements to the invoices, the ledger, the customers' credit and the outbox.

    Any number of them may run at once, on the same statements even: a customer's invoices are drawn by one at a time,
    and a statement has one invoice.

    Args:
        pool: of the role `beaas_service`.
        outbox: where the events go.
    """

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def write(self, statements: Sequence[Statement], /) -> None:
        """Every statement with lines has its one invoice, and every command they answer is settled; all or none.

        Statements of one customer draw on its credit in the order given.

        Raises:
            psycopg.Error: nothing was written, or (a lost connection) it is not known: write the same again.
        """
        if not statements:
            return
        async with unit_of_work(self._pool, None, outbox=self._outbox) as work:
            new = await self._drawn(work.connection, [statement for statement in statements if statement.lines])
            async with work.connection.pipeline():
                if new:
                    await finalized.insert(work.connection, new)
                await _settle(work.connection, statements)
                for one in new:  # encoded here, while PostgreSQL works on what it was sent
                    finalized.publish(work, one)

    async def _drawn(self, connection: Connection, statements: Sequence[Statement]) -> list[Finalized]:
        if not statements:
            return []
        accounts = sorted({account(statement) for statement in statements})
        tenants, customers = [tenant for tenant, _ in accounts], [name for _, name in accounts]
        # From here on no other sink draws for these customers, so what is read next stays true until the commit.
        await customer.lock_accounts(connection, tenant_ids=tenants, customer_ids=customers)
        new = await _without_invoice(connection, statements)
        if not new:
            return []
        purse = Purse(await queries.open_grants(connection, tenant_ids=tenants, customer_ids=customers))
        return await _numbered(connection, [purse.draw(statement) for statement in new])


async def _without_invoice(connection: Connection, statements: Iterable[Statement]) -> list[Statement]:
    distinct = {(statement.tenant, statement.statement_id): statement for statement in statements}
    known = await queries.invoiced_statements(
        connection,
        tenant_ids=[tenant for tenant, _ in distinct],
        statement_ids=[statement_id for _, statement_id in distinct],
    )
    for row in known:
        del distinct[row.tenant_id, row.statement_id]
    return list(distinct.values())


async def _numbered(connection: Connection, invoices: Sequence[Invoice]) -> list[Finalized]:
    counts = Counter(invoice.statement.tenant for invoice in invoices)
    tenants = sorted(counts)
    taken = await queries.take_numbers(connection, tenant_ids=tenants, counts=[counts[tenant] for tenant in tenants])
    last = {row.tenant_id: row.last_number - counts[row.tenant_id] for row in taken}
    numbered = []
    for invoice in invoices:
        tenant = invoice.statement.tenant
        last[tenant] += 1
        numbered.append(Finalized.of(invoice, invoice_id=uuid7(), transaction_id=uuid7(), series_position=last[tenant]))
    return numbered


async def _settle(connection: Connection, statements: Iterable[Statement]) -> None:
    answered = {(one.tenant, command): one.refusal for one in statements if (command := _command(one)) is not None}
    ordered = sorted(answered, key=lambda one: (one[0], one[1].int))  # identifiers compare ten times as slowly
    await queries.settle_commands(
        connection,
        tenant_ids=[tenant for tenant, _ in ordered],
        command_ids=[command for _, command in ordered],
        refusals=[storable(answered[one]) for one in ordered],
    )


def _command(statement: Statement) -> UUID | None:
    """Returns the command's id where it is one of ours; a journal may have been written by others, for a test."""
    try:
        return UUID(statement.command_id)
    except ValueError:
        return None
