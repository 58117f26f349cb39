"""`beaas replay` and `beaas explain` on a real pipeline: what is issued is what the journal makes, damage is seen."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import pytest_asyncio
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from billing.entry import CycleClosed, SubscriptionStarted, Usage
from schemas.convert import entry_from_domain
from streams.app import codec_of
from streams.cli.explain import run_explain
from streams.refold.difference import Kind
from tests.pipeline.books import instants, write_catalogue, write_usage
from tests.pipeline.flights import flights, tariff
from tests.pipeline.refolding import replayed
from tests.pipeline.wire import Stranger
from tests.support.damage import unguarded
from tests.support.pipeline import Pipeline, until

CASES = Path(__file__).parents[1] / "conformance"
STORIES = [
    CASES / "own" / "combinations.yaml",
    CASES / "own" / "tiers_over_groups.yaml",
    CASES / "norm" / "scenarios.yaml",
]
JANUARY, FEBRUARY, MARCH = instants("2013-01-01T05:00:00Z", "2013-02-01T05:00:00Z", "2013-03-01T05:00:00Z")
TENANT = "REPLAY"
GATES = """
SELECT DISTINCT number FROM report.invoices JOIN report.invoice_lines USING (tenant, number)
WHERE tenant = %s AND customer = 'DL' AND price = 'gates'
"""
TENANTS_OF_STORIES = "SELECT DISTINCT tenant FROM report.invoices WHERE tenant LIKE 'conformance-%%' ORDER BY tenant"
INVOICES = "SELECT number, tenant FROM report.invoices WHERE tenant = %s ORDER BY number"


async def all_rated(pipeline: Pipeline) -> None:
    """Rating has committed the whole journal: that comes a little after the invoices, and a replay goes only so far."""
    stranger = Stranger(pipeline)
    try:
        await until(lambda: stranger.has_read("journal", "rating"), "rating to commit the whole journal")
    finally:
        stranger.registry.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def billed(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tenant with two months of flights, some of which came late."""
    path = tmp_path_factory.mktemp("replay")
    tenant = tariff(periods=2)["JFK"] | {"code": TENANT}
    await pipeline.ok("apply", write_catalogue(path / "tenant.yaml", tenant))
    sent = [(TENANT, event) for origin, event in flights(JANUARY, MARCH, arrived=JANUARY, every=30) if origin == "JFK"]
    late = sent[5::40]
    for name, batch, end in (("1", [one for one in sent if one not in late], FEBRUARY), ("2", late, MARCH)):
        await pipeline.ok("usage", "send", write_usage(path / f"{name}.csv", batch))
        await pipeline.settle(TENANT, end.isoformat())
    await all_rated(pipeline)
    return TENANT


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stories(pipeline: Pipeline) -> AsyncIterator[list[str]]:
    """Tenants with everything: voids, late usage, groups priced together, coupons, commitments."""
    known = {tenant for (tenant,) in pipeline.rows(TENANTS_OF_STORIES)}
    await pipeline.ok("conformance", "--pipeline", *STORIES)
    await all_rated(pipeline)
    yield [tenant for (tenant,) in pipeline.rows(TENANTS_OF_STORIES) if tenant not in known]


# --- replay


async def test_two_months_of_flights_are_issued_to_the_byte_as_the_journal_says(
    pipeline: Pipeline, billed: str
) -> None:
    ran = await pipeline.beaas("replay", "--tenant", billed, "--diff", "--json")
    [told] = [json.loads(line) for line in ran.out.splitlines()]
    invoices = len(pipeline.rows(INVOICES, billed))
    assert invoices > 15
    for kind in ("statements", "invoices", "events"):
        assert told[kind]["compared"] == told[kind]["identical"] >= invoices
        assert (told[kind]["gone"], told[kind]["pending"]) == (0, 0)
    assert (ran.status, told["differences"], told["not_rated"]) == (0, 0, 0)
    ran = await pipeline.beaas("replay", "--tenant", billed, "--customer", "DL", "--diff")
    assert ran.status == 0
    assert f"DL of {billed}: " in ran.out
    assert ran.out.endswith("nothing differs by a byte\n")


