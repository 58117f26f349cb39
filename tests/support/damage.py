"""What a superuser can do to tables whose rows nobody may change."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus


@contextmanager
def damaged(database_url: str, *statements: str) -> Iterator[None]:
    """These were run as somebody whom no trigger stops; in the end the tables are as they were.

    Each begins with the table that it changes; whatever anybody else writes there meanwhile is lost.
    """
    tables = sorted({statement.split("beaas.")[1].split()[0] for statement in statements})
    with psycopg.connect(database_url, autocommit=True) as connection, ExitStack() as undo:
        undo.enter_context(unguarded(connection, *tables))
        for table in tables:
            connection.execute(sql.SQL("CREATE TEMP TABLE {0} AS TABLE beaas.{0}").format(sql.Identifier(table)))
            undo.callback(_restore, connection, table)
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount, statement
        yield


@contextmanager
def unguarded(connection: psycopg.Connection[Any], *tables: str) -> Iterator[None]:
    """No trigger of the tables fires in this session; in the end those that always fired do so again."""
    connection.execute("SET session_replication_role = replica")
    always = [(table, name) for table in tables for name in _always(connection, table)]
    for table, name in always:
        connection.execute(_trigger("DISABLE", table, name))
    try:
        yield
    finally:
        if connection.info.transaction_status is not TransactionStatus.INERROR:  # else it is rolled back
            for table, name in always:
                connection.execute(_trigger("ENABLE ALWAYS", table, name))
            connection.execute("SET session_replication_role = origin")


def _always(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """The triggers that fire in a session of replication, too."""
    query = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'A' AND NOT tgisinternal"
    return [name for (name,) in connection.execute(query, (f"beaas.{table}",)).fetchall()]


def _trigger(what: str, table: str, name: str) -> sql.Composed:
    return sql.SQL("ALTER TABLE beaas.{} {} TRIGGER {}").format(
        sql.Identifier(table), sql.SQL(what), sql.Identifier(name)
    )


def _restore(connection: psycopg.Connection[Any], table: str) -> None:
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = ''",
        (f"beaas.{table}",),
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    name = sql.Identifier(table)
    connection.execute(sql.SQL("DELETE FROM beaas.{}").format(name))
    connection.execute(
        sql.SQL("INSERT INTO beaas.{0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM pg_temp.{0}").format(name, names)
    )
