"""`beaas doctor` on a real system: silent where all is well, and it names what was planted."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import pytest
import pytest_asyncio
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql

from billing.entry import CustomerId, TenantId
from billing.invariants import Finding
from connectors.audit.verdicts import Examination
from connectors.embedded.cluster import EmbeddedServers
from connectors.postgres.unit_of_work import unit_of_work
from connectors.registry.client import lookup_ids
from connectors.services.customers import Grant, grant_credit
from schemas.codec import Codec
from schemas.convert import statement_from_domain
from streams.app import codec_of, outbox_of, service_pool
from streams.cli.doctor import examined
from tests.postgres.builders import NoRegistry, line, statement
from tests.support.damage import damaged
from tests.support.pipeline import Pipeline, running_pipeline, until

CATALOGUE = """
tenants:
- code: acme
  currency: EUR
  timezone: Europe/Berlin
  tax_percent: '19'
  test_clock: '2025-12-31T23:00:00Z'
  meters:
  - {code: calls, event: call, aggregation: sum, property: seconds}
  plans:
  - code: pro
    billing_period: P1M
    prices:
    - {code: base, type: recurring, amount: '29.00'}
    - {code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '0.50'}
  customers: [{code: c1}, {code: c2}]
  subscriptions:
  - {code: s1, customer: c1, plan: pro, start: '2025-12-31T23:00:00Z', anchor: calendar}
  - {code: s2, customer: c2, plan: pro, start: '2025-12-31T23:00:00Z', anchor: calendar}
"""
USAGE = """id,tenant_id,customer_id,type,occurred_at,seconds
1,acme,c1,call,2026-01-03T10:00:00Z,7.5
2,acme,c1,call,2026-02-03T10:00:00Z,3
2,acme,c1,call,2026-02-03T10:00:00Z,3
1,acme,c2,call,2026-01-04T10:00:00Z,2
3,acme,c2,call,2026-01-05T10:00:00Z,no number
"""
LATE = """id,tenant_id,customer_id,type,occurred_at,seconds
4,acme,c2,call,2026-02-20T10:00:00Z,11
"""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found."""

    examination: Examination

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [finding for verdict in self.examination.verdicts.values() for finding in verdict.findings]

    @property
    def found(self) -> set[str]:
        """The invariants that found something."""
        return {finding.invariant for finding in self.findings}

    def of(self, invariant: str) -> list[tuple[str, str]]:
        """Subject and detail of what an invariant found."""
        return [(one.subject, one.detail) for one in self.findings if one.invariant == invariant]


async def examine(
    pipeline: Pipeline, *, tenant: str | None = None, fast: bool = False, within_s: int | None = None
) -> Examined:
    """As the command does, in this process: a new one spends most of its time on imports."""
    return Examined(await examined(pipeline.settings, tenant=tenant, fast=fast, within_s=within_s))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def billed(servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pipeline]:
    """A pipeline of its own, since it is damaged; two months are billed, with a duplicate, bad and late usage."""
    files = tmp_path_factory.mktemp("doctor")
    for name, text in (("catalogue.yaml", CATALOGUE), ("usage.csv", USAGE), ("late.csv", LATE)):
        (files / name).write_text(text)
    async with running_pipeline(servers, "doctor.") as pipeline:
        await pipeline.ok("apply", files / "catalogue.yaml")
        await pipeline.ok("usage", "send", files / "usage.csv")
        await pipeline.settle("acme", "2026-03-01T00:00:00Z")
        await pipeline.ok("usage", "send", files / "late.csv")
        await pipeline.settle("acme", "2026-04-01T00:00:00Z")
        await grant(pipeline, "c1", "12.00")  # after the last invoice, so that it remains

        async def quiet() -> bool:
            return not (await examine(pipeline)).found

        await until(quiet, "the views to have all of it")
        yield pipeline