async def test_stories_of_everything_are_issued_to_the_byte_as_the_journal_says(
    pipeline: Pipeline, stories: list[str]
) -> None:
    assert len(stories) > 20
    for tenant in stories[::2]:
        found, counted = await replayed(pipeline, tenant)
        assert found == []
        assert counted.invoices.compared == counted.invoices.identical == len(pipeline.rows(INVOICES, tenant)) > 0
        assert counted.statements.compared == counted.statements.identical >= counted.invoices.compared


async def test_without_diff_it_prints_the_invoices_that_the_journal_makes(pipeline: Pipeline, billed: str) -> None:
    ran = await pipeline.beaas("replay", "--tenant", billed, "--customer", "DL")
    issued = pipeline.rows("SELECT subtotal FROM report.invoices WHERE tenant = %s AND customer = 'DL'", billed)
    for (subtotal,) in issued:
        assert f"{subtotal:,f}" in ran.out
    assert ran.out.splitlines()[-1].startswith(f"{len(issued)} invoices of ")
    assert ran.status == 0


@contextmanager
def altered(pipeline: Pipeline, table: str, change: str, back: str, where: str) -> Iterator[None]:
    """A row is changed behind the database's guards, and changed back."""
    alter(pipeline, table, change, where)
    try:
        yield
    finally:
        alter(pipeline, table, back, where)


def alter(pipeline: Pipeline, table: str, change: str, where: str) -> None:
    """A superuser has changed a row: he took the guards away, and put them back."""
    update = f"UPDATE beaas.{table} SET {change} WHERE {where}"  # noqa: S608 - our own words
    with psycopg.connect(pipeline.database_url) as connection, unguarded(connection, table):
        assert connection.execute(update.encode()).rowcount == 1


def one_line(pipeline: Pipeline, tenant: str) -> tuple[str, int, str]:
    """The number and the position of a usage line with events, and the condition that names its row."""
    [(number, position, invoice_id)] = pipeline.rows(
        "SELECT i.number, l.position, i.invoice_id FROM beaas.invoice_lines AS l"
        " JOIN beaas.invoices AS i USING (tenant_id, invoice_id)"
        " WHERE tenant_id = %s AND kind = 'usage' AND events > 1 AND amount_minor > 0"
        " ORDER BY number, position LIMIT 1",
        tenant,
    )
    return number, position, f"tenant_id = '{tenant}' AND invoice_id = '{invoice_id}' AND position = {position}"


async def test_a_cent_more_on_one_line_is_found_with_both_values(pipeline: Pipeline, billed: str) -> None:
    number, position, where = one_line(pipeline, billed)
    change = "amount_minor = amount_minor + 1", "amount_minor = amount_minor - 1"
    with altered(pipeline, "invoice_lines", *change, where):
        found, _ = await replayed(pipeline, billed)
        ran = await pipeline.beaas("explain", number, str(position), "--tenant", billed)
        replay = await pipeline.beaas("replay", "--tenant", billed, "--diff")
    [difference] = found
    assert difference.subject.startswith(number)
    assert difference.field == f"invoice_lines[{position}].amount_minor"
    assert int(difference.issued) == int(difference.refolded) + 1
    assert (ran.status, replay.status) == (1, 1)
    said = f"✗ beaas.invoice_lines[{position}].amount_minor says {difference.issued}, by the journal it is"
    assert said in ran.out
    assert str(difference) in replay.out


async def test_a_line_that_is_gone_and_one_that_was_added_are_explained_as_that(
    pipeline: Pipeline, billed: str
) -> None:
    number, _, where = one_line(pipeline, billed)
    invoice = where.rpartition(" AND ")[0]
    [(last,)] = pipeline.rows(f"SELECT max(position) FROM beaas.invoice_lines WHERE {invoice}")  # noqa: S608 - as above
    alter(pipeline, "invoice_lines", f"position = {last + 1}", f"{invoice} AND position = {last}")
    try:
        ran = {
            line: await pipeline.beaas("explain", number, str(line), "--tenant", billed)
            for line in (last, last + 1, last + 2)
        }
    finally:
        alter(pipeline, "invoice_lines", f"position = {last}", f"{invoice} AND position = {last + 1}")
    assert {line: one.status for line, one in ran.items()} == {last: 1, last + 1: 1, last + 2: 2}
    assert f"beaas.invoice_lines[{last}] says no such row, by the journal it is a row" in ran[last].out
    assert f"beaas.invoice_lines[{last + 1}] says a row, by the journal it is no such row" in ran[last + 1].out


