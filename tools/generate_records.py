"""Writes `schemas/records.py` from the Avro files: one frozen class for each record and enum.

With `--check` it writes nothing, shows how the committed file differs, and exits 1 where it does.
"""

import difflib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "schemas"
OUTPUT: Final = SCHEMAS / "records.py"
HISTORY: Final = "history"

Schema: TypeAlias = Any
"""Parsed JSON of an Avro schema."""

HEADER: Final = '''"""The records of the wire, one class for each Avro record.

Generated from `schemas/**/*.avsc` by `tools/generate_records.py`: change those, then run it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import msgspec

from schemas import wire
from schemas.wire import Record
'''

FOOTER: Final = '''
RECORDS: Final[Mapping[str, type[Record]]] = MappingProxyType(
    {{
        record.FULL_NAME: record
        for record in ({names})
    }}
)
"""The records that are written by themselves, by full name."""
'''


@dataclass(frozen=True, slots=True)
class Conversion:
    """A field's Python type, and both conversions as expressions over `{value}` and `{label}`."""

    python: str
    to_wire: str
    from_wire: str


PRIMITIVES: Final = {
    "string": Conversion("str", "wire.text({value}, {label})", "{value}"),
    "bytes": Conversion("bytes", "wire.octets({value}, {label})", "wire.octets_read({value})"),
    "boolean": Conversion("bool", "wire.truth({value}, {label})", "{value}"),
    "int": Conversion("int", "wire.whole({value}, {label}, 32)", "{value}"),
    "long": Conversion("int", "wire.whole({value}, {label}, 64)", "{value}"),
}


@dataclass(slots=True)
class Module:
    """What has been generated so far: classes by name in order of definition, and the schemas they came from."""

    classes: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Schema] = field(default_factory=dict)

    def define(self, schema: Schema, namespace: str) -> str:
        """Generates a record or enum, once, and returns its class name."""
        name: str = schema["name"]
        if self.origins.setdefault(name, schema) != schema:
            raise SystemExit(f"{name} is defined twice, and not alike; give one of them another name")
        if name not in self.classes:
            source = _enum(schema) if schema["type"] == "enum" else _record(self, schema, namespace)
            self.classes[name] = source
        return name

    def conversion(self, schema: Schema, namespace: str) -> Conversion:
        """Returns how a field of this schema is typed and converted."""
        match schema:
            case str() if schema in PRIMITIVES:
                return PRIMITIVES[schema]
            case ["null", something]:
                return _optional(self.conversion(something, namespace))
            case dict():
                return self._complex(schema, namespace)
        raise SystemExit(f"no Python type is known for {schema!r}; teach it to tools/generate_records.py")

    def _complex(self, schema: Schema, namespace: str) -> Conversion:  # noqa: PLR0911 - one for each kind of type
        match schema:
            case {"type": "long", "logicalType": "timestamp-micros"}:
                return Conversion("datetime", "wire.micros({value}, {label})", "wire.instant({value}, {label})")
            case {"type": "bytes", "logicalType": "decimal", "scale": 0, "precision": int(digits)}:
                to_wire = f"wire.minor({{value}}, {{label}}, {digits})"
                return Conversion("int", to_wire, f"wire.amount({{value}}, {{label}}, {digits})")
            case {"type": "map", "values": "string"}:
                return Conversion("dict[str, str]", "wire.texts({value}, {label})", "{value}")
            case {"type": "array", "items": "string"}:
                return Conversion("tuple[str, ...]", "wire.strings({value}, {label})", "tuple({value})")
            case {"type": "array", "items": {"type": "record"} as item}:
                kind = self.define(item, namespace)
                from_wire = f"tuple({kind}.from_wire(item) for item in {{value}})"
                return Conversion(f"tuple[{kind}, ...]", f"wire.records({{value}}, {{label}}, {kind})", from_wire)
            case {"type": "record"}:
                kind = self.define(schema, namespace)
                return Conversion(kind, f"wire.nested({{value}}, {{label}}, {kind})", f"{kind}.from_wire({{value}})")
            case {"type": "enum"}:
                kind = self.define(schema, namespace)
                return Conversion(kind, f"wire.symbol({{value}}, {{label}}, {kind})", f"{kind}({{value}})")
        raise SystemExit(f"no Python type is known for {schema!r}; teach it to tools/generate_records.py")


