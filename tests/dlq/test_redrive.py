"""Dead letters through the running pipeline: listed, shown, put back after a fix, and billed once."""

import asyncio
import io
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
from confluent_kafka.schema_registry import Schema

from billing.account.parking import MOST_PARKED
from schemas.files import schema_text
from tests.pipeline import oracle
from tests.pipeline.books import check_books, instants, write_catalogue
from tests.pipeline.oracle import Event
from tests.pipeline.wire import Stranger
from tests.support.pipeline import Pipeline, until

START, END = instants("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")


def tenant(code: str, *customers: str) -> dict[str, Any]:
    """A tenant whose customers each have one subscription for the month."""
    price = {"code": "work", "type": "usage", "meter": "work", "model": "per_unit", "unit_amount": "0.37"}
    return {
        "code": code,
        "currency": "EUR",
        "timezone": "UTC",
        "tax_percent": "20",
        "test_clock": START.isoformat(),
        "meters": [{"code": "work", "event": "work", "aggregation": "sum", "property": "n"}],
        "plans": [{"code": "plain", "billing_period": "P1M", "prices": [price]}],
        "customers": [{"code": one} for one in customers],
        "subscriptions": [
            {"code": one, "customer": one, "plan": "plain", "start": START.isoformat(), "periods": 1}
            for one in customers
        ],
    }


def event(number: int, customer: str = "c") -> Event:
    return Event(f"e{number}", customer, "work", START + timedelta(minutes=number), {"n": "1.5"}, START)


async def letters_of(pipeline: Pipeline, where: str, count: int) -> list[str]:
    """The ids of the letters that a condition finds, once there are so many that were not put back."""

    def found() -> list[str]:
        order = '"partition", "offset"'
        query = f"SELECT id FROM report.dead_letters WHERE {where} AND redriven_at IS NULL ORDER BY {order}"  # noqa: S608 - the test's own words
        return [name for (name,) in pipeline.rows(query)]

    async def all_there() -> bool:
        return len(found()) >= count

    await until(all_there, f"{count} letters with {where}")
    return found()


async def shown(pipeline: Pipeline, name: str) -> Any:
    return json.loads(await pipeline.ok("dlq", "show", name, "--json"))


async def put_back(pipeline: Pipeline, name: str) -> None:
    """The marker has reached the view."""

    async def marked() -> bool:
        return (await shown(pipeline, name))["redriven"] is not None

    await until(marked, f"{name} to be known as put back")


def newest_id(stranger: Stranger) -> int:
    """The id that the registry gives to a schema that nobody uses."""
    probe = json.dumps({"type": "record", "name": f"Probe{uuid4().hex}", "fields": []})
    return stranger.registry.register_schema(f"probe-{uuid4()}", Schema(probe, "AVRO"))


def later_schema(stranger: Stranger) -> tuple[str, int]:
    """A schema of usage that a later producer writes, and an id that the registry gave to nobody yet.

    So far ahead that no other test takes it in the meantime.
    """
    tree = json.loads(schema_text("beaas.usage.UsageRecorded")) | {"doc": f"of producer {uuid4()}"}
    tree["fields"].append({"name": "note", "type": "string", "default": ""})
    return json.dumps(tree), newest_id(stranger) + 100


def register_as(stranger: Stranger, schema: str, schema_id: int) -> None:
    """The registry knows the schema by this id."""
    while newest_id(stranger) < schema_id - 1:
        pass
    assert stranger.registry.register_schema(f"later-{uuid4()}", Schema(schema, "AVRO")) == schema_id


def written(schema: str, schema_id: int, code: str, events: Sequence[Event]) -> list[bytes]:
    found = []
    for one in events:
        body = io.BytesIO()
        record = {
            "tenant_id": code,
            "customer_id": one.customer,
            "id": one.id,
            "source": "",
            "type": one.type,
            "occurred_at": one.at,
            "properties": dict(one.properties),
            "subscription_id": None,
            "note": "later",
        }
        fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(schema)), record)
        found.append(b"\0" + schema_id.to_bytes(4, "big") + body.getvalue())
    return found


