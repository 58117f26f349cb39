"""Reads usage from CSV or JSON lines, plain or gzipped.

CSV: a header names the columns. `tenant_id` (or `tenant`), `customer_id` (or `customer`), `id`, `type` (or `event`)
and `occurred_at` (or `timestamp`, `time`) must be there; `source` and `subscription_id` may; every other column is a
property, and an empty cell is a property that the event does not have.
JSON lines: one object a line with the same names and `properties`, or a CloudEvents 1.0 object.
Columns of other names are mapped with `names`, such as `{"tenant_id": "origin"}`.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from billing.entry import Usage
from billing.instant import micros
from schemas.cloudevents import parse as parse_cloudevent
from schemas.errors import UndecodableRecord
from schemas.limits import validated

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant_id": ("tenant_id", "tenant"),
    "customer_id": ("customer_id", "customer"),
    "id": ("id",),
    "type": ("type", "event"),
    "occurred_at": ("occurred_at", "timestamp", "time"),
    "source": ("source",),
    "subscription_id": ("subscription_id", "subscription"),
}
OPTIONAL: Final = ("source", "subscription_id")
LINE_MAX_BYTES: Final = 1 << 20


class BadUsageFile(Exception):
    """A line can't be read as usage; the text names file, line and field."""


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield file


def read_usage(path: Path, names: Mapping[str, str] | None = None) -> Iterator[Usage]:
    """Yields the file's usage in its order, each within the limits of the wire.

    Raises:
        BadUsageFile: at the first line that can't be used, with file, line and field.
    """
    stem = Path(path.stem) if path.suffix == ".gz" else path
    read = _read_csv if stem.suffix.lower() == ".csv" else _read_json
    line = 0
    try:
        with _opened(path) as file:
            for line, usage in read(file, dict(names or {})):  # noqa: B007 - the error below names it
                yield usage
    except _BadLine as error:
        raise BadUsageFile(f"{path}: line {error.line}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise BadUsageFile(f"{path}: after line {line}: {error}") from None


class _BadLine(Exception):
    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def _read_csv(file: IO[str], names: dict[str, str]) -> Iterator[tuple[int, Usage]]:
    rows = csv.reader(file, strict=True)
    header = next(rows, None)
    if header is None:
        raise _BadLine(1, "the file is empty; its first line must name the columns")
    columns = _columns(header, names)
    taken = set(columns.values())
    properties = [(i, name) for i, name in enumerate(header) if i not in taken]
    make = _maker(columns)
    for row in rows:
        if len(row) != len(header):
            raise _BadLine(rows.line_num, f"{len(row)} cells where the header names {len(header)} columns")
        yield rows.line_num, make(row, {name: row[i] for i, name in properties if row[i]}, rows.line_num)


def _columns(header: list[str], names: dict[str, str]) -> dict[str, int]:
    """Field -> column index.

    Raises:
        _BadLine: a field has no column.
    """
    at = {name: i for i, name in enumerate(header)}
    if len(at) != len(header):
        raise _BadLine(1, "two columns have the same name")
    found: dict[str, int] = {}
    for field, aliases in ALIASES.items():
        wanted = (names[field],) if field in names else aliases
        column = next((at[name] for name in wanted if name in at), None)
        if column is not None:
            found[field] = column
        elif field not in OPTIONAL or field in names:
            raise _BadLine(
                1, f"no column for {field}: name one of {', '.join(wanted)}, or map it (--map {field}=COLUMN)"
            )
    return found


def _maker(columns: dict[str, int]) -> Callable[[list[str], dict[str, str], int], Usage]:
    tenant, customer, id_ = columns["tenant_id"], columns["customer_id"], columns["id"]
    type_, occurred = columns["type"], columns["occurred_at"]
    source, subscription = columns.get("source"), columns.get("subscription_id")

    def make(row: list[str], properties: dict[str, str], line: int) -> Usage:
        return _checked(
            Usage(
                tenant=row[tenant],
                customer=row[customer],
                id=row[id_],
                source="" if source is None else row[source],
                type=row[type_],
                occurred_at_us=_instant(row[occurred], line),
                properties=properties,
                subscription=None if subscription is None else row[subscription] or None,
            ),
            line,
        )

    return make


def _read_json(file: IO[str], names: dict[str, str]) -> Iterator[tuple[int, Usage]]:
    for line, text in enumerate(iter(lambda: file.readline(LINE_MAX_BYTES), ""), start=1):
        if not text.strip():
            continue
        try:
            # Numbers keep their written text: a float would change an amount.
            value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise _BadLine(line, f"no JSON: {error}") from None
        if not isinstance(value, dict):
            raise _BadLine(line, "a JSON object is expected")
        yield line, _cloudevent(text, line) if "specversion" in value else _plain(value, names, line)


def _cloudevent(text: str, line: int) -> Usage:
    try:
        return validated(parse_cloudevent(text.encode()))
    except UndecodableRecord as error:
        raise _BadLine(line, f"{error.reason}: {error.detail}") from None


def _plain(value: dict[str, object], names: dict[str, str], line: int) -> Usage:
    found: dict[str, str | None] = {}
    for field, aliases in ALIASES.items():
        wanted = (names[field],) if field in names else aliases
        name = next((name for name in wanted if name in value), None)
        got = value.pop(name) if name is not None else None
        if got is None and field not in OPTIONAL:
            raise _BadLine(line, f"{field} is missing")
        if got is not None and not isinstance(got, str):
            raise _BadLine(line, f"{field} must be a string")
        found[field] = got
    given = value.pop("properties", {})
    if value:
        raise _BadLine(line, f"unknown field {next(iter(value))!r}; measured values stand under `properties`")
    if not isinstance(given, dict):
        raise _BadLine(line, "properties must be an object")
    properties: dict[str, str] = {}
    for name, item in given.items():
        match item:
            case None:
                continue
            case bool():
                properties[name] = "true" if item else "false"
            case str():
                properties[name] = item
            case _:
                raise _BadLine(line, f"properties.{name} must be a string or a number")
    return _checked(
        Usage(
            tenant=found["tenant_id"] or "",
            customer=found["customer_id"] or "",
            id=found["id"] or "",
            source=found["source"] or "",
            type=found["type"] or "",
            occurred_at_us=_instant(found["occurred_at"] or "", line),
            properties=properties,
            subscription=found["subscription_id"],
        ),
        line,
    )


def _instant(text: str, line: int) -> int:
    try:
        instant = datetime.fromisoformat(text)  # laxer than RFC 3339: exports write a blank, or leave seconds out
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise _BadLine(line, f"occurred_at: {text[:60]!r} is no instant with its offset, such as 2026-01-31T12:00:00Z")
    return micros(instant)


def _checked(usage: Usage, line: int) -> Usage:
    try:
        return validated(usage)
    except UndecodableRecord as error:
        raise _BadLine(line, f"{error.reason}: {error.detail}") from None