async def grant(pipeline: Pipeline, customer: str, amount: str) -> None:
    """The customer has credit."""
    settings = pipeline.settings
    async with (
        service_pool(settings, "test", 1) as pool,
        unit_of_work(pool, None, outbox=outbox_of(settings, codec_of(settings))) as work,
    ):
        given = Grant(CustomerId(customer), amount)
        await grant_credit(work, TenantId("acme"), given, now=datetime.now(UTC), grant_id=f"of-{customer}")


def broken(pipeline: Pipeline, *statements: str) -> AbstractContextManager[None]:
    """These were run on its tables, with what `NAMES` stands for; in the end the tables are as they were."""
    written = list(statements)
    for name, query in NAMES.items():
        written = [statement.replace(name, query) for statement in written]
    return damaged(pipeline.database_url, *written)


async def test_a_healthy_system_is_passed_in_silence_and_every_invariant_had_something_to_judge(
    billed: Pipeline,
) -> None:
    async def at_rest() -> bool:
        return {lag.behind for lag in (await examine(billed)).examination.lags} == {0}

    await until(at_rest, "the totals, which come a little later, to be in their view")
    ran = await billed.beaas("doctor", "--json")
    assert (ran.status, ran.err) == (0, "")
    told = msgspec.json.decode(ran.out)
    assert told["findings"] == []
    assert [one["id"] for one in told["invariants"] if not one["facts"]] == ["I12", "I17"]
    assert told["dead_letters"] == [{"tenant": "acme", "reason": "not-a-decimal", "letters": 1}]
    assert {lag["behind"] for lag in told["lags"]} == {0}


async def test_people_get_a_table_and_a_last_line(billed: Pipeline) -> None:
    ran = await billed.beaas("doctor", "--fast", "--tenant", "acme")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "Nothing was found."
    assert "I04" in ran.out


async def test_what_is_not_looked_at_without_the_topics_is_said_of_each_invariant(billed: Pipeline) -> None:
    whole, fast = [(await examine(billed, fast=fast)).examination.verdicts for fast in (False, True)]
    fewer = {name for name, one in fast.items() if one.facts < whole[name].facts}
    noted = {name for name, one in fast.items() if one.unjudged.startswith("not with --fast: ")}
    assert fewer <= noted
    assert noted == {"I02", "I03", "I07", "I08", "I13", "I14", "I16", "I18", "I19"}
    assert not [name for name, one in whole.items() if "--fast" in one.unjudged]


async def test_a_finding_is_told_in_a_line_of_its_own_and_is_status_one(billed: Pipeline) -> None:
    with broken(billed, *DAMAGE["a line that was altered"][0]):
        ran = await billed.beaas("doctor", "--fast")
    assert (ran.status, ran.err) == (1, "")
    *_, told, last = ran.out.splitlines()
    assert told.startswith("I04 [acme] INV-000002: its lines sum to ")
    assert last == "1 finding."


async def test_an_unknown_tenant_is_wrong_use(billed: Pipeline) -> None:
    ran = await billed.beaas("doctor", "--tenant", "nobody")
    assert (ran.status, ran.err) == (2, "beaas: there is no tenant 'nobody'\n")


