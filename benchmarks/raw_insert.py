"""The month end's ceiling: the very rows it wrote, inserted again with nothing around them.

`python -m benchmarks.raw_insert` with the settings in the environment reads the rows from `beaas.*`, makes tables of
the same columns, checks and indexes in schema `raw` (no triggers, no foreign keys, no row-level security), and prints
what inserting the rows took: `INSERT … SELECT unnest(…)`, 500 invoices a transaction, four connections.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from benchmarks.measured import Measured
from streams.settings import load_settings

Connection = psycopg.AsyncConnection[TupleRow]
TABLES: Final = ("invoices", "invoice_lines", "ledger_transactions", "postings", "billing_events")
INVOICES_A_TRANSACTION: Final = 500
CONNECTIONS: Final = 4
_COLUMNS: Final = """
SELECT column_name, udt_name FROM information_schema.columns
WHERE table_schema = 'beaas' AND table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'
ORDER BY ordinal_position
"""


@dataclass(frozen=True, slots=True)
class Insert:
    """One table's statement and its rows, in equal parts, one for each transaction."""

    statement: sql.Composed
    parts: list[list[list[Any]]]
    """For each transaction, the columns' arrays."""


async def main(url: str) -> Measured:
    """The rows stand in schema `raw` as well."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        invoices = await _count(connection)
        transactions = max(CONNECTIONS + 1, -(-invoices // INVOICES_A_TRANSACTION))
        await connection.execute("CREATE SCHEMA raw")
        inserts = [await _insert(connection, table, transactions) for table in TABLES]
        await connection.execute("CHECKPOINT")
    return await _timed(url, inserts, transactions, invoices)


async def _timed(url: str, inserts: Sequence[Insert], transactions: int, invoices: int) -> Measured:
    connections = [await psycopg.AsyncConnection.connect(url) for _ in range(CONNECTIONS)]
    left = iter(range(transactions))

    async def work(connection: Connection, parts: Sequence[int] | None = None) -> None:
        for part in left if parts is None else parts:
            async with connection.transaction(), connection.pipeline():
                for insert in inserts:
                    await connection.execute(insert.statement, insert.parts[part])

    # one transaction each before the clock starts: then the statements are prepared and the tables warm
    await asyncio.gather(*(work(connection, [next(left)]) for connection in connections))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(connection) for connection in connections))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for connection in connections:
        await connection.close()
    return Measured(invoices * (transactions - CONNECTIONS) // transactions, wall, cpu)


async def _count(connection: Connection) -> int:
    row = await (await connection.execute("SELECT count(*) FROM beaas.invoices")).fetchone()
    return int(row[0]) if row else 0


async def _insert(connection: Connection, table: str, transactions: int) -> Insert:
    described = await (await connection.execute(_COLUMNS, [table])).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in described)
    source, target = sql.Identifier("beaas", table), sql.Identifier("raw", table)
    await connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(target, source))
    # jsonb as text, as the sink sends it
    read = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name)) if kind == "jsonb" else sql.Identifier(name)
        for name, kind in described
    )
    rows = await (await connection.execute(sql.SQL("SELECT {} FROM {}").format(read, source))).fetchall()
    arrays = sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.Identifier(kind)) for _, kind in described)
    statement = sql.SQL("INSERT INTO {} ({}) SELECT * FROM unnest({})").format(target, names, arrays)
    parts = [rows[number * len(rows) // transactions : (number + 1) * len(rows) // transactions]
             for number in range(transactions)]  # fmt: skip
    return Insert(statement, [[list(column) for column in zip(*part, strict=True)] for part in parts])


if __name__ == "__main__":
    measured = asyncio.run(main(load_settings().postgres_url.get_secret_value()))
    print(msgspec.json.encode(measured).decode())