async def test_each_other_row_that_was_altered_is_found(pipeline: Pipeline, billed: str) -> None:
    number, position, where = one_line(pipeline, billed)
    invoice = where.rpartition(" AND ")[0]
    [(transaction,)] = pipeline.rows(f"SELECT transaction_id FROM beaas.ledger_transactions WHERE {invoice}")  # noqa: S608 - as above
    of_invoice = f"transaction_id = '{transaction}'"
    plans = (
        ("invoices", "plan_version = 7", "plan_version = 1", invoice, "invoices.plan_version"),
        ("invoice_lines", "events = events + 1", "events = events - 1", where, f"invoice_lines[{position}].events"),
        ("postings", "amount_minor = amount_minor + 1", "amount_minor = amount_minor - 1",
         f"tenant_id = '{billed}' AND position = 1 AND {of_invoice}", "postings[1].amount_minor"),
    )  # fmt: skip
    for table, change, back, condition, field in plans:
        with altered(pipeline, table, change, back, condition):
            found, _ = await replayed(pipeline, billed)
        assert [(one.kind, one.subject.split()[0], one.field) for one in found] == [(Kind.DIFFERENT, number, field)]
    assert (await replayed(pipeline, billed))[0] == []


async def test_another_price_in_the_journal_is_found_on_every_invoice_of_its_customer(
    pipeline: Pipeline, billed: str
) -> None:
    codec = codec_of(pipeline.settings)

    def dearer(record: Any) -> list[Any]:
        entry = codec.decode_journal(record.value)
        if not isinstance(entry, SubscriptionStarted) or (entry.tenant, entry.customer) != (billed, "DL"):
            return [record]
        prices = tuple(
            price | ({"amount": "2500.01"} if price["code"] == "gates" else {}) for price in entry.terms.prices
        )
        started = msgspec.structs.replace(entry, terms=msgspec.structs.replace(entry.terms, prices=prices))
        return [replace(record, value=codec.encode(pipeline.topic("journal"), entry_from_domain(started)))]

    found, _ = await replayed(pipeline, billed, {"journal": dearer})
    numbers = {one.subject.split()[0] for one in found if one.where == "beaas"}
    assert numbers == {number for (number,) in pipeline.rows(GATES, billed)}
    assert {one.where.split("/")[0] for one in found} == {
        "beaas", "beaas.billing_events", pipeline.topic("statements"), pipeline.topic("invoice")
    }  # fmt: skip
    assert {
        (one.refolded, one.issued) for one in found if one.field.endswith("].amount_minor") and "lines" in one.field
    } == {("250001", "250000")}


async def test_a_usage_record_that_the_journal_lost_is_found(pipeline: Pipeline, billed: str) -> None:
    codec, lost = codec_of(pipeline.settings), set[str]()

    def without_one(record: Any) -> list[Any]:
        entry = codec.decode_journal(record.value)
        if isinstance(entry, Usage) and entry.tenant == billed and (not lost or entry.id in lost):
            lost.add(entry.id)
            return []
        return [record]

    found, _ = await replayed(pipeline, billed, {"journal": without_one})
    fields = {one.field.rpartition(".")[2] for one in found}
    assert {"events", "events_digest"} <= fields
    assert {one.kind for one in found} == {Kind.DIFFERENT}


