"""The Avro files as they lie in this package, and as the codec reads and writes them."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, TypeAlias

import fastavro

Schema: TypeAlias = Any
"""Parsed JSON of an Avro schema: a name, a union's list or a definition's object."""

_NESTED: Final = ("type", "items", "values")


@cache
def schema_text(full_name: str) -> str:
    """Returns the text of a record's .avsc file: `beaas.usage.UsageRecorded` stands in usage/UsageRecorded.avsc.

    Raises:
        FileNotFoundError: no record of ours has this name.
    """
    _, context, name = full_name.split(".")
    return resources.files("schemas").joinpath(context, f"{name}.avsc").read_text(encoding="utf-8")


@cache
def plain_schema(full_name: str) -> Schema:
    """Returns a record's schema without logical types, parsed for fastavro."""
    return fastavro.parse_schema(plain(json.loads(schema_text(full_name))))


def plain(schema: Schema) -> Schema:
    """Returns the schema without logical types: integers and bytes then stay what they are on the wire."""
    match schema:
        case list():
            return [plain(branch) for branch in schema]
        case Mapping():
            kept = {key: value for key, value in schema.items() if key not in {"logicalType", "precision", "scale"}}
            for key in _NESTED:
                if key in kept:
                    kept[key] = plain(kept[key])
            if isinstance(kept.get("fields"), list):
                kept["fields"] = [plain(field) for field in kept["fields"]]
            return kept
        case _:
            return schema
