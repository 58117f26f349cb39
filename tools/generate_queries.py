"""Writes connectors/postgres/queries/*.py from connectors/postgres/sql/*.sql.

Every statement is prepared on a migrated scratch database, which tells the types of its parameters and columns and
refuses a wrong name or type. What PostgreSQL can't tell, the header of a statement declares:

    -- name: invoice_by_statement :one
    -- The invoice that was drawn from the statement, if one was.
    -- nullable: settled_at
    -- optional: customer_id
    SELECT … WHERE tenant_id = %(tenant_id)s

`:one` returns a row or None, `:many` a list of rows, `:exec` nothing, `:execrows` how many rows it touched. `nullable`
names result columns that may be null, `optional` parameters that may be None (in an array: its elements). A nullable
column that a statement never returns null is cast, `noted_at::timestamptz AS noted_at`, to say so.

`python tools/generate_queries.py [--postgres-url URL] [--check]`: without a URL an embedded server is started; with
`--check` nothing is written, and the exit status is 1 where a file would change.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql as composed
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus

from connectors.embedded.ports import remembered_ports
from connectors.embedded.postgres import Postgres
from connectors.embedded.postgres_place import place_for, remove_files_elsewhere
from connectors.postgres.migrate import migrate

ROOT: Final = Path(__file__).parent.parent
SOURCES: Final = ROOT / "connectors" / "postgres" / "sql"
TARGETS: Final = ROOT / "connectors" / "postgres" / "queries"
PACKAGE: Final = '"""Typed functions of the statements in ../sql, written by tools/generate_queries.py."""\n'

_WIDTH: Final = 120
_MOST_ARGUMENTS: Final = 5  # the linter's limit, with the connection
_HEADER: Final = re.compile(r"-- name: (?P<name>[a-z][a-z0-9_]*) :(?P<kind>one|many|execrows|exec)")
_DECLARATION: Final = re.compile(r"-- (?P<what>nullable|optional): (?P<names>[a-z0-9_, ]+)")
_PARAMETER: Final = re.compile(r"%\((?P<name>[a-z0-9_]+)\)s|%%|%")

_PYTHON: Final = {
    "bool": "bool", "bytea": "bytes", "date": "date", "int2": "int", "int4": "int", "int8": "int",
    "interval": "timedelta", "jsonb": "str", "name": "str", "numeric": "Decimal", "oid": "int", "pg_lsn": "str",
    "text": "str", "timestamptz": "datetime", "uuid": "UUID", "varchar": "str",
}  # fmt: skip
_IMPORTS: Final = {
    "Decimal": "from decimal import Decimal",
    "UUID": "from uuid import UUID",
    "date": "from datetime import date",
    "datetime": "from datetime import datetime",
    "timedelta": "from datetime import timedelta",
}


class BadStatement(Exception):
    """A statement that can't be prepared or declared; the text names its file and its name."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One named statement as it stands in its file."""

    file: str
    name: str
    kind: str
    promise: str
    nullable: frozenset[str]
    optional: frozenset[str]
    sql: str

    @property
    def place(self) -> str:
        """Where it stands, for an error."""
        return f"{self.file}: {self.name}"


@dataclass(frozen=True, slots=True)
class Typed:
    """A statement with the Python types of its parameters and columns, in their order."""

    statement: Statement
    parameters: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]


def statements(file: Path) -> Iterator[Statement]:
    """Yields the file's statements.

    Raises:
        BadStatement: text before the first header, a header without a promise, or a name used twice.
    """
    parts = re.split(r"^(?=-- name:)", file.read_text(), flags=re.MULTILINE)
    if parts[0].strip():
        raise BadStatement(f"{file.name}: begin with a line such as `-- name: invoice_by_statement :one`")
    seen: set[str] = set()
    for part in parts[1:]:
        statement = _statement(file.name, part)
        if statement.name in seen:
            raise BadStatement(f"{statement.place}: the name stands twice")
        seen.add(statement.name)
        yield statement


