import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.pipeline import oracle
from tests.pipeline.books import check_books, cloudevent, instants, write_catalogue
from tests.pipeline.oracle import Event
from tests.pipeline.wire import Headers, Sent, Stranger
from tests.support.pipeline import Pipeline, until

START, END = instants("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
TENANT: dict[str, Any] = {
    "code": "BAD-USAGE",
    "currency": "EUR",
    "timezone": "UTC",
    "tax_percent": "20",
    "test_clock": START.isoformat(),
    "meters": [{"code": "work", "event": "work", "aggregation": "sum", "property": "n"}],
    "plans": [
        {
            "code": "plain",
            "billing_period": "P1M",
            "prices": [{"code": "work", "type": "usage", "meter": "work", "model": "per_unit", "unit_amount": "0.37"}],
        }
    ],
    "customers": [{"code": "good"}, {"code": "ended"}],
    "subscriptions": [
        {"code": "good", "customer": "good", "plan": "plain", "start": START.isoformat(), "periods": 1},
        {"code": "ended", "customer": "ended", "plan": "plain", "start": START.isoformat(), "periods": 1},
    ],
}
Record = tuple[bytes | None, bytes | None, Headers]


def event(number: int, *, customer: str = "good", at: datetime | None = None, **properties: str) -> Event:
    return Event(
        f"e{number}", customer, "work", at or START + timedelta(hours=number), properties or {"n": "1.5"}, START
    )


def without(raw: bytes, name: str) -> bytes:
    """A CloudEvents object without an attribute."""
    return json.dumps({key: value for key, value in json.loads(raw).items() if key != name}).encode()


def unreadable(write: Callable[[Event], bytes]) -> dict[str, tuple[str, bytes | None]]:
    """What intake cannot take: name -> reason and bytes."""
    good, json_event = write(event(900)), cloudevent("BAD-USAGE", event(901), source="s")
    properties: dict[str, Any] = {f"p{number}": "1" for number in range(65)}
    many = event(902, **properties)
    return {
        "cut Avro": ("malformed", good[:-3]),
        "cut to its frame": ("malformed", good[:5]),
        "bytes behind it": ("trailing-bytes", good + b"\0"),
        "an unknown schema": ("unknown-schema", b"\0" + (2_000_000_000).to_bytes(4, "big") + good[5:]),
        "no framing": ("no-framing", good[5:]),
        "neither Avro nor JSON": ("no-framing", b"hello"),
        "a JSON list": ("no-framing", b"[1, 2]"),
        "cut JSON": ("malformed-json", json_event[:-1]),
        "no UTF-8": ("invalid-id", json_event.replace(b"e901", b"e\xff")),
        "CloudEvents without a time": ("missing-time", without(json_event, "time")),
        "CloudEvents without a tenant": ("missing-tenantid", without(json_event, "tenantid")),
        "CloudEvents without a subject": ("missing-subject", without(json_event, "subject")),
        "CloudEvents without an id": ("missing-id", without(json_event, "id")),
        "CloudEvents of another version": (
            "invalid-specversion",
            cloudevent("BAD-USAGE", event(903), specversion="0.3", source="s"),
        ),
        "a time without an offset": (
            "invalid-time",
            cloudevent("BAD-USAGE", event(904), time="2026-01-05T00:00:00", source="s"),
        ),
        "nested values": ("invalid-data", json_event.replace(b"1.5", b'{"n": 1}')),
        "two megabytes": ("too-large", b"{" + b" " * 2_000_000 + b"}"),
        "a tombstone": ("tombstone", None),
        "no bytes": ("no-framing", b""),
        "a control character": ("id-control-character", write(replace(event(905), id="a\x1b[2Jb"))),
        "NUL": ("customer-control-character", write(replace(event(906), customer="a\0b"))),
        "65 properties": ("properties-too-many", write(many)),
        "a long value": ("property-value-too-long", write(event(907, n="1" * 1_025))),
        "no tenant": ("tenant-missing", b"".join((good[:5], b"\0", good[15:]))),
        "a slash in the tenant": ("tenant-slash", write(event(908)).replace(b"BAD-USAGE", b"BAD/USAGE")),
        "a year nobody bills": (
            "occurred-at-out-of-range",
            write(event(909, at=datetime.fromisoformat("3001-01-01T00:00:00Z"))),
        ),
    }


def refused() -> dict[str, tuple[str, Event]]:
    """What rating cannot measure: name -> reason and event."""
    return {
        "a missing property": ("missing-property", event(920, other="1")),
        "NaN": ("not-a-decimal", event(921, n="NaN")),
        "infinity": ("not-a-decimal", event(922, n="-Infinity")),
        "words": ("not-a-decimal", event(923, n="many")),
        "400 digits": ("out-of-range", event(924, n="9" * 400)),
        "31 digits": ("out-of-range", event(925, n="9" * 31)),
        "before the start": ("before-start", event(926, at=START - timedelta(microseconds=1))),
        "far ahead": ("too-early", event(927, at=END + timedelta(days=500))),
        "another content under an id": ("conflict", event(1, n="99")),
    }


async def test_bad_usage_ends_where_an_operator_finds_it_and_good_usage_beside_it_is_billed(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    await pipeline.ok("apply", write_catalogue(tmp_path / "bad.yaml", TENANT))
    await pipeline.settle("BAD-USAGE", START.isoformat())

    def write(one: Event) -> bytes:
        return stranger.avro("BAD-USAGE", one)

    good = [event(number) for number in range(1, 60)]
    spare = iter(good[1:])
    bad = [(reason, value) for reason, value in unreadable(write).values()]
    bad += [(reason, write(one)) for reason, one in refused().values()]
    records: list[Record] = [(None, write(good[0]), ())]
    for number, (reason, value) in enumerate(bad):
        headers = [("reason", reason.encode()), ("empty", b"")]
        records += [(f"key {number}".encode(), value, headers), (None, write(next(spare)), ())]
    records += [(None, write(good[3]), ())]  # the same once more, counted once
    records += [(None, write(one), ()) for one in spare]
    sent = await asyncio.to_thread(stranger.send, records, partition=3)
    wanted = Counter((reason, one.value) for one, (reason, _) in zip(sent[1::2], bad, strict=False))

    await pipeline.settle("BAD-USAGE", END.isoformat())
    after_end = [event(930, customer="ended", at=END), event(931, customer="ended", at=START)]
    await asyncio.to_thread(stranger.send, [(None, write(one), ()) for one in after_end], partition=3)
    wanted += Counter({("after-end", write(after_end[0])): 1, ("final-billed", write(after_end[1])): 1})

    check_books(pipeline, "BAD-USAGE", oracle.invoices(TENANT, good, END))
    mine = {(one.partition, one.offset): one for one in sent}
    await until(lambda: _reported(pipeline, mine, sum(wanted.values())), "every dead letter in its view")
    letters = [
        letter
        for message in stranger.records("dead-letters")
        if is_mine(letter := stranger.decoded(message), mine, pipeline)
    ]
    assert Counter((letter["reason"], letter["value"]) for letter in letters) == wanted
    check_sources(pipeline, stranger, letters, mine)
    assert reported(pipeline, mine) == Counter(
        (
            letter["tenant_id"],
            letter["reason"],
            letter["source_topic"],
            letter["source_partition"],
            letter["source_offset"],
        )
        for letter in letters
    )


def is_mine(letter: Any, sent: dict[tuple[int, int], Sent], pipeline: Pipeline) -> bool:
    if "source_topic" not in letter:  # the marker of a redrive
        return False
    if letter["source_topic"] == pipeline.topic("usage"):
        return (letter["source_partition"], letter["source_offset"]) in sent
    return bool(letter["tenant_id"] == "BAD-USAGE")


def check_sources(
    pipeline: Pipeline, stranger: Stranger, letters: list[Any], sent: dict[tuple[int, int], Sent]
) -> None:
    """Each letter holds what stands where it says: as it was sent, or as intake journaled it."""
    journal = {(message.partition(), message.offset()): message for message in stranger.records("journal")}
    for letter in letters:
        at = letter["source_partition"], letter["source_offset"]
        if letter["source_topic"] == pipeline.topic("usage"):
            source = sent[at]
            headers = [(one["key"], one["value"]) for one in letter["headers"]]
            assert (letter["key"], letter["value"], headers) == (source.key, source.value, list(source.headers))
        else:
            assert letter["source_topic"] == pipeline.topic("journal")
            assert (letter["key"], letter["value"]) == (journal[at].key(), journal[at].value())


def reported(pipeline: Pipeline, sent: dict[tuple[int, int], Sent]) -> Counter[Any]:
    rows = pipeline.rows('SELECT tenant, reason, topic, "partition", "offset" FROM report.dead_letters')
    usage = pipeline.topic("usage")
    return Counter(row for row in rows if row[0] == "BAD-USAGE" or (row[2] == usage and row[3:] in sent))


async def _reported(pipeline: Pipeline, sent: dict[tuple[int, int], Sent], count: int) -> bool:
    return reported(pipeline, sent).total() >= count


async def test_usage_of_strangers_waits_and_is_billed_once_their_subscription_is_applied(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    tenant = TENANT | {"code": "WAITS"}
    usage = [event(number, customer="good", n=f"{number}.25") for number in range(1, 30)]
    repeated = [*usage, *usage[:5]]
    await asyncio.to_thread(
        stranger.send, [(None, stranger.avro(code, one), ()) for one in repeated for code in ("WAITS", "NOBODY")]
    )
    both = [("NOBODY", "good", len(usage)), ("WAITS", "good", len(usage))]

    async def parked() -> bool:
        return parked_usage(pipeline) == both

    await until(parked, "the usage of an unknown tenant to be parked")
    await pipeline.ok("apply", write_catalogue(tmp_path / "waits.yaml", tenant))
    await pipeline.settle("WAITS", END.isoformat())
    check_books(pipeline, "WAITS", oracle.invoices(tenant, usage, END))

    async def taken() -> bool:
        return parked_usage(pipeline) == both[:1]

    await until(taken, "the parked usage to be taken")


def parked_usage(pipeline: Pipeline) -> list[Any]:
    query = "SELECT tenant, customer, events FROM report.parked_usage WHERE tenant = ANY(%s) ORDER BY tenant"
    return pipeline.rows(query, ["WAITS", "NOBODY"])


async def test_good_usage_is_worth_what_it_says(pipeline: Pipeline) -> None:
    """The oracle's figures above are no zeros."""
    del pipeline
    [first] = [one for one in oracle.invoices(TENANT, [event(1)], END) if one.customer == "good"]
    assert (first.subtotal, first.tax, first.total) == (Decimal("0.56"), Decimal("0.11"), Decimal("0.67"))
