"""What a change of a schema may do, and the checker of released versions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.compatibility import incompatibilities, structural_changes
from tools import check_schemas, generate_records

ROOT = Path(__file__).resolve().parents[2]


def schema(field: object) -> str:
    fields = [{"name": "amount", "type": field}]
    return json.dumps({"type": "record", "name": "R", "namespace": "n", "fields": fields})


def decimal(precision: int, scale: int) -> dict[str, object]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MISREAD = {
    "another scale": (decimal(10, 4), decimal(10, 2), "amount: scale 2 is written, scale 4 would be read"),
    "less precision": (decimal(10, 2), decimal(12, 2), "amount: 12 digits are written, only 10 would be read"),
    "another unit of time": (MICROS, MILLIS, "amount: timestamp-millis is written, timestamp-micros would be read"),
    "a unit that was not said": (MICROS, "long", "amount: a plain value is written, timestamp-micros would be read"),
    "a decimal of plain bytes": (decimal(4, 0), "bytes", "amount: a plain value is written, decimal would be read"),
    "a wider number as instant": (MICROS, "int", "amount: a plain value is written, timestamp-micros would be read"),
    "inside a union": (["null", decimal(4, 1)], decimal(4, 0), "amount: scale 0 is written, scale 1 would be read"),
    "inside an array": (
        {"type": "array", "items": MICROS},
        {"type": "array", "items": MILLIS},
        "amount.items: timestamp-millis is written, timestamp-micros would be read",
    ),
    "inside a map": (
        {"type": "map", "values": MICROS},
        {"type": "map", "values": MILLIS},
        "amount.values: timestamp-millis is written, timestamp-micros would be read",
    ),
    "inside a record": (
        {"type": "record", "name": "I", "fields": [{"name": "x", "type": MICROS, "aliases": ["y"]}]},
        {"type": "record", "name": "I", "fields": [{"name": "y", "type": MILLIS}]},
        "amount.x: timestamp-millis is written, timestamp-micros would be read",
    ),
}


@pytest.mark.parametrize(("reader", "writer", "problem"), MISREAD.values(), ids=MISREAD.keys())
def test_what_avro_accepts_and_would_misread_is_refused(reader: object, writer: object, problem: str) -> None:
    assert structural_changes(schema(reader), schema(writer)) == []
    assert incompatibilities(schema(reader), schema(writer)) == [problem]


READABLE = {
    "more precision": (decimal(12, 2), decimal(10, 2)),
    "a wider number": ("long", "int"),
    "now optional": (["null", MICROS], MICROS),
    "the same": (MICROS, MICROS),
}


@pytest.mark.parametrize(("reader", "writer"), READABLE.values(), ids=READABLE.keys())
def test_what_stays_readable_is_accepted(reader: object, writer: object) -> None:
    assert incompatibilities(schema(reader), schema(writer)) == []


def test_what_avro_itself_refuses_is_refused() -> None:
    assert incompatibilities(schema("int"), schema("long")) != []


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A copy of the Avro files with their released versions, to break."""
    return Path(shutil.copytree(ROOT / "schemas", tmp_path / "schemas"))


def test_the_files_are_the_newest_released_versions() -> None:
    assert check_schemas.problems(ROOT / "schemas") == []
    assert list(check_schemas._undeclared()) == []


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_changed_scale_is_found(schemas: Path) -> None:
    change(schemas / "credit" / "CreditGranted.avsc", '"scale": 0', '"scale": 2')
    found = check_schemas.problems(schemas)
    assert found[0] == (
        "credit/CreditGranted can't read history/0001/credit/CreditGranted.avsc: "
        "amount_minor: scale 0 is written, scale 2 would be read"
    )


def test_a_removed_record_is_found(schemas: Path) -> None:
    (schemas / "credit" / "CreditGranted.avsc").unlink()
    assert check_schemas.problems(schemas) == ["credit/CreditGranted was released and has no file any more"]


def test_a_readable_change_becomes_the_next_version_and_is_compared_with_all(schemas: Path) -> None:
    path = schemas / "usage" / "UsageRecorded.avsc"
    change(path, "One thing that", "A thing that")
    assert len(check_schemas.problems(schemas)) == 1
    assert check_schemas.release(schemas) == ["usage/UsageRecorded"]
    assert check_schemas.problems(schemas) == []
    assert [
        version.relative_to(schemas).as_posix() for version in check_schemas.released(schemas, "usage/UsageRecorded")
    ] == [
        "history/0001/usage/UsageRecorded.avsc",
        "history/0002/usage/UsageRecorded.avsc",
    ]
    assert check_schemas.release(schemas) == []


def test_the_committed_records_are_what_the_avro_files_say() -> None:
    assert generate_records.generated() == (ROOT / "schemas" / "records.py").read_text()


def test_a_changed_avro_file_is_drift(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "tools").mkdir()
    tool = shutil.copy(ROOT / "tools" / "generate_records.py", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, str(tool), "--check"]
    assert subprocess.run(command, check=False, capture_output=True, text=True).returncode == 0
    change(tmp_path / "schemas" / "usage" / "UsageVoided.avsc", "When it was voided.", "When it was taken back.")
    drift = subprocess.run(command, check=False, capture_output=True, text=True)
    assert drift.returncode == 1
    assert '+    """When it was taken back."""' in drift.stdout
