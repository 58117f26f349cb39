"""Totals, parked usage and dead letters: the newest stands, and a repeat changes nothing."""

import random
from datetime import timedelta
from typing import Any

import msgspec
import psycopg

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.sinks.dead_letters import DeadLetterSink
from connectors.postgres.sinks.usage_view import UsageViewSink
from connectors.postgres.unit_of_work import unit_of_work
from schemas import topics
from schemas.letters import REDRIVE_OF, LetterId, PlacedRecord
from schemas.limits import MAX_ID_CHARS
from schemas.records import DeadLetter, DeadLetterRedriven, Header, UsageParked, UsageTotal
from tests.postgres.builders import FEBRUARY, JANUARY


def rows(owner: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return owner.execute(query.encode()).fetchall()


def total(position: int, quantity: str, amount_minor: int, *, tenant: str = "coil", **group: str) -> UsageTotal:
    return UsageTotal(
        tenant_id=tenant,
        customer_id="c1",
        subscription_id="s1",
        price="calls",
        line_group=group,
        period_start=JANUARY,
        period_end=FEBRUARY,
        quantity=quantity,
        amount_minor=amount_minor,
        currency="KWD",
        journal_position=position,
        as_of=JANUARY + timedelta(seconds=position),
    )


def parked(events: int, position: int, customer: str = "new", *, second: int = 0) -> UsageParked:
    return UsageParked(
        tenant_id="acme",
        customer_id=customer,
        events=events,
        reason="no-subscription",
        as_of=JANUARY + timedelta(seconds=second),
        journal_position=position,
    )


def letter(offset: int, *, reason: str = "malformed", tenant: str | None = None) -> DeadLetter:
    return DeadLetter(
        reason=reason,
        detail="nul \0 here",
        tenant_id=tenant,
        customer_id=None,
        source_topic="beaas.usage",
        source_partition=3,
        source_offset=offset,
        key=b"\x00k",
        value=b"\x00\xff",
        headers=(Header(key="b", value=b"\x01"), Header(key="a", value=None), Header(key="b", value=b"")),
        first_position=None,
        received_at=JANUARY,
    )


async def test_the_total_with_the_newest_position_stands(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    sink = UsageViewSink(service, outbox)
    await sink.write([total(1, "1", 100), total(3, "2.5", 1250), total(2, "9", 900)])
    await sink.write([total(3, "2.5", 1250)])
    await sink.write([total(2, "9", 900), total(1, "7", 1, region="eu")])
    assert rows(
        owner, "SELECT line_group, quantity::text, amount::text, as_of FROM report.usage_totals ORDER BY 4"
    ) == [
        ({"region": "eu"}, "7", "0.001", JANUARY + timedelta(seconds=1)),
        ({}, "2.5", "1.250", JANUARY + timedelta(seconds=3)),
    ]


async def test_a_group_longer_than_an_index_entry_is_kept(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    noise = "".join(chr(0x4E00 + (at * at * 7919) % 20_000) for at in range(5_000))
    await UsageViewSink(service, outbox).write([total(1, "1", 1, page=noise), total(1, "1", 1, page=noise + "x")])
    assert rows(owner, "SELECT length(line_group ->> 'page') FROM beaas.usage_totals ORDER BY 1") == [
        (5_000,),
        (5_001,),
    ]


async def test_parked_usage_of_the_longest_names_that_usage_may_have_is_kept(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    widest = "".join(chr(0x1F300 + at) for at in range(MAX_ID_CHARS))
    longest = msgspec.structs.replace(parked(1, 1, widest), tenant_id=widest)
    await UsageViewSink(service, outbox).write([longest])
    assert rows(owner, "SELECT tenant, customer FROM report.parked_usage") == [(widest, widest)]


async def test_the_newest_count_of_parked_usage_stands_and_zero_is_not_shown(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    sink = UsageViewSink(service, outbox)
    await sink.write([parked(5, 2, second=1), parked(1, 1, second=2), parked(3, 1, "other", second=2)])
    await sink.write([parked(1, 1, second=2), parked(0, 2, "other", second=1)])
    assert rows(owner, "SELECT tenant, customer, events, reason, as_of FROM report.parked_usage") == [
        ("acme", "new", 5, "no-subscription", JANUARY + timedelta(seconds=1))
    ]


def placed(place: int, record: DeadLetter | DeadLetterRedriven) -> PlacedRecord:
    return PlacedRecord(LetterId(1, place), record)


def marker(place: int, *, run: str = "run-1") -> DeadLetterRedriven:
    return DeadLetterRedriven(
        letter_partition=1,
        letter_offset=place,
        reason="malformed",
        tenant_id=None,
        customer_id=None,
        target_topic="beaas.usage",
        target_partition=2,
        target_offset=77,
        edited=True,
        run_id=run,
        redriven_at=FEBRUARY,
    )


async def test_a_dead_letter_is_kept_once_with_its_bytes(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    sink = DeadLetterSink(service, outbox)
    letters = [placed(1, letter(1)), placed(2, letter(1)), placed(3, letter(1, reason="conflict"))]
    await sink.write([*letters, placed(4, letter(2)), letters[0]])
    await sink.write([placed(4, letter(2)), letters[0]])
    kept = rows(
        owner,
        "SELECT letter_offset, source_offset, reason, detail, key, value, header_names, header_values"
        " FROM beaas.dead_letters ORDER BY 1",
    )
    same = "nul \N{REPLACEMENT CHARACTER} here", b"\x00k", b"\x00\xff", ["b", "a", "b"], [b"\x01", None, b""]
    assert kept == [
        (1, 1, "malformed", *same),
        (2, 1, "malformed", *same),
        (3, 1, "conflict", *same),
        (4, 2, "malformed", *same),
    ]


async def test_the_largest_letter_that_its_topic_takes_is_kept_whole(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    noise = random.Random(7).randbytes(topics.DEAD_LETTERS.largest_value_bytes // 2)
    wide = Header(key="h\0" * 1_000, value=noise)
    await DeadLetterSink(service, outbox).write(
        [placed(1, msgspec.structs.replace(letter(1), key=noise[:100], value=noise, headers=(wide,)))]
    )
    assert rows(owner, "SELECT key, value, header_values FROM beaas.dead_letters") == [(noise[:100], noise, [noise])]


async def test_a_letter_that_was_put_back_says_when_where_and_by_which_run(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    sink = DeadLetterSink(service, outbox)
    await sink.write([placed(1, letter(1)), placed(2, letter(2)), placed(5, marker(1))])  # in one batch
    await sink.write([placed(5, marker(1)), placed(6, marker(1, run="never")), placed(7, marker(99))])
    assert rows(
        owner,
        "SELECT letter_offset, redriven_at, redriven_run, redriven_topic, redriven_partition, redriven_offset,"
        " redriven_edited FROM beaas.dead_letters ORDER BY 1",
    ) == [(1, FEBRUARY, "run-1", "beaas.usage", 2, 77, True), (2, *[None] * 6)]
    assert rows(owner, "SELECT id, customer, redriven_at FROM report.dead_letters ORDER BY 1") == [
        ("1-1", None, FEBRUARY),
        ("1-2", None, None),
    ]


async def test_a_letter_tells_which_letter_it_was_before(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    told = [b"3-1042", b"3-1042x", b"\xff", None, b"1" * 100 + b"-1"]
    letters = [
        placed(place, msgspec.structs.replace(letter(place), headers=(Header(key=REDRIVE_OF, value=value),)))
        for place, value in enumerate(told)
    ]
    await DeadLetterSink(service, outbox).write(letters)
    assert rows(owner, "SELECT redrive_of FROM report.dead_letters ORDER BY id") == [("3-1042",), *[(None,)] * 4]


async def test_a_dead_letter_without_a_tenant_is_seen_by_the_service_alone(
    service: Pool, api: Pool, outbox: Outbox
) -> None:
    letters = [placed(1, letter(1)), placed(2, letter(2, tenant="acme")), placed(3, letter(3, tenant="bolt"))]
    await DeadLetterSink(service, outbox).write([*letters, *(placed(place + 3, marker(place)) for place in (1, 2, 3))])
    seen = {}
    for pool, tenant in ((service, None), (api, "acme"), (api, None)):
        async with unit_of_work(pool, tenant, outbox=outbox) as work:
            cursor = await work.connection.execute(
                "SELECT id FROM report.dead_letters WHERE redriven_at IS NOT NULL ORDER BY 1"
            )
            seen[pool.name, tenant] = [name for (name,) in await cursor.fetchall()]
    assert seen == {
        ("test service", None): ["1-1", "1-2", "1-3"],
        ("test api", "acme"): ["1-2"],
        ("test api", None): [],
    }
