"""Which changes of a schema leave old records readable, and readable as what they said.

A registry checks the structure (`BACKWARD_TRANSITIVE`). It accepts a decimal whose scale went from 2 to 4 and an
instant that went from milliseconds to microseconds: every amount and every period would be misread. Ours does not.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.errors import UndecodableRecord
from schemas.files import Schema

_PROMOTIONS: Final = frozenset(
    {("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double")}
    | {("string", "bytes"), ("bytes", "string")},
)
_NAMED: Final = frozenset({"record", "enum", "fixed", "error"})


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Returns why records of the `writer` schema can't be read by the `reader` schema, in words; empty where they can.

    Structure by Avro's rules of schema resolution, and logical types by ours.
    """
    from avro.compatibility import (  # noqa: PLC0415 - 0.1 s, and only checks need it
        ReaderWriterCompatibilityChecker,
        SchemaCompatibilityType,
    )
    from avro.schema import parse  # noqa: PLC0415 - as above

    verdict = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))
    structural = [] if verdict.compatibility is SchemaCompatibilityType.compatible else sorted(verdict.messages)
    return structural + logical_changes(json.loads(reader), json.loads(writer))


def logical_changes(reader: Schema, writer: Schema) -> list[str]:
    """Returns where the reader would take the writer's bytes for another amount or another instant."""
    return list(_changes(reader, writer, _names(reader), _names(writer), ()))


def check_bounded(schema: Schema) -> None:
    """Returns where every record of the schema takes time and memory in proportion to its bytes.

    Raises:
        UndecodableRecord: `unbounded-schema`: it contains itself, or a collection of items that take no bytes, of
            which five bytes can claim 2^60.
    """
    _least_size(schema, _names(schema), ())


def _changes(
    reader: Schema,
    writer: Schema,
    reader_names: Mapping[str, Schema],
    writer_names: Mapping[str, Schema],
    path: tuple[str, ...],
) -> Iterator[str]:
    for ours in _branches(reader, reader_names):
        for theirs in _branches(writer, writer_names):
            kind, written = _kind(ours), _kind(theirs)
            if kind != written and (written, kind) not in _PROMOTIONS:
                continue
            yield from _leaf_changes(ours, theirs, path)
            for name, inner, inner_written in _inner(kind, ours, theirs):
                yield from _changes(inner, inner_written, reader_names, writer_names, (*path, name))


def _leaf_changes(ours: Schema, theirs: Schema, path: tuple[str, ...]) -> Iterator[str]:
    read, written = _logical(ours), _logical(theirs)
    where = ".".join(path) or "the schema"
    if read["logicalType"] != written["logicalType"]:
        yield f"{where}: written as {_named(written)}, would be read as {_named(read)}"
    elif read["scale"] != written["scale"]:
        yield f"{where}: a decimal of scale {written['scale']} would be read with scale {read['scale']}"
    elif read["precision"] < written["precision"]:
        yield f"{where}: {written['precision']} digits are written, only {read['precision']} would be read"


def _inner(kind: str, ours: Schema, theirs: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    match kind:
        case "record":
            written = {field["name"]: field["type"] for field in theirs["fields"]}
            for field in ours["fields"]:
                for name in (field["name"], *field.get("aliases", ())):
                    if name in written:
                        yield field["name"], field["type"], written[name]
                        break
        case "array":
            yield "items", ours["items"], theirs["items"]
        case "map":
            yield "values", ours["values"], theirs["values"]
        case _:
            return


def _least_size(schema: Schema, names: Mapping[str, Schema], outer: tuple[str, ...]) -> int:
    """Returns the fewest bytes that a value takes, as far as it matters: 0 or at least 1."""
    return min((_least_branch_size(branch, names, outer) for branch in _branches(schema, names)), default=0) + (
        1 if isinstance(schema, list) else 0
    )


def _least_branch_size(schema: Schema, names: Mapping[str, Schema], outer: tuple[str, ...]) -> int:
    match _kind(schema):
        case "null":
            return 0
        case "fixed":
            return int(schema["size"])
        case "record" | "error":
            name = str(schema["name"])
            if name in outer:
                raise UndecodableRecord("unbounded-schema", f"{name[:80]} contains itself; such records are not read")
            return sum(_least_size(field["type"], names, (*outer, name)) for field in schema["fields"])
        case "array" | "map" as kind:
            item = schema["items" if kind == "array" else "values"]
            if _least_size(item, names, outer) == 0 and kind == "array":
                raise UndecodableRecord("unbounded-schema", "an array's items take no bytes; such records are not read")
            return 1
        case _:
            return 1


def _branches(schema: Schema, names: Mapping[str, Schema]) -> list[Schema]:
    resolved = names.get(schema, schema) if isinstance(schema, str) else schema
    return [names.get(each, each) if isinstance(each, str) else each for each in resolved] if (
        isinstance(resolved, list)
    ) else [resolved]


def _kind(schema: Schema) -> str:
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    return _kind(kind) if isinstance(kind, Mapping) else str(kind)


def _logical(schema: Schema) -> dict[str, object]:
    return {}


def _named(logical: Mapping[str, object]) -> str:
    return str(logical["logicalType"] or "a plain number or bytes")


def _names(schema: Schema) -> dict[str, Schema]:
    return {}
