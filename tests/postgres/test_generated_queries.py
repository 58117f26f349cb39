"""The typed queries are what their statements say, and a statement that can't be so is refused."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tools.generate_queries import TARGETS, BadStatement, Scratch, Typed, generate, statements, write


@pytest.fixture
def scratch(shared_database: str) -> Iterator[Scratch]:
    with psycopg.connect(shared_database, autocommit=True) as connection:
        yield Scratch(connection)


def typed(scratch: Scratch, directory: Path, text: str) -> Typed:
    file = directory / "some.sql"
    file.write_text(text)
    [statement] = statements(file)
    return scratch.typed(statement)


def test_the_committed_modules_are_the_generated_ones(server_url: str) -> None:
    generated = generate(server_url)
    assert write(generated, check=True) == []
    assert {path.name for path in generated} == {path.name for path in TARGETS.glob("*.py")}


def test_a_changed_or_stale_module_is_seen() -> None:
    planted = {path: path.read_text() + "\n" for path in [TARGETS / "ledger.py"]}
    seen = write(planted, check=True)
    assert "connectors/postgres/queries/ledger.py is not what its statements say" in seen
    assert "connectors/postgres/queries/outbox.py is not what its statements say" in seen


def test_types_come_from_the_database_and_null_from_the_header(scratch: Scratch, tmp_path: Path) -> None:
    found = typed(
        scratch,
        tmp_path,
        "-- name: some :many\n-- Says\n-- something.\n-- nullable: cancel_at\n-- optional: since\n"
        "SELECT tenant_id, cancel_at, terms, plan_version FROM beaas.subscriptions\n"
        "WHERE tenant_id = %(tenant)s AND starts_at > %(since)s AND state = ANY(%(states)s) AND 5 %% 2 = 1;\n",
    )
    assert found.parameters == (("tenant", "str"), ("since", "datetime | None"), ("states", "list[str]"))
    assert found.columns == (
        ("tenant_id", "str"),
        ("cancel_at", "datetime | None"),
        ("terms", "str"),
        ("plan_version", "int"),
    )
    assert found.statement.promise == "Says something."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: a :one\n-- A.\nSELECT no_such FROM beaas.tenants", "a: .*no_such"),
        ("-- name: a :one\n-- A.\nSELECT 1 AS one WHERE 'x' = %(a)s + 1", "a: .*operator does not exist|invalid input"),
        ("-- name: a :one\n-- A.\nSELECT test_clock FROM beaas.tenants", "declare `-- nullable: test_clock`"),
        (
            "-- name: a :one\n-- A.\n-- nullable: b\nSELECT tenant_id FROM beaas.tenants",
            "declares b, which it",
        ),
        ("-- name: a :exec\n-- A.\nSELECT 1 AS one", "`:exec` does not fit its 1 result columns"),
        ("-- name: a :many\n-- A.\nDELETE FROM beaas.tenants", "`:many` does not fit its 0 result columns"),
        ("-- name: a :one\n-- A.\nSELECT 5 % 2 AS odd", "write a lone % as %%"),
        ("-- name: a :one\n-- A.\nSELECT point(1, 2) AS p", "has type point"),
        ("-- name: a :one\nSELECT 1 AS one", "say in a `-- ` line"),
        ("-- name: a :all\n-- A.\nSELECT 1 AS one", "is no header"),
        ("SELECT 1\n-- name: a :one\n-- A.\nSELECT 1 AS one", "begin with a line such as"),
        ("-- name: a :one\n-- A.\nSELECT 1 AS b\n-- name: a :one\n-- A.\nSELECT 1 AS b", "the name stands twice"),
    ],
)
def test_a_statement_that_is_wrong_is_refused_with_its_place(
    scratch: Scratch, tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(BadStatement, match=f"some.sql: .*(?:{problem})|some.sql: (?:{problem})"):
        typed(scratch, tmp_path, text)
