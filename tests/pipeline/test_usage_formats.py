import asyncio
import gzip
import itertools
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.pipeline import oracle
from tests.pipeline.books import check_books, cloudevent, instants, write_catalogue, write_json_lines, write_usage
from tests.pipeline.oracle import Event
from tests.pipeline.wire import Headers, Stranger
from tests.support.pipeline import Pipeline

START, END = instants("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
WAYS = ("avro", "json", "csv", "csv-gz", "lines", "lines-gz", "both")
TENANT: dict[str, Any] = {
    "code": "FORMATS",
    "currency": "EUR",
    "timezone": "UTC",
    "tax_percent": "19",
    "test_clock": START.isoformat(),
    "meters": [
        {"code": "size", "event": "upload", "aggregation": "sum", "property": "gigabytes"},
        {
            "code": "places",
            "event": "upload",
            "aggregation": "count",
            "group_by": ["place"],
            "filters": {"public": ["true"]},
        },
    ],
    "plans": [
        {
            "code": "storage",
            "billing_period": "P1M",
            "prices": [
                {"code": "size", "type": "usage", "meter": "size", "model": "per_unit", "unit_amount": "0.1234567"},
                {"code": "places", "type": "usage", "meter": "places", "model": "per_unit", "unit_amount": "0.05"},
            ],
        }
    ],
    "customers": [{"code": way} for way in WAYS],
    "subscriptions": [
        {"code": way, "customer": way, "plan": "storage", "start": START.isoformat(), "periods": 1} for way in WAYS
    ],
}
SIZES = ("0.1", "12345678901234567890.123456789", "-3.5", "0", "1000000", "0.000000000001")
PLACES = ("Zürich", "北京", 'a "quoted", place', "plain", "🛫 away")


def uploads(way: str) -> list[Event]:
    """The same uploads for each customer; properties that look like numbers keep every digit."""
    found = []
    for number, (size, place) in enumerate(itertools.product(SIZES, PLACES)):
        properties = {"gigabytes": size, "place": place} | ({"public": "true"} if number % 3 else {})
        found.append(Event(f"u{number}", way, "upload", START + timedelta(hours=number), properties, START))
    return found


async def test_however_usage_is_written_it_bills_alike(pipeline: Pipeline, stranger: Stranger, tmp_path: Path) -> None:
    await pipeline.ok("apply", write_catalogue(tmp_path / "formats.yaml", TENANT))
    plain = {way: [("FORMATS", event) for event in uploads(way)] for way in WAYS}
    files = [
        write_usage(tmp_path / "usage.csv", plain["csv"]),
        zipped(write_usage(tmp_path / "zipped.csv", plain["csv-gz"])),
        write_json_lines(tmp_path / "usage.jsonl", plain["lines"]),
        zipped(write_json_lines(tmp_path / "zipped.jsonl", plain["lines-gz"])),
    ]
    said = await asyncio.gather(*[pipeline.ok("usage", "send", file) for file in files])
    assert said == ["30 of 30 records acknowledged by Kafka\n"] * 4
    await asyncio.to_thread(stranger.send, [(None, value, ()) for value in written("avro", stranger)])
    json_values = [cloudevent("FORMATS", event, source="s") for event in uploads("json")]
    keyed: list[tuple[bytes | None, bytes | None, Headers]] = [(b"any key", value, ()) for value in json_values]
    await asyncio.to_thread(stranger.send, keyed, partitioner="fnv1a_random")
    twice = [value for pair in zip(written("both", stranger), as_json("both"), strict=True) for value in pair]
    await asyncio.to_thread(stranger.send, [(None, value, ()) for value in twice])

    await pipeline.settle("FORMATS", END.isoformat())
    expected = oracle.invoices(TENANT, [event for way in WAYS for event in uploads(way)], END)
    check_books(pipeline, "FORMATS", expected)
    alike = {invoice.lines for invoice in expected}
    assert (len(expected), len(alike)) == (len(WAYS), 1)
    assert expected[0].total > Decimal(10) ** 18


def zipped(file: Path) -> Path:
    packed = file.with_name(f"{file.name}.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    return packed


def written(way: str, stranger: Stranger) -> list[bytes]:
    return [stranger.avro("FORMATS", event, source="s") for event in uploads(way)]


def as_json(way: str) -> list[bytes]:
    return [cloudevent("FORMATS", event, source="s") for event in uploads(way)]


async def test_a_bad_line_of_a_file_is_named_and_the_lines_before_it_count_as_sent(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    file = write_usage(tmp_path / "bad.csv", [("FORMATS-X", event) for event in uploads("csv")[:3]])
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3].replace("2026-03-01T02:00:00", "yesterday")]) + "\n")
    ran = await pipeline.beaas("usage", "send", file)
    assert (ran.status, "line 4" in ran.err, "occurred_at" in ran.err, "Traceback" in ran.err) == (
        2,
        True,
        True,
        False,
    ), ran