def _statement(file: str, text: str) -> Statement:
    first, *rest = text.strip().splitlines()
    header = _HEADER.fullmatch(first)
    if header is None:
        raise BadStatement(f"{file}: {first!r} is no header such as `-- name: invoice_by_statement :one`")
    declared: dict[str, frozenset[str]] = {}
    promise: list[str] = []
    while rest and rest[0].startswith("-- "):
        line = rest.pop(0)
        if found := _DECLARATION.fullmatch(line):
            declared[found["what"]] = frozenset(found["names"].replace(" ", "").split(","))
        else:
            promise.append(line.removeprefix("-- "))
    if not promise:
        raise BadStatement(f"{file}: {header['name']}: say in a `-- ` line under the header what it promises")
    nothing: frozenset[str] = frozenset()
    return Statement(
        file=file,
        name=header["name"],
        kind=header["kind"],
        promise=" ".join(promise),
        nullable=declared.get("nullable", nothing),
        optional=declared.get("optional", nothing),
        sql="\n".join(rest).strip().removesuffix(";"),
    )


class Scratch:
    """A migrated database that statements are prepared on."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        rows = connection.execute(
            "SELECT t.oid, coalesce(element.typname, base.typname, t.typname), element.oid IS NOT NULL"
            " FROM pg_type t LEFT JOIN pg_type base ON base.oid = t.typbasetype"
            " LEFT JOIN pg_type element ON element.typarray = t.oid"
        )
        self._types: dict[int, tuple[str, bool]] = {oid: (name, array) for oid, name, array in rows}

    def typed(self, statement: Statement) -> Typed:
        """Returns the statement with its types.

        Raises:
            BadStatement: PostgreSQL refuses it, or a declaration does not fit what it has.
        """
        text, names = _numbered(statement)
        pgconn = self._connection.pgconn
        prepared = pgconn.prepare(b"", text.encode())
        if prepared.status != ExecStatus.COMMAND_OK:
            raise BadStatement(f"{statement.place}: {prepared.get_error_message()}")
        described = pgconn.describe_prepared(b"")
        parameters = [
            (name, _given(self._python(described.param_type(at), statement, name, none=name in statement.optional)))
            for at, name in enumerate(names)
        ]
        columns = [self._column(statement, described, at) for at in range(described.nfields)]
        _refuse_strangers(statement, names, [name for name, _ in columns])
        return Typed(statement, tuple(parameters), tuple(columns))

    def _column(self, statement: Statement, described: psycopg.pq.abc.PGresult, at: int) -> tuple[str, str]:
        name = (described.fname(at) or b"").decode()
        none = name in statement.nullable
        filled = re.search(rf"::\w+ AS {name}\b", statement.sql)
        if not none and not filled and self._may_be_null(described.ftable(at), described.ftablecol(at)):
            raise BadStatement(
                f"{statement.place}: column {name} may be null in its table: declare `-- nullable: {name}`"
            )
        return name, self._python(described.ftype(at), statement, name, none=none)

    def _may_be_null(self, table: int, column: int) -> bool:
        row = self._connection.execute(
            "SELECT FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relkind = 'r' AND NOT attnotnull AND attrelid = %s AND attnum = %s",
            (table, column),
        )
        return row.fetchone() is not None

    def _python(self, oid: int, statement: Statement, name: str, *, none: bool) -> str:
        known, array = self._types[oid]
        if known not in _PYTHON:
            raise BadStatement(f"{statement.place}: {name} has type {known}, which has no Python type here: cast it")
        scalar = _PYTHON[known] + (" | None" if none else "")
        return f"list[{scalar}]" if array else scalar


def _given(kind: str) -> str:
    """Whole numbers are numerics too."""
    return f"{kind} | {kind.replace('Decimal', 'int')}" if "Decimal" in kind else kind


def _numbered(statement: Statement) -> tuple[str, list[str]]:
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found["name"] is None:
            if found[0] == "%%":
                return "%"
            raise BadStatement(f"{statement.place}: write a lone % as %%")
        if found["name"] not in names:
            names.append(found["name"])
        return f"${names.index(found['name']) + 1}"

    return _PARAMETER.sub(number, statement.sql), names


def _refuse_strangers(statement: Statement, parameters: Sequence[str], columns: Sequence[str]) -> None:
    strangers = (statement.optional - set(parameters)) | (statement.nullable - set(columns))
    if strangers:
        raise BadStatement(f"{statement.place}: declares {', '.join(sorted(strangers))}, which it does not have")
    if bool(columns) != (statement.kind in {"one", "many"}):
        raise BadStatement(f"{statement.place}: `:{statement.kind}` does not fit its {len(columns)} result columns")


def module(file: Path, found: Sequence[Typed]) -> str:
    """Returns the unformatted text of the module for one file of statements."""
    types = " ".join(kind for typed in found for _, kind in (*typed.parameters, *typed.columns))
    imports = {line for word, line in _IMPORTS.items() if re.search(rf"\b{word}\b", types)}
    imports.add("from typing import Final, LiteralString, Any")
    imports.add("from psycopg import AsyncConnection")
    if any(typed.columns for typed in found):
        imports |= {"from dataclasses import dataclass", "from psycopg.rows import args_row"}
    head = f'"""The statements of ../sql/{file.name}, typed; written by tools/generate_queries.py."""'
    return "\n\n".join([head, *_allowed(found), "\n".join(sorted(imports)), *(_function(typed) for typed in found)])


def _allowed(found: Sequence[Typed]) -> Iterator[str]:
    if any("\n" in _promise(typed.statement) for typed in found):
        yield "# ruff: noqa: D205 - a long promise is wrapped"
    if any(len(typed.parameters) >= _MOST_ARGUMENTS for typed in found):
        yield "# ruff: noqa: PLR0913 - an argument for each parameter of the statement"


def _promise(statement: Statement) -> str:
    return textwrap.fill(statement.promise, _WIDTH - len('    """"""'), subsequent_indent="    ")


def _function(typed: Typed) -> str:
    statement = typed.statement
    constant, row = f"_{statement.name.upper()}", "".join(part.capitalize() for part in statement.name.split("_"))
    signature = "".join(f", {name}: {kind}" for name, kind in typed.parameters)
    given = ", ".join(f'"{name}": {name}' for name, _ in typed.parameters)
    arguments = f"{constant}, {{{given}}}" if given else constant
    parts = [f'{constant}: Final[LiteralString] = """\n{_sent(typed)}\n"""']
    if typed.columns:
        fields = "\n".join(f"    {name}: {kind}" for name, kind in typed.columns)
        parts.append(
            f'@dataclass(frozen=True, slots=True)\nclass {row}:\n    """A row of `{statement.name}`."""\n\n{fields}'
        )
    match statement.kind:
        case "one":
            returns, body = f"{row} | None", _fetch(row, arguments, "fetchone")
        case "many":
            returns, body = f"list[{row}]", _fetch(row, arguments, "fetchall")
        case "execrows":
            returns = "int"
            body = f"    cursor = await connection.execute({arguments})\n    return cursor.rowcount"
        case _:
            returns, body = "None", f"    await connection.execute({arguments})"
    star = ", *" if typed.parameters else ""
    head = f"async def {statement.name}(connection: AsyncConnection[Any]{star}{signature}) -> {returns}:"
    promise = _promise(statement)
    end = "\n    " if "\n" in promise else ""
    parts.append(f'{head}\n    """{promise}{end}"""\n{body}')
    return "\n\n".join(parts)


def _sent(typed: Typed) -> str:
    """Returns the statement with its arrays in binary: psycopg writes them 2 to 16 times as fast as in text."""
    arrays = {name for name, kind in typed.parameters if kind.startswith("list[")}

    def binary(found: re.Match[str]) -> str:
        return f"%({found['name']})b" if found["name"] in arrays else found[0]

    return _PARAMETER.sub(binary, typed.statement.sql)


def _fetch(row: str, arguments: str, how: str) -> str:
    return (
        f"    async with connection.cursor(row_factory=args_row({row})) as cursor:\n"
        f"        await cursor.execute({arguments})\n        return await cursor.{how}()"
    )


def generate(url: str) -> dict[Path, str]:
    """Returns the text of every module by its path, prepared on a scratch database beside the one of the URL.

    Raises:
        BadStatement: as `statements` and `Scratch.typed`.
    """
    with scratch_database(url) as scratch_url:
        migrate(scratch_url)
        with psycopg.connect(scratch_url, autocommit=True) as connection:
            scratch = Scratch(connection)
            texts = {
                TARGETS / f"{file.stem}.py": module(file, [scratch.typed(statement) for statement in statements(file)])
                for file in sorted(SOURCES.glob("*.sql"))
            }
    texts[TARGETS / "__init__.py"] = PACKAGE
    return _formatted(texts)


def _formatted(texts: dict[Path, str]) -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as directory:
        copies = {path: Path(directory) / path.name for path in texts}
        for path, text in texts.items():
            copies[path].write_text(text)
        ruff = [sys.executable, "-m", "ruff"]
        settings = ["--config", str(ROOT / "pyproject.toml"), "--quiet"]
        subprocess.run([*ruff, "check", "--select", "I,W,F401", "--fix", *settings, directory], check=True)
        subprocess.run([*ruff, "format", *settings, directory], check=True)
        return {path: copy.read_text() for path, copy in copies.items()}


@asynccontextmanager
async def embedded_server() -> AsyncIterator[str]:
    """Yields the URL of a PostgreSQL that lives as long as the block."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = Postgres(
            place=place_for(directory / "postgres"),
            log=directory / "postgres.log",
            records=directory,
            port=remembered_ports(directory / "ports", ["postgres"])["postgres"],
            password=token_urlsafe(),
        )
        try:
            await server.start()
            yield server.url("postgres")
        finally:
            await server.stop()
            remove_files_elsewhere(directory / "postgres")


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """Yields the URL of a new database on the URL's server, which is dropped at the end."""
    name = f"beaas_scratch_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(composed.SQL("CREATE DATABASE {}").format(composed.Identifier(name)))
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            connection.execute(composed.SQL("DROP DATABASE {} WITH (FORCE)").format(composed.Identifier(name)))


def write(texts: dict[Path, str], *, check: bool) -> list[str]:
    """Makes the modules be as given, unless only checking; returns one line for each that was not."""
    stale = [path for path in TARGETS.glob("*.py") if path not in texts]
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if not check:
        for path in stale:
            path.unlink()
        for path in changed:
            path.write_text(texts[path])
    return [f"{path.relative_to(ROOT)} is not what its statements say" for path in (*stale, *changed)]


async def _generated(url: str | None) -> dict[Path, str]:
    if url:
        return await asyncio.to_thread(generate, url)
    async with embedded_server() as started:
        return await asyncio.to_thread(generate, started)


def main() -> int:
    """Writes or checks the modules; returns the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--postgres-url", help="a superuser's address; an embedded server is started without it")
    arguments.add_argument("--check", action="store_true", help="compare only")
    chosen = arguments.parse_args()
    try:
        texts = asyncio.run(_generated(chosen.postgres_url))
    except BadStatement as bad:
        print(bad, file=sys.stderr)
        return 2
    different = write(texts, check=chosen.check)
    print("\n".join(different) or "all typed queries are what their statements say")
    return int(chosen.check and bool(different))


if __name__ == "__main__":
    sys.exit(main())
