"""Which changes of a schema leave old records readable, and readable as what they said.

A registry checks the structure (`BACKWARD_TRANSITIVE`). It accepts a decimal whose scale went from 2 to 4 and an
instant that went from milliseconds to microseconds: every amount and every period would be misread. Ours does not.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import fastavro

from schemas.errors import UndecodableRecord
from schemas.files import Schema

_PROMOTIONS: Final = frozenset(
    {("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double")}
    | {("string", "bytes"), ("bytes", "string")},
)


@dataclass(frozen=True, slots=True)
class SchemaTree:
    """A schema whose named types can be looked up, so that it is walked without unfolding it."""

    root: Schema
    named: dict[str, Schema] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> "SchemaTree":
        """Returns the tree of a schema's JSON text.

        Raises:
            ValueError: no JSON; fastavro's own errors where it is no Avro schema.
        """
        named: dict[str, Schema] = {}
        return cls(fastavro.parse_schema(json.loads(text), named), named)

    def branches(self, schema: Schema) -> list[Schema]:
        """Returns a union's branches, or the one type that it is, with names resolved."""
        branches = schema if isinstance(schema, list) else [schema]
        return [self.named.get(branch, branch) if isinstance(branch, str) else branch for branch in branches]


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Returns why records of the `writer` schema can't be read by the `reader` schema, in words; empty where they can.

    Structure by Avro's rules of schema resolution, and logical types by ours.
    """
    return structural_changes(reader, writer) + logical_changes(SchemaTree.of(reader), SchemaTree.of(writer))


def structural_changes(reader: str, writer: str) -> list[str]:
    """Returns what Avro's own rules have against it: this much a registry checks too."""
    from avro.compatibility import (  # noqa: PLC0415 - 0.1 s, and only checks need it
        ReaderWriterCompatibilityChecker,
        SchemaCompatibilityType,
    )
    from avro.schema import parse  # noqa: PLC0415 - as above

    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    verdict = checker.get_compatibility(parse(reader), parse(writer))
    return [] if verdict.compatibility is SchemaCompatibilityType.compatible else sorted(verdict.messages)


def logical_changes(reader: SchemaTree, writer: SchemaTree) -> list[str]:
    """Returns where the reader would take the writer's bytes for another amount or another instant."""
    return list(_changes(reader, writer, reader.root, writer.root, ()))


def check_bounded(writer: SchemaTree) -> None:
    """Returns where every record of the schema takes time and memory in proportion to its bytes.

    Raises:
        UndecodableRecord: `unbounded-schema`: a type contains itself, or an array has items that take no bytes (five
            bytes can claim 2^60 of them).
    """
    _takes_bytes(writer, writer.root, (), {})


def _changes(
    reader: SchemaTree, writer: SchemaTree, ours: Schema, theirs: Schema, path: tuple[str, ...]
) -> Iterator[str]:
    for read in reader.branches(ours):
        for written in writer.branches(theirs):
            kind = _kind(read)
            if kind == _kind(written):
                for name, inner, inner_written in _inner(kind, read, written):
                    yield from _changes(reader, writer, inner, inner_written, (*path, name))
            elif (_kind(written), kind) not in _PROMOTIONS:
                continue
            yield from _leaf_changes(read, written, ".".join(path) or "the schema")


def _leaf_changes(ours: Schema, theirs: Schema, where: str) -> Iterator[str]:
    read, written = _logical(ours), _logical(theirs)
    if read.get("logicalType") != written.get("logicalType"):
        names = [logical.get("logicalType", "a plain value") for logical in (written, read)]
        yield f"{where}: {names[0]} is written, {names[1]} would be read"
    elif read.get("scale", 0) != written.get("scale", 0):
        yield f"{where}: scale {written.get('scale', 0)} is written, scale {read.get('scale', 0)} would be read"
    elif read.get("precision", 0) < written.get("precision", 0):
        yield f"{where}: {written['precision']} digits are written, only {read['precision']} would be read"


def _inner(kind: str, ours: Schema, theirs: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    match kind:
        case "record":
            written = {entry["name"]: entry["type"] for entry in theirs["fields"]}
            for entry in ours["fields"]:
                name = next((name for name in (entry["name"], *entry.get("aliases", ())) if name in written), None)
                if name is not None:
                    yield entry["name"], entry["type"], written[name]
        case "array":
            yield "items", ours["items"], theirs["items"]
        case "map":
            yield "values", ours["values"], theirs["values"]
        case _:
            return


def _takes_bytes(tree: SchemaTree, schema: Schema, outer: tuple[str, ...], known: dict[str, bool]) -> bool:
    """Returns whether every value of the schema takes at least one byte; `known` spares a second look at a name."""
    sizes = [_branch_takes_bytes(tree, branch, outer, known) for branch in tree.branches(schema)]
    return isinstance(schema, list) or all(sizes)


def _branch_takes_bytes(tree: SchemaTree, schema: Schema, outer: tuple[str, ...], known: dict[str, bool]) -> bool:
    match _kind(schema):
        case "null":
            return False
        case "fixed":
            return bool(schema["size"])
        case "record" | "error":
            return _record_takes_bytes(tree, schema, outer, known)
        case "array":
            if not _takes_bytes(tree, schema["items"], outer, known):
                raise UndecodableRecord("unbounded-schema", "an array has items that take no bytes")
        case "map":
            _takes_bytes(tree, schema["values"], outer, known)
    return True


def _record_takes_bytes(tree: SchemaTree, schema: Schema, outer: tuple[str, ...], known: dict[str, bool]) -> bool:
    name = schema["name"]
    if name in outer:
        raise UndecodableRecord("unbounded-schema", f"type {name[:80]} contains itself")
    if name not in known:
        inner = (*outer, name)
        known[name] = any([_takes_bytes(tree, entry["type"], inner, known) for entry in schema["fields"]])  # noqa: C419 - each field is looked at
    return known[name]


def _kind(schema: Schema) -> str:
    while isinstance(schema, Mapping):
        schema = schema["type"]
    return str(schema)


def _logical(schema: Schema) -> Mapping[str, Schema]:
    return schema if isinstance(schema, Mapping) and "logicalType" in schema else {}