async def test_a_close_that_the_journal_lost_leaves_what_it_drew_unexpected(pipeline: Pipeline, billed: str) -> None:
    codec, lost = codec_of(pipeline.settings), set[str]()

    def without_close(record: Any) -> list[Any]:
        entry = codec.decode_journal(record.value)
        if isinstance(entry, CycleClosed) and entry.tenant == billed and not lost:
            lost.add(entry.command_id)
            return []
        return [record]

    found, _ = await replayed(pipeline, billed, {"journal": without_close})
    unexpected = {one.where.split("/")[0] for one in found if one.kind is Kind.UNEXPECTED}
    told = pipeline.topic("invoice")  # by the relay, which may not have come so far
    assert unexpected - {told} == {pipeline.topic("statements"), "beaas.invoices"}


async def test_a_byte_that_was_altered_on_a_topic_is_found_with_its_field_and_place(
    pipeline: Pipeline, billed: str
) -> None:
    codec, altered_at = codec_of(pipeline.settings), list[str]()

    def tampered(record: Any) -> list[Any]:
        statement = codec.decode(record.value)
        if getattr(statement, "tenant_id", "") != billed or altered_at or not getattr(statement, "lines", ()):
            return [record]
        altered_at.append(f"{record.topic}/{record.partition}/{record.offset}")
        value = record.value.replace(b"airline", b"airline"[::-1], 1)
        return [replace(record, value=value)]

    found, _ = await replayed(pipeline, billed, {"statements": tampered})
    assert [(one.kind, one.where, one.field, one.refolded, one.issued) for one in found] == [
        (Kind.DIFFERENT, altered_at[0], "plan", "airline", "enilria")
    ]


async def test_a_record_that_is_missing_or_there_twice_is_found(pipeline: Pipeline, billed: str) -> None:
    codec = codec_of(pipeline.settings)

    def of_tenant(record: Any) -> bool:
        return getattr(codec.decode(record.value), "tenant_id", "") == billed

    for topic, twice in (("statements", Kind.UNEXPECTED), ("invoice", None)):
        first: list[Any] = []

        def lose(record: Any, first: list[Any] = first) -> list[Any]:
            if of_tenant(record) and (not first or first[0].value == record.value):
                first.append(record)
                return []
            return [record]

        found, _ = await replayed(pipeline, billed, {topic: lose})
        # what the outbox still has tells of the invoice too
        assert [one.kind for one in found] == ([Kind.MISSING] if topic == "statements" else [])
        found, _ = await replayed(pipeline, billed, {topic: lambda record: [record, record]})
        kinds = {one.kind for one in found}
        assert kinds == (set() if twice is None else {twice})  # the relay may repeat, rating may not


async def test_a_journal_without_its_beginning_is_refused(pipeline: Pipeline, billed: str) -> None:
    prefix = "cut."
    ran = await pipeline.beaas("setup", BEAAS_TOPIC_PREFIX=prefix)
    assert ran.status == 0, ran.err
    servers: dict[str, str | int | float | bool] = {"bootstrap.servers": pipeline.servers.kafka_bootstrap_servers}
    producer = Producer(servers)
    for partition in range(pipeline.settings.partitions):
        producer.produce(f"{prefix}journal", b"x", key=b"other/one", partition=partition)
    assert producer.flush(30) == 0
    admin = AdminClient(servers)  # kept: its answers come only while it lives
    [answer] = admin.delete_records([TopicPartition(f"{prefix}journal", 3, 1)]).values()
    answer.result(60)
    for command in (("replay", "--tenant", billed, "--diff"), ("replay", "--tenant", billed)):
        ran = await pipeline.beaas(*command, BEAAS_TOPIC_PREFIX=prefix)
        assert (ran.status, ran.out) == (1, "")
        assert "cut.journal has lost its beginning (partition 3 begins at 1)" in ran.err


