"""The same flights under a tariff that has every price model, every aggregation, odd periods, zones and currencies."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipeline import oracle
from tests.pipeline.books import check_books, instants, write_catalogue, write_usage
from tests.pipeline.flights import flights
from tests.pipeline.oracle import Event
from tests.support.pipeline import Pipeline, until

CLOCKS = instants("2013-02-01T00:00:00Z", "2013-03-06T00:00:00Z", "2013-03-27T12:00:00Z", "2013-05-02T00:00:00Z")
EVERY = 18
"""Of 73,000 flights some 4,000."""
TENANTS = {"EWR": ("ODD-KOLKATA", "JPY", "Asia/Kolkata", "10"), "JFK": ("ODD-BERLIN", "KWD", "Europe/Berlin", "7.7")}
TENANTS |= {"LGA": ("ODD-ST-JOHNS", "EUR", "America/St_Johns", "13.125")}
CARRIERS = ("UA", "DL", "B6", "AA", "EV", "MQ", "9E", "US")
CATALOGUE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("odd_tariff.yaml").read_text(encoding="utf-8"))
STARTS: list[dict[str, Any]] = [
    {"plan": "weekly", "start": "2013-02-03T17:31:07.123456Z"},
    {"plan": "weekly", "start": "2013-02-07T03:00:00Z", "anchor": "calendar", "periods": 6},
    {"plan": "lunar", "start": "2013-02-01T00:00:00Z"},
    {"plan": "lunar", "start": "2013-02-20T23:59:59.999999Z", "periods": 2},
    {"plan": "monthly", "start": "2013-02-01T00:00:00Z", "anchor": "calendar"},
    {"plan": "monthly", "start": "2013-02-28T02:30:00Z"},
    {"plan": "quarterly", "start": "2013-01-31T12:34:56Z"},
    {"plan": "monthly", "start": "2013-02-14T10:15:30Z", "anchor": "calendar", "periods": 2},
]


def tenant(origin: str) -> dict[str, Any]:
    """A tenant with all plans; each of its customers has another."""
    code, currency, timezone, tax = TENANTS[origin]
    return {
        "code": code,
        "currency": currency,
        "timezone": timezone,
        "tax_percent": tax,
        "test_clock": "2013-01-01T00:00:00Z",
        **CATALOGUE,
        "customers": [{"code": carrier} for carrier in CARRIERS],
        "subscriptions": [
            {"code": f"{carrier}-{start['plan']}", "customer": carrier, **start}
            for carrier, start in zip(CARRIERS, STARTS, strict=True)
        ],
    }


def deliveries() -> Iterator[list[tuple[str, Event]]]:
    """What is sent before each move of the clock: the flights until then, some after their time, some twice."""
    late: list[tuple[str, Event]] = []
    for before, now in zip((CLOCKS[0], *CLOCKS), CLOCKS, strict=False):
        batch: list[tuple[str, Event]] = late
        held: list[tuple[str, Event]] = []
        for place, (origin, event) in enumerate(flights(before, now, arrived=before, every=EVERY)):
            if event.customer not in CARRIERS:
                continue
            (held if place % 13 == 5 else batch).append((origin, event))
            if place % 17 == 3:
                batch.append((origin, event))
            batch += [(origin, change) for change in changes(event)]
        late = [(origin, replace(event, arrived=now)) for origin, event in held]
        yield batch


def changes(event: Event) -> Iterator[Event]:
    """A gate is taken for an hour before a flight that leaves: changes of a level."""
    if event.type == "flight.departed":
        hour = timedelta(hours=1)
        yield replace(event, id=f"{event.id}+", type="gate.level", at=event.at - hour, properties={"change": "1"})
        yield replace(event, id=f"{event.id}-", type="gate.level", properties={"change": "-1"})


async def test_every_model_and_meter_in_odd_periods_zones_and_currencies_bills_as_the_oracle_says(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    tenants = {origin: tenant(origin) for origin in TENANTS}
    await pipeline.ok("apply", write_catalogue(tmp_path / "odd.yaml", *tenants.values()))
    sent: list[tuple[str, Event]] = []
    for number, (now, batch) in enumerate(zip(CLOCKS, deliveries(), strict=True)):
        if batch:
            file = write_usage(tmp_path / f"{number}.csv", [(TENANTS[origin][0], event) for origin, event in batch])
            await pipeline.ok("usage", "send", file)
        sent += batch
        await asyncio.gather(*[pipeline.settle(code, now.isoformat()) for code, *_ in TENANTS.values()])
    all_expected: list[oracle.Invoice] = []
    for origin, (code, *_) in TENANTS.items():
        events = [event for where, event in sent if where == origin]
        expected = oracle.invoices(tenants[origin], events, CLOCKS[-1])
        check_books(pipeline, code, expected)
        all_expected += expected
        with pytest.raises(AssertionError):  # the check sees when a single flight is not counted
            check_books(pipeline, code, oracle.invoices(tenants[origin], without_one(events), CLOCKS[-1]))
        unmeasured = Counter(event.customer for event in oracle.once(events) if not readable(tenants[origin], event))
        await until(partial(refused, pipeline, code, unmeasured.total()), "dead letters")
    check_variety(all_expected)


def without_one(events: list[Event]) -> list[Event]:
    """Without one flight of an airline that is billed for each of its flights in these weeks."""
    departed = [event for event in events if (event.customer, event.type) == ("DL", "flight.departed")]
    lost = next(event.id for event in departed if event.at > CLOCKS[0] + timedelta(days=10))
    return [event for event in events if event.id != lost]


def check_variety(invoices: list[oracle.Invoice]) -> None:
    """The figures above are of everything that this is about."""
    lines = [line for invoice in invoices for line in invoice.lines]
    assert {line.price for line in lines if line.amount} == {
        price["code"] for plan in CATALOGUE["plans"] for price in plan["prices"]
    }
    assert len([line for line in lines if line.adjustment]) > 20
    assert len({line.group for line in lines}) == 6
    assert sum((invoice.total for invoice in invoices), Decimal(0)) > 10_000


def readable(raw: dict[str, Any], event: Event) -> bool:
    """Whether the customer's plan finds all that it measures; else the event is a dead letter."""
    code = next(one["code"] for one in raw["subscriptions"] if one["customer"] == event.customer)
    return oracle.readable(raw, code, event)


async def refused(pipeline: Pipeline, tenant: str, count: int) -> bool:
    query = "SELECT count(*) FROM report.dead_letters WHERE tenant = %s AND reason = 'missing-property'"
    return pipeline.rows(query, tenant) == [(count,)]