def generated() -> str:
    """Returns the whole module, formatted, from the Avro files as they are."""
    module = Module()
    roots = []
    for path in sorted(SCHEMAS.rglob("*.avsc")):
        if HISTORY not in path.relative_to(SCHEMAS).parts:
            schema = json.loads(path.read_text())
            _check_place(path, schema)
            roots.append(module.define(schema, schema["namespace"]))
    names = ", ".join(roots)
    return _formatted(HEADER + "\n\n" + "\n\n".join(module.classes.values()) + "\n" + FOOTER.format(names=names))


def main(arguments: list[str]) -> int:
    """Writes the module, or compares it; returns the exit status."""
    module = generated()
    if "--check" not in arguments:
        OUTPUT.write_text(module)
        return 0
    committed = OUTPUT.read_text() if OUTPUT.exists() else ""
    drift = difflib.unified_diff(committed.splitlines(), module.splitlines(), "committed", "generated", lineterm="")
    lines = list(drift)
    if lines:
        print("\n".join(lines))
        print(f"{OUTPUT.name} is not what the .avsc files say: run python tools/generate_records.py")
    return 1 if lines else 0


def _check_place(path: Path, schema: Schema) -> None:
    if path.stem != schema["name"] or f"beaas.{path.parent.name}" != schema["namespace"]:
        raise SystemExit(f"{path}: holds {schema['namespace']}.{schema['name']}; file and directory carry these names")


def _optional(some: Conversion) -> Conversion:
    to_wire = "None if {value} is None else " + some.to_wire
    from_wire = some.from_wire
    if from_wire != "{value}":
        from_wire = "None if {value} is None else " + from_wire
    return Conversion(f"{some.python} | None", to_wire, from_wire)


def _enum(schema: Schema) -> str:
    members = "\n".join(f'    {symbol.upper()} = "{symbol}"' for symbol in schema["symbols"])
    return f"class {schema['name']}(StrEnum):\n{_docstring(schema)}\n{members}\n"


def _record(module: Module, schema: Schema, namespace: str) -> str:
    fields, to_wire, from_wire = [], [], []
    for entry in schema["fields"]:
        name = entry["name"]
        conversion = module.conversion(entry["type"], namespace)
        label = f'"{schema["name"]}.{name}"'
        fields.append(f"    {name}: {conversion.python}{_default(entry)}\n    {_quoted(entry['doc'])}")
        to_wire.append(f'"{name}": {conversion.to_wire.format(value=f"self.{name}", label=label)},')
        wire_value = f'fields["{name}"]'
        from_wire.append(f"{name}={conversion.from_wire.format(value=wire_value, label=label)},")
    return "\n".join(
        [
            f"class {schema['name']}(Record, frozen=True, kw_only=True):",
            _docstring(schema),
            "",
            f'    FULL_NAME: ClassVar[str] = "{namespace}.{schema["name"]}"',
            "",
            *fields,
            "",
            "    def to_wire(self) -> dict[str, object]:",
            '        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""',
            "        return {" + " ".join(to_wire) + "}",
            "",
            "    @classmethod",
            "    def from_wire(cls, fields: Mapping[str, Any]) -> Self:",
            '        """Returns the record of resolved fields; raises `UndecodableRecord`."""',
            "        return cls(" + " ".join(from_wire) + ")",
            "",
        ],
    )


def _default(entry: Schema) -> str:
    if "default" not in entry:
        return ""
    match entry["default"]:
        case str(octets) if isinstance(entry["type"], dict) and entry["type"].get("logicalType") == "decimal":
            return f" = {int.from_bytes(octets.encode('latin-1'), 'big', signed=True)}"
        case str(octets) if entry["type"] == "bytes":
            return f" = {octets.encode('latin-1')!r}"
        case dict(entries) if not entries:
            return " = msgspec.field(default_factory=dict)"
        case []:
            return " = ()"
        case value:
            return f" = {value!r}"


def _docstring(schema: Schema) -> str:
    return f"    {_quoted(schema['doc'])}\n"


def _quoted(doc: str) -> str:
    return f'"""{doc}"""'


def _formatted(source: str) -> str:
    """Returns the source as ruff formats it, so that the output never differs by layout."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(OUTPUT), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True, cwd=SCHEMAS.parent).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
