"""Pools and units of work: sessions begin the same, secrets stay in, fact and events go together."""

import asyncio
import logging
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from connectors.postgres.outbox import Event, Outbox
from connectors.postgres.pool import BadPostgresUrl, Pool, Role, open_pool
from connectors.postgres.unit_of_work import unit_of_work
from schemas import topics
from schemas.errors import Unencodable
from schemas.records import CustomerSaved, MeterSaved
from tests.postgres.builders import JANUARY, outbox_of
from tests.support.pipeline import until

SAVED = CustomerSaved(tenant_id="acme", customer_id="c1", name="One")


async def test_a_session_has_its_role_zone_and_limits(database: str) -> None:
    async with (
        open_pool(database, Role.API, application_name="beaas api", statement_timeout_s=1.5) as pool,
        pool.connection() as connection,
    ):
        names = "role", "timezone", "statement_timeout", "application_name", "idle_in_transaction_session_timeout"
        shown = [await (await connection.execute(f"SHOW {name}".encode())).fetchone() for name in names]
        assert shown == [("beaas_api",), ("UTC",), ("1500ms",), ("beaas api",), ("1min",)]
        await connection.execute("RESET ROLE")
        assert await (await connection.execute("SELECT current_user")).fetchone() == ("beaas_api",)


async def test_a_statement_that_runs_too_long_is_ended(database: str, outbox: Outbox) -> None:
    async with open_pool(database, Role.SERVICE, application_name="t", statement_timeout_s=0.05) as pool:
        with pytest.raises(psycopg.errors.QueryCanceled):
            async with unit_of_work(pool, None, outbox=outbox) as work:
                await work.connection.execute("SELECT pg_sleep(10)")


async def test_jsonb_is_text_so_that_its_numbers_never_become_floats(service: Pool) -> None:
    async with service.connection() as connection:
        cursor = await connection.execute("""SELECT '{"a": 0.10}'::jsonb""")
        assert await cursor.fetchone() == ('{"a": 0.10}',)


async def test_no_password_is_shown_by_a_pool_or_its_failures(database: str, caplog: pytest.LogCaptureFixture) -> None:
    password = str(conninfo_to_dict(database)["password"])
    pool = open_pool(database.replace("dbname=test", "dbname=absent"), Role.API, application_name="t")
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "psycopg.pool"):
        await pool.open()
        with pytest.raises(psycopg.OperationalError) as failure:
            await pool.getconn(timeout=0.5)

        async def complained() -> bool:
            return "absent" in caplog.text

        await until(complained, "the pool to say that it could not connect")
    await pool.close()
    assert password not in caplog.text + repr(pool) + str(failure.value)


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@[half", "hunter2", "postgresql://u:hunter2@h:1/d?x=y"])
def test_an_address_that_can_not_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(BadPostgresUrl) as refusal:
        open_pool(url, Role.API, application_name="t")
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__suppress_context__


async def test_the_events_of_a_unit_are_written_with_it_in_their_order(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    async with unit_of_work(
        service, None, outbox=outbox, correlation_id="corr", causation_id="cause", traceparent="00-a-b-01"
    ) as work:
        first = work.publish(topics.CUSTOMER, "c1", "acme", SAVED, occurred_at=JANUARY)
        second = work.publish(topics.CUSTOMER, "c2", "acme", SAVED, occurred_at=JANUARY, causation_id="other")
        assert owner.execute("SELECT count(*) FROM beaas.billing_events").fetchone() == (0,)
    payload = outbox.encoder.encode("beaas.customer", SAVED)
    same = "beaas.customer.CustomerSaved", "acme", payload, "corr"
    assert owner.execute(
        "SELECT id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent,"
        " occurred_at, shard FROM beaas.billing_events ORDER BY ctid"
    ).fetchall() == [
        (first, "customer", "c1", *same, "cause", "00-a-b-01", JANUARY, 0),
        (second, "customer", "c2", *same, "other", "00-a-b-01", JANUARY, 0),
    ]


async def test_a_unit_that_fails_leaves_neither_fact_nor_event(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    async def fail() -> None:
        async with unit_of_work(service, None, outbox=outbox) as work:
            await work.connection.execute("UPDATE beaas.customers SET name = 'other'")
            work.publish(topics.CUSTOMER, "c1", "acme", SAVED, occurred_at=JANUARY)
            raise LookupError

    [error] = await asyncio.gather(fail(), return_exceptions=True)
    assert type(error) is LookupError
    left = owner.execute(
        "SELECT (SELECT count(*) FROM beaas.billing_events),"
        " (SELECT count(*) FROM beaas.customers WHERE name = 'other')"
    )
    assert left.fetchone() == (0, 0)


async def test_a_record_that_its_topic_does_not_carry_is_refused_where_it_is_published(
    service: Pool, outbox: Outbox
) -> None:
    meter = MeterSaved(tenant_id="acme", meter="m", definition="{}")
    with pytest.raises(Unencodable, match="does not carry"):
        async with unit_of_work(service, None, outbox=outbox) as work:
            work.publish(topics.CUSTOMER, "c1", "acme", meter, occurred_at=JANUARY)


def test_one_keys_events_stay_in_one_shard_and_all_shards_are_used() -> None:
    outbox = outbox_of(shards=4)

    def shard(aggregate_id: str) -> int:
        return outbox.shard_of(
            Event(uuid4(), "customer", aggregate_id, "t", "acme", b"", "", "", "", occurred_at=JANUARY)
        )

    assert [shard("c1") for _ in range(3)] == [shard("c1")] * 3
    assert {shard(f"c{number}") for number in range(100)} == {0, 1, 2, 3}
