"""What an invoice costs PostgreSQL does not grow with the invoices before it."""

import re
from pathlib import Path

import psycopg
import pytest

import migrations
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Role, open_pool
from connectors.postgres.sinks.invoicing import InvoicingSink
from tests.postgres.builders import line, statement

BATCHES, INVOICES_A_BATCH = 8, 30
BEFORE = Path(str(migrations.__file__)).parent / "invoice" / "0023_whole_at_once.sql"
READ = """
SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes
WHERE indexrelname IN ('invoice_lines_pkey', 'postings_pkey')
"""


def plant_joins(owner: psycopg.Connection) -> None:
    """The functions as they were before migration 26."""
    for name in ("refuse_other_subtotal", "refuse_bare_transaction"):
        found = re.search(rf"FUNCTION beaas\.{name}\(\).*?\nEND\n\$\$;", BEFORE.read_text(), re.DOTALL)
        assert found is not None
        owner.execute(f"CREATE OR REPLACE {found[0]}".encode())


async def read_by_key(database: str, owner: psycopg.Connection, outbox: Outbox) -> dict[str, int]:
    """Rows that the keys' indexes gave, over batches of one session whose plans were made on empty tables."""
    owner.execute("ANALYZE")
    async with open_pool(database, Role.SERVICE, application_name="test", size=1) as pool:
        sink = InvoicingSink(pool, outbox)
        for _ in range(BATCHES):
            await sink.write([statement(line(100), line(7, "base")) for _ in range(INVOICES_A_BATCH)])
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
    return dict(owner.execute(READ).fetchall())


@pytest.mark.parametrize("joined", [False, True])
async def test_an_invoice_is_checked_by_looking_up_its_own_rows_only(
    database: str, owner: psycopg.Connection, outbox: Outbox, *, joined: bool
) -> None:
    """One line and one posting each, the first ones. The planted joins of before read far more, so this can fail."""
    if joined:
        plant_joins(owner)
    invoices = BATCHES * INVOICES_A_BATCH
    own_rows = {"invoice_lines_pkey": invoices, "postings_pkey": invoices}
    read = await read_by_key(database, owner, outbox)
    assert (read == own_rows) is not joined, read
    if joined:
        assert max(read.values()) > 2 * invoices