async def test_letters_of_an_unknown_schema_are_billed_once_after_it_was_registered(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    mine = tenant("LATER", "c")
    await pipeline.ok("apply", write_catalogue(tmp_path / "later.yaml", mine))
    await pipeline.settle("LATER", START.isoformat())
    events = [event(number) for number in range(5)]
    schema, schema_id = later_schema(stranger)
    values = written(schema, schema_id, "LATER", events)
    sent = await asyncio.to_thread(
        stranger.send, [(b"LATER/c", value, [("trace", b"\x01")]) for value in values], partition=2
    )
    offsets = [one.offset for one in sent]
    where = f'reason = \'unknown-schema\' AND "partition" = 2 AND "offset" BETWEEN {offsets[0]} AND {offsets[-1]}'
    names = await letters_of(pipeline, where, 5)

    early = await pipeline.beaas("dlq", "redrive", *names)
    assert (early.status, early.out.splitlines()[-1]) == (1, "5 refused"), early
    await asyncio.to_thread(register_as, stranger, schema, schema_id)
    await pipeline.kill("intake")  # it remembers for half a minute that nobody knew the schema
    # its status depends on the letters of others: noise of nobody's schema is refused
    dry = await pipeline.beaas("dlq", "redrive", "--tenant", "-", "--reason", "unknown-schema", "--dry-run", "--json")
    assert set(names) <= set(json.loads(dry.out)["would_be_put_back"])
    asked = await pipeline.beaas("dlq", "redrive", "--tenant", "-", "--reason", "unknown-schema")
    assert (asked.status, "--yes" in asked.err) == (2, True)
    first = await pipeline.ok("dlq", "redrive", *names, "--json")
    again = await pipeline.ok("dlq", "redrive", *names)
    assert (len(json.loads(first)["put_back"]), again.splitlines()[-1]) == (5, "5 already put back")

    await pipeline.settle("LATER", END.isoformat())
    check_books(pipeline, "LATER", oracle.invoices(mine, events, END))
    await put_back(pipeline, names[0])
    letter = await shown(pipeline, names[0])
    assert (letter["value"], letter["headers"]) == (values[0].hex(), [["trace", "01"]])
    assert '"note"' not in letter["decoded"]
    assert '"id": "e0"' in letter["decoded"]
    assert letter["redriven"]["run"] == json.loads(first)["run"]


async def test_usage_over_the_parked_limit_is_billed_once_after_its_subscription_started(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    mine = tenant("PARKED", "c")
    events = [event(number) for number in range(MOST_PARKED + 3)]
    values: list[Any] = [(None, stranger.avro("PARKED", one), ()) for one in events]
    await asyncio.to_thread(stranger.send, values, partition=1)
    names = await letters_of(pipeline, "tenant = 'PARKED' AND reason = 'parked-full'", 3)
    await pipeline.ok("apply", write_catalogue(tmp_path / "parked.yaml", mine))
    await pipeline.settle("PARKED", START.isoformat())
    told = await pipeline.ok("dlq", "redrive", "--tenant", "PARKED", "--reason", "parked-full", "--yes")
    assert told.splitlines()[-1] == "3 put back"
    await asyncio.to_thread(stranger.send, values[-1:], partition=1)  # its producer sends one again, too
    await pipeline.settle("PARKED", END.isoformat())
    check_books(pipeline, "PARKED", oracle.invoices(mine, events, END))
    for name in names:
        await put_back(pipeline, name)
    left = await pipeline.ok("dlq", "redrive", "--tenant", "PARKED", "--yes")
    assert left == "nothing to put back\n"


async def test_a_letter_that_dies_again_is_a_new_one_that_names_the_old(pipeline: Pipeline, stranger: Stranger) -> None:
    [sent] = await asyncio.to_thread(stranger.send, [(b"k", b"\x1b[2Jno usage", ())], partition=4)
    here = "\"partition\" = 4 AND reason = 'no-framing'"
    [first] = await letters_of(pipeline, f'{here} AND "offset" = {sent.offset}', 1)
    await pipeline.ok("dlq", "redrive", first, "--force")
    [second] = await letters_of(pipeline, f"redrive_of = '{first}'", 1)
    await pipeline.ok("dlq", "redrive", second, "--force")
    [third] = await letters_of(pipeline, f"redrive_of = '{second}'", 1)
    await put_back(pipeline, second)
    assert (await shown(pipeline, third))["redrive_of"] == [second, first]
    assert (await shown(pipeline, first))["died_again"] == [second]
    text = await pipeline.ok("dlq", "show", second)
    assert f"redrive of   {first}\n" in text
    assert f"died again   {third}, no-framing\n" in text
    assert "1b 5b 32 4a" in text
    assert "\x1b" not in text  # nothing of it reaches a terminal


async def test_a_letter_that_its_account_refuses_again_names_the_old_one_too(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    await pipeline.ok("apply", write_catalogue(tmp_path / "again.yaml", tenant("AGAIN", "c")))
    await pipeline.settle("AGAIN", START.isoformat())
    many = Event("many", "c", "work", START, {"n": "many"}, START)
    await asyncio.to_thread(stranger.send, [(None, stranger.avro("AGAIN", many), [("other", b"1")])])
    [first] = await letters_of(pipeline, "tenant = 'AGAIN'", 1)
    await pipeline.ok("dlq", "redrive", first)
    [second] = await letters_of(pipeline, f"redrive_of = '{first}'", 1)
    again = await shown(pipeline, second)
    assert (again["reason"], again["headers"]) == ("not-a-decimal", [["beaas-redrive-of", first.encode().hex()]])


async def test_letters_are_counted_by_tenant_and_reason_and_the_newest_shown(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    mine = tenant("LISTED", "c")
    await pipeline.ok("apply", write_catalogue(tmp_path / "listed.yaml", mine))
    await pipeline.settle("LISTED", START.isoformat())
    bad = [Event(f"b{n}", "c", "work", START, {"n": "many"} if n else {"m": "1"}, START) for n in range(4)]
    await asyncio.to_thread(stranger.send, [(None, stranger.avro("LISTED", one), ()) for one in bad], partition=0)
    names = await letters_of(pipeline, "tenant = 'LISTED'", 4)
    text = await pipeline.ok("dlq", "list", "--tenant", "LISTED", "--since", "2020-01-01T00:00:00Z")
    counts, newest = text.split("\n\n")
    assert [line.split()[:4] for line in counts.splitlines()] == [
        ["tenant", "reason", "letters", "put"],
        ["LISTED", "missing-property", "1", "0"],
        ["LISTED", "not-a-decimal", "3", "0"],
    ]
    assert {line.split()[0] for line in newest.splitlines()[1:]} == set(names)
    told = json.loads(await pipeline.ok("dlq", "list", "--tenant", "LISTED", "--most", "1", "--json"))
    assert (len(told["counts"]), len(told["newest"])) == (2, 1)
    assert await pipeline.ok("dlq", "list", "--tenant", "NOBODY") == "no dead letters\n"
    assert await pipeline.ok("dlq", "list", "--since", "2999-01-01T00:00:00Z") == "no dead letters\n"


async def test_what_does_not_exist_is_wrong_use(pipeline: Pipeline) -> None:
    for arguments in (
        ["show", "7-999999"],
        ["show", "x"],
        ["redrive"],
        ["redrive", "7-999999"],
        ["list", "--since", "x"],
    ):
        ran = await pipeline.beaas("dlq", *arguments)
        assert (ran.status, ran.out) == (2, ""), (arguments, ran)
