"""What the relay promises while nothing fails."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from connectors.bus.kafka import KafkaBus
from connectors.bus.port import BusEvent
from connectors.relay.errors import UnknownLayout, WrongSetup
from connectors.relay.prune import Retention, prune
from connectors.relay.relay import Limits
from connectors.relay.run import run_relay
from connectors.relay.slots import SlotHealth, SlotState, connect, ensure_publication, oldest_unconfirmed_s, shard_of
from schemas.partition import partition_of
from tests.relay.bench import Bench, insert, new_id, outbox_database
from tests.relay.options import PARTITIONS, SLICE_SIZE


async def test_a_record_is_the_row_in_cloudevents_binary_mode(bench: Bench, bus: KafkaBus) -> None:
    event_id = new_id()
    async with bench.running(bus):
        with psycopg.connect(bench.url) as connection:
            insert(connection, b"\0\0\0\0\7avro", event_id=event_id)
        await bench.arrived(1)
    assert bench.carried() == [
        BusEvent(
            topic=bench.topic,
            key=b"EWR/UA",
            partition=partition_of("EWR", "UA", partitions=PARTITIONS, slice_size=SLICE_SIZE),
            value=b"\0\0\0\0\7avro",
            headers=(
                ("ce_specversion", b"1.0"),
                ("ce_id", str(event_id).encode()),
                ("ce_type", b"beaas.subscription.CycleClosed"),
                ("ce_source", b"/beaas/journal"),
                ("ce_time", b"2013-01-31T05:00:00.250000Z"),
                ("ce_subject", b"UA"),
                ("ce_tenantid", b"EWR"),
                ("content-type", b"application/avro"),
                ("ce_correlationid", b"corr-1"),
                ("ce_causationid", b"cause-1"),
                ("traceparent", b"00-trace"),
            ),
        )
    ]


async def test_the_bus_has_commit_order_and_ids_out_of_it_and_nothing_rolled_back(bench: Bench, bus: KafkaBus) -> None:
    async with bench.running(bus):
        with psycopg.connect(bench.url) as slow, psycopg.connect(bench.url) as undone:
            insert(slow, b"lowest id, commits last")
            insert(undone, b"rolled back")
            bench.write(b"first", b"second")
            undone.rollback()
            bench.write(b"third")
            slow.commit()
        await bench.arrived(4)
    assert bench.payloads() == [b"first", b"second", b"third", b"lowest id, commits last"]


async def test_a_transaction_above_the_limits_is_carried_in_pieces_and_confirmed_at_its_end(
    bench: Bench, bus: KafkaBus
) -> None:
    payloads = [b"%d" % n for n in range(1_000)]
    async with bench.running(bus, Limits(max_events=50)):  # the last piece ends with the last row, before the commit
        before = (await bench.health()).confirmed_lsn
        bench.write(*payloads)
        await bench.arrived(1_000)
    assert bench.payloads() == payloads
    assert (await bench.health()).confirmed_lsn > before
    async with bench.running(bus):
        bench.write(b"next")
        await bench.arrived(1_001)
    assert bench.payloads() == [*payloads, b"next"]


async def test_another_shards_events_are_left_to_its_own_relay(bench: Bench, bus: KafkaBus) -> None:
    async with bench.running(bus):
        bench.write(b"theirs", shard=1)
        bench.write(b"ours")
        await bench.arrived(1)
    assert bench.payloads() == [b"ours"]


async def test_what_was_written_before_the_first_start_is_carried(bench: Bench, bus: KafkaBus) -> None:
    bench.write(b"early", b"also early")
    async with bench.running(bus):
        bench.write(b"late")
        await bench.arrived(3)
    assert bench.payloads() == [b"early", b"also early", b"late"]


async def test_a_shard_is_rebuilt_in_the_order_of_writing_whatever_the_ids(bench: Bench, bus: KafkaBus) -> None:
    with psycopg.connect(bench.url) as connection:  # as commands that fall due by themselves: their ids have no order
        for number in range(9, 0, -1):
            insert(connection, b"%d" % number, event_id=UUID(int=number))
    async with bench.running(bus):
        await bench.arrived(9)
    assert bench.payloads() == [b"%d" % number for number in range(9, 0, -1)]


async def test_an_idle_slot_does_not_hold_the_log_of_other_tables(bench: Bench, bus: KafkaBus) -> None:
    async with bench.running(bus):
        async with await connect(bench.url) as connection:
            await connection.execute("CREATE TEMPORARY TABLE noise AS SELECT generate_series(1, 1000)")
            await connection.execute("SELECT pg_logical_emit_message(true, 'noise', repeat('x', 1000000))")
        await bench.caught_up()


async def test_health_tells_missing_idle_and_streaming(bench: Bench, bus: KafkaBus) -> None:
    assert await bench.health() == SlotHealth(bench.shard.slot, SlotState.MISSING)
    async with bench.running(bus):
        streaming = await bench.health()
        assert (streaming.state, streaming.wal_status, streaming.reason) == (SlotState.STREAMING, "reserved", None)
    bench.write(b"waits" * 100)
    idle = await bench.health()
    assert idle.state is SlotState.IDLE
    assert idle.lag_bytes > 500
    async with await connect(bench.url) as connection:
        committed = await oldest_unconfirmed_s(connection, bench.shard)
        row = await (await connection.execute("SELECT extract(epoch FROM now())::double precision")).fetchone()
    assert committed is not None
    assert row is not None
    assert 0 <= row[0] - committed < 60


async def test_pruning_deletes_carried_rows_that_are_old_and_no_others(bench: Bench, bus: KafkaBus) -> None:
    def left() -> int:
        with psycopg.connect(bench.url) as connection:
            row = connection.execute("SELECT count(*) FROM beaas.billing_events").fetchone()
        assert row is not None
        return int(row[0])

    old = Retention(keep=timedelta(0), batch_rows=2, confirmed_within_s=60.0)
    async with await connect(bench.url) as connection:
        bench.write(b"1", b"2", b"3")
        assert await prune(connection, bench.shard, old) == 0, "no slot yet: nothing is known to be carried"
        async with bench.running(bus):
            await bench.arrived(3)
            assert await prune(connection, bench.shard, Retention(keep=timedelta(hours=1))) == 0
            assert [await prune(connection, bench.shard, old) for _ in range(3)] == [2, 1, 0]
        bench.write(b"4")
        assert await prune(connection, bench.shard, replace(old, confirmed_within_s=0.3)) == 0, "nobody has carried it"
    assert left() == 1


async def test_another_layout_of_the_table_ends_the_relay_before_anything_is_sent(bench: Bench, bus: KafkaBus) -> None:
    with outbox_database(bench.url) as url:
        other = replace(bench, url=url)
        with pytest.raises(UnknownLayout, match="extra text"):  # noqa: PT012 - the running relay is the one that raises
            async with other.running(bus) as relaying:
                with psycopg.connect(url) as connection:
                    connection.execute("ALTER TABLE beaas.billing_events ADD extra text")
                other.write(b"unreadable")
                with suppress(UnknownLayout):
                    await relaying
        await other.drop_slot()
    assert bench.payloads() == []


async def test_a_publication_that_is_not_ours_is_refused(bench: Bench) -> None:
    async with await connect(bench.url) as connection:
        await connection.execute(f"CREATE PUBLICATION {bench.shard.publication} FOR ALL TABLES")
        with pytest.raises(WrongSetup, match="is not the relay's"):
            await ensure_publication(connection, bench.shard)
        await connection.execute(f"DROP PUBLICATION {bench.shard.publication}")
        await ensure_publication(connection, bench.shard)
        await ensure_publication(connection, bench.shard)


async def test_a_database_without_the_table_is_said_so(bench: Bench, bus: KafkaBus) -> None:
    url = psycopg.conninfo.make_conninfo(bench.url, dbname="postgres")
    with pytest.raises(WrongSetup, match="run the migrations"):
        await run_relay(replace(bench.settings, postgres_url=url), bus, asyncio.Event())


@pytest.mark.parametrize(
    ("prefix", "slot"),
    [
        ("beaas.", "beaas_relay_3"),
        ("a.b.", "p_a_b_48ace4fa_relay_3"),
        ("a_b.", "a_b_relay_3"),
        ("9.", "p_9_ce441c83_relay_3"),
    ],
)
def test_names_are_made_of_the_prefix_and_never_shared(prefix: str, slot: str) -> None:
    assert shard_of(prefix, 3).slot == slot


@pytest.mark.parametrize(("prefix", "number"), [("", 0), ("a b", 0), ("a'; DROP", 0), ("ok.", -1), ("ok.", 32_768)])
def test_names_that_cannot_be_are_refused(prefix: str, number: int) -> None:
    with pytest.raises(WrongSetup, match="shard"):
        shard_of(prefix, number)


def test_the_settings_do_not_show_the_password(bench: Bench) -> None:
    assert bench.url not in repr(bench.settings)