NAMES = {
    ":second": "(SELECT invoice_id FROM beaas.invoices WHERE series_position = 2)",
    ":last": "(SELECT invoice_id FROM beaas.invoices ORDER BY series_position DESC LIMIT 1)",
    ":booked": "SELECT transaction_id FROM beaas.ledger_transactions WHERE invoice_id =",
}
SINK = "sink-statements, by its invoices"
DAMAGE = {
    "a line that was altered": (
        ["UPDATE beaas.invoice_lines SET amount_minor = amount_minor + 1 WHERE invoice_id = :second AND position = 1"],
        {"I04": "INV-000002", "I16": "INV-000002"},
    ),
    "a number of events that was altered": (
        ["UPDATE beaas.invoice_lines SET events = events + 1 WHERE invoice_id = :second AND position = 1"],
        {"I16": "INV-000002"},
    ),
    "a quantity that nobody measured": (
        ["UPDATE beaas.usage_totals SET quantity = quantity + 1 WHERE customer_id = 'c2' AND quantity = 2"],
        {"I01": "s2 calls"},
    ),
    "a posting that was altered": (
        [
            """UPDATE beaas.postings SET amount_minor = amount_minor - 1
            WHERE account = 'tax_payable' AND transaction_id = (:booked :second)""",
        ],
        {"I05": "transaction", "I16": "INV-000002, its ledger transaction"},
    ),
    "an invoice in the middle that is gone": (
        ["DELETE FROM beaas.invoices WHERE invoice_id = :second"],
        {"I03": "until", "I06": "-", "I13": SINK, "I15": "INV-000003", "I16": "INV-000002"},
    ),
    "PostgreSQL as it was before its last invoice, while Kafka went on": (
        [
            "DELETE FROM beaas.invoice_lines WHERE invoice_id = :last",
            "DELETE FROM beaas.postings WHERE transaction_id = (:booked :last)",
            """DELETE FROM beaas.billing_events
            WHERE aggregate_id IN (:last::text, (:booked :last)::text)""",
            "DELETE FROM beaas.ledger_transactions WHERE invoice_id = :last",
            "DELETE FROM beaas.invoices WHERE invoice_id = :last",
            "UPDATE beaas.invoice_series SET last_number = last_number - 1",
        ],
        {"I03": "until", "I07": "invoice event", "I13": SINK, "I16": "INV-"},
    ),
    "an invoice of a statement that there never was": (
        ["UPDATE beaas.invoices SET statement_id = 'none' WHERE series_position = 2"],
        {"I03": "until", "I13": SINK, "I16": "INV-000002"},
    ),
    "the lines of an invoice that is gone": (
        ["UPDATE beaas.invoice_lines SET invoice_id = uuidv7() WHERE invoice_id = :second"],
        {"I04": "INV-000002", "I06": "-", "I16": "INV-000002"},
    ),
    "a ledger transaction of an invoice that is gone": (
        ["UPDATE beaas.ledger_transactions SET invoice_id = uuidv7() WHERE invoice_id = :second"],
        {"I06": "-"},
    ),
    "postings whose ledger transaction is gone": (
        ["DELETE FROM beaas.ledger_transactions WHERE invoice_id = :second"],
        {"I05": "transaction", "I06": "INV-000002"},
    ),
    "a ledger transaction whose postings are gone": (
        ["DELETE FROM beaas.postings WHERE transaction_id = (:booked :second)"],
        {"I05": "transaction", "I16": "INV-000002, its ledger transaction"},
    ),
    "the last grant of a currency that is gone": (
        ["DELETE FROM beaas.credit_grants"],
        {"I05": "account customer_credit of c1"},
    ),
    "what remains of a grant that was given to another customer": (
        ["UPDATE beaas.credit_grants SET customer_id = 'c2'"],
        {"I05": "account customer_credit of c2"},
    ),
    "a series that was set back": (
        ["UPDATE beaas.invoice_series SET last_number = last_number - 1"],
        {"I15": "series"},
    ),
    "an event that was deleted from the outbox": (
        ["DELETE FROM beaas.billing_events WHERE aggregate_id = :second::text"],
        {"I06": "INV-000002", "I07": "invoice event"},
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_planted_damage_is_found_by_name(billed: Pipeline, what: str) -> None:
    statements, expected = DAMAGE[what]
    with broken(billed, *statements):
        examined = await examine(billed)
    assert examined.found == set(expected), examined.findings
    for invariant, subject in expected.items():
        assert any(subject in found for found, _ in examined.of(invariant)), examined.of(invariant)


async def test_credit_is_judged_customer_by_customer_and_page_by_page(
    billed: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(postings,)] = billed.rows("SELECT count(*) FROM beaas.postings")
    assert (await examine(billed, fast=True)).examination["I05"].facts == postings + 1
    monkeypatch.setattr("connectors.audit.books._ROWS", 1)
    with broken(billed, "UPDATE beaas.credit_grants SET customer_id = 'c2'"):
        examined = await examine(billed, fast=True)
    assert [subject for subject, _ in examined.of("I05")] == [
        "account customer_credit of c1",
        "account customer_credit of c2",
    ]


async def test_what_was_put_right_again_is_passed_in_silence(billed: Pipeline) -> None:
    assert (await examine(billed)).findings == []


@contextmanager
def other_tenant(pipeline: Pipeline) -> Iterator[psycopg.Connection]:
    """Somebody of whom nothing is billed."""
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO beaas.tenants (tenant_id, currency, timezone) VALUES ('other', 'EUR', 'UTC')")
        try:
            yield connection
        finally:
            connection.execute("DELETE FROM beaas.tenants WHERE tenant_id = 'other'")


async def test_of_one_tenant_that_is_asked_for_nothing_is_found_that_is_anothers(billed: Pipeline) -> None:
    with other_tenant(billed), broken(billed, *DAMAGE["an invoice in the middle that is gone"][0]):
        assert (await examine(billed, tenant="other")).findings == []
        assert {one.tenant for one in (await examine(billed, tenant="acme")).findings} == {"acme", ""}
    assert (await examine(billed, tenant="acme")).findings == []


async def test_a_view_of_its_owner_is_found_by_its_making_and_by_looking_through_it(billed: Pipeline) -> None:
    with other_tenant(billed) as connection:
        connection.execute("CREATE VIEW report.careless AS SELECT tenant_id::text AS tenant FROM beaas.customers")
        connection.execute("GRANT SELECT ON report.careless TO beaas_api")
        try:
            examined = await examine(billed, fast=True)
        finally:
            connection.execute("DROP VIEW report.careless")
    assert examined.found == {"I11"}
    assert [subject for subject, _ in examined.of("I11")] == ["report.careless", "report.careless"]
    assert examined.findings[1].tenant == "other"


async def test_a_relay_that_stands_still_is_found_by_the_event_that_waits(billed: Pipeline) -> None:
    with billed.paused("relay"):
        with psycopg.connect(billed.database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO beaas.billing_events (id, aggregate_type, aggregate_id, type, tenant_id, payload,"
                " occurred_at, shard) SELECT uuidv7(), aggregate_type, aggregate_id, type, tenant_id, payload,"
                " occurred_at, shard FROM beaas.billing_events WHERE aggregate_type = 'customer' LIMIT 1"
            )

        assert (await examine(billed)).found == set()  # half a minute is given to the relay

        async def found() -> bool:
            return "I07" in (await examine(billed, within_s=0)).found

        await until(found, "the event to be a second old")

    async def quiet() -> bool:
        return (await examine(billed, within_s=0)).found == set()

    await until(quiet, "the relay to go on")


# A system without roles -----------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle(servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pipeline]:
    """Topics, tables and schemas, with usage and commands waiting for roles that nobody starts."""
    files, directory = tmp_path_factory.mktemp("idle"), Path(tempfile.mkdtemp(prefix="beaas-doctor-"))
    (files / "catalogue.yaml").write_text(CATALOGUE)
    (files / "usage.csv").write_text(USAGE)
    pipeline = Pipeline(servers, "idle.", directory)
    database = sql.Identifier(f"idle_{os.getpid()}")
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
    await pipeline.ok("setup")
    await pipeline.ok("apply", files / "catalogue.yaml")
    await pipeline.ok("usage", "send", files / "usage.csv")
    yield pipeline
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
    shutil.rmtree(directory)


async def test_without_roles_everything_that_waits_is_found_with_who_should_take_it(idle: Pipeline) -> None:
    waiting = {
        "group idle.intake on idle.usage",
        "relay slot idle_relay_0 (missing)",
        "commands that wait for intake or the scheduler",
        "scheduler: none leads",
    }

    async def old_enough() -> bool:
        examined = await examine(idle, within_s=0)
        return waiting <= {subject for subject, _ in examined.of("I19")} and "I07" in examined.found

    await until(old_enough, "all that waits to be a second old")


async def test_offsets_that_somebody_set_ahead_are_found(idle: Pipeline) -> None:
    servers = idle.servers.kafka_bootstrap_servers
    admin, group = AdminClient({"bootstrap.servers": servers}), "idle.intake"
    ahead = ConsumerGroupTopicPartitions(group, [TopicPartition(idle.topic("usage"), 0, 3)])

    async def moved() -> bool:  # the first who asks makes the broker make its topic of offsets
        answer = admin.alter_consumer_group_offsets([ahead])[group].result(10)
        return not any(one.error for one in answer.topic_partitions)

    await until(moved, "the group's coordinator")
    try:
        ((subject, detail),) = (await examine(idle, fast=True)).of("I13")
    finally:
        admin.delete_consumer_groups([group])[group].result(10)
    assert subject == "idle.intake on idle.usage/0"
    assert detail.startswith("committed offset 3, and what offset 0 should have done is not there")


async def test_a_topic_that_was_deleted_is_found_by_name(idle: Pipeline) -> None:
    name, admin = idle.topic("catalog"), AdminClient({"bootstrap.servers": idle.servers.kafka_bootstrap_servers})
    admin.delete_topics([name])[name].result(10)

    async def found() -> bool:
        subjects = [subject for subject, _ in (await examine(idle, fast=True, within_s=3600)).of("I19")]
        return any(subject.startswith(f"topic {name}, which Kafka does not have: ") for subject in subjects)

    try:
        await until(found, "the topic to be gone")
    finally:
        await idle.ok("setup")


async def test_a_record_that_nobody_can_read_is_found_by_its_place(idle: Pipeline) -> None:
    producer = Producer({"bootstrap.servers": idle.servers.kafka_bootstrap_servers})
    producer.produce(idle.topic("credit"), b"\x00\x00\x00\x00\x00junk", b"key", partition=1)
    assert producer.flush(10) == 0
    ((subject, detail),) = (await examine(idle)).of("I18")
    assert subject == "idle.credit/1/0"
    assert detail.startswith("can't be read (unknown-schema) and is no dead letter")


async def test_a_statement_that_postgresql_can_never_take_is_found(idle: Pipeline) -> None:
    """It was restored to before the subscription was made; the sink would fail on it again and again."""
    topic = idle.topic("statements")
    of_nobody = statement_from_domain(statement(line(100), customer=9), journal_partition=0)
    producer = Producer({"bootstrap.servers": idle.servers.kafka_bootstrap_servers})
    ids = lookup_ids(idle.servers.schema_registry_url, idle.prefix)
    written = Codec(ids, NoRegistry(), prefix=idle.prefix).encode(topic, of_nobody)
    producer.produce(topic, written, b"acme/c9", partition=2)
    assert producer.flush(10) == 0
    found = [subject for subject, _ in (await examine(idle)).of("I19") if subject.startswith(topic)]
    assert found == [
        f"{topic}/2/0 of subscription acme/s9, which PostgreSQL does not have: was it restored to before Kafka?"
    ]


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("BEAAS_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("BEAAS_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none"),
        ("BEAAS_SCHEMA_REGISTRY_URL", "http://127.0.0.1:1"),
    ],
)
async def test_a_server_that_does_not_answer_is_status_three(idle: Pipeline, variable: str, address: str) -> None:
    ran = await idle.beaas("doctor", **{variable: address})  # type: ignore[arg-type]  # of the environment
    assert ran.status == 3, ran
    assert ran.err.startswith("beaas: ")
    assert len(ran.err.splitlines()) == 1