async def test_an_unknown_tenant_or_customer_is_wrong_use_and_a_server_that_is_away_is_said(
    pipeline: Pipeline, billed: str
) -> None:
    for arguments, said in (
        (("--tenant", "nobody"), "there is no tenant 'nobody'"),
        (("--tenant", billed, "--customer", "nobody"), f"tenant {billed} has no customer 'nobody'"),
    ):
        ran = await pipeline.beaas("replay", *arguments)
        assert (ran.status, ran.out, ran.err) == (2, "", f"beaas: {said}\n")
    ran = await pipeline.beaas("replay", "--tenant", billed, BEAAS_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert (ran.status, ran.out) == (3, "")


# --- explain


async def explained(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tenant: str, number: str
) -> tuple[int, Any]:
    status = await run_explain(pipeline.settings, number, None, tenant=tenant, events=None, as_json=True)
    return status, json.loads(capsys.readouterr().out)


async def test_every_line_of_stories_of_everything_is_explained_by_its_events(
    pipeline: Pipeline, stories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sections, kinds = set[str](), set[str]()
    issued = [row for story in stories for row in pipeline.rows(INVOICES, story)]
    for number, tenant in issued[:: max(1, len(issued) // 20)]:
        status, told = await explained(pipeline, capsys, tenant, number)
        assert (status, told["findings"]) == (0, [])
        for line in told["lines"]:
            assert len(line["behind"]) == line["events"]
            sections |= {row["section"] for row in line["explanation"]}
            kinds.add(line["kind"])
    assert sections >= {"measured", "priced", "billed before"}
    assert kinds >= {"adjustment", "usage", "fee"}


async def test_a_line_of_flights_is_told_with_its_tiers_and_the_events_behind_it(
    pipeline: Pipeline, billed: str
) -> None:
    [(number, position, quantity, events)] = pipeline.rows(
        "SELECT i.number, l.position, l.quantity, l.events FROM beaas.invoice_lines AS l"
        " JOIN beaas.invoices AS i USING (tenant_id, invoice_id)"
        " WHERE tenant_id = %s AND price_id = 'movements' AND kind = 'usage' ORDER BY events DESC LIMIT 1",
        billed,
    )
    ran = await pipeline.beaas("explain", number, str(position), "--tenant", billed, "--events", "3")
    assert ran.status == 0, ran.err
    assert "meter movements: the number of flight.departed events" in ran.out
    assert f"{quantity} x 45.00" in ran.out
    assert f"events behind the line: the first 3 of {events}, --events all for all" in ran.out
    assert "✓ the line is what the journal's events and the agreed prices make, event for event" in ran.out
    ran = await pipeline.beaas("explain", number, str(position), "--tenant", billed, "--json")
    [line] = json.loads(ran.out)["lines"]
    sent = {usage_id for (usage_id,) in ids_in_journal(pipeline, billed)}
    assert len({one["id"] for one in line["behind"]}) == events
    assert {one["id"] for one in line["behind"]} <= sent


def ids_in_journal(pipeline: Pipeline, tenant: str) -> Iterator[tuple[str]]:
    """The ids of the tenant's usage, as a stranger reads the journal."""
    stranger = Stranger(pipeline)
    try:
        for message in stranger.records("journal"):
            record = stranger.decoded(message)
            if record["tenant_id"] == tenant and "occurred_at" in record:
                yield (record["id"],)
    finally:
        stranger.registry.close()


@pytest.mark.usefixtures("stories")
async def test_what_cannot_be_explained_is_wrong_use(pipeline: Pipeline, billed: str) -> None:
    lines = len(pipeline.rows("SELECT 1 FROM report.invoice_lines WHERE tenant = %s AND number = 'INV-000001'", billed))
    for arguments, said in (
        (("INV-999999",), "there is no invoice 'INV-999999'"),
        (("INV-000001", "--tenant", "nobody"), "there is no invoice 'INV-000001' of tenant 'nobody'"),
        (("INV-000001", "77", "--tenant", billed), f"INV-000001 of {billed} has the lines 1 to {lines}, so no line 77"),
        (("INV-000001", "0", "--tenant", billed), f"INV-000001 of {billed} has the lines 1 to {lines}, so no line 0"),
        (("INV-000001", "--tenant", billed, "--events", "some"), "--events 'some': write a number, or all"),
    ):
        ran = await pipeline.beaas("explain", *arguments)
        assert (ran.status, ran.out, ran.err) == (2, "", f"beaas: {said}\n")
    ran = await pipeline.beaas("explain", "INV-000001")
    assert (ran.status, ran.out) == (2, "")
    assert " tenants have an invoice INV-000001: say whose with --tenant; they are " in ran.err
