import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.pipeline import oracle
from tests.pipeline.books import check_books, instants, invoices_of, write_catalogue
from tests.pipeline.oracle import Event
from tests.pipeline.wire import Stranger
from tests.support.pipeline import Pipeline, until

JANUARY, FEBRUARY, MARCH = instants("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
CUSTOMERS = tuple(f"c{number}" for number in range(20))
EVENTS = 5_000
TENANT: dict[str, Any] = {
    "code": "BARRIER",
    "currency": "USD",
    "timezone": "UTC",
    "tax_percent": "0",
    "test_clock": JANUARY.isoformat(),
    "meters": [{"code": "calls", "event": "call", "aggregation": "count"}],
    "plans": [
        {
            "code": "p",
            "billing_period": "P1M",
            "prices": [
                {"code": "calls", "type": "usage", "meter": "calls", "model": "per_unit", "unit_amount": "0.01"}
            ],
        }
    ],
    "customers": [{"code": customer} for customer in CUSTOMERS],
    "subscriptions": [
        {"code": customer, "customer": customer, "plan": "p", "start": JANUARY.isoformat(), "periods": 2}
        for customer in CUSTOMERS
    ],
}
WAITING = """
SELECT count(*) FROM beaas.journal_commands
WHERE tenant_id = 'BARRIER' AND kind = 'CycleClosed' AND noted_at IS NOT NULL AND released_at IS NULL
"""


async def test_what_was_acknowledged_before_the_clock_moved_is_billed_in_its_period_at_any_lag(
    pipeline: Pipeline, stranger: Stranger, tmp_path: Path
) -> None:
    await pipeline.ok("apply", write_catalogue(tmp_path / "barrier.yaml", TENANT))
    await pipeline.settle("BARRIER", JANUARY.isoformat())
    step = (FEBRUARY - JANUARY) / EVENTS
    usage = [
        Event(f"e{number}", CUSTOMERS[number % 20], "call", JANUARY + step * number, {}, JANUARY)
        for number in range(EVENTS)
    ]
    usage.append(Event("last", CUSTOMERS[0], "call", FEBRUARY - timedelta(microseconds=1), {}, JANUARY))
    values = [(None, stranger.avro("BARRIER", event), ()) for event in usage]

    async def noted() -> bool:
        return pipeline.rows(WAITING) == [(len(CUSTOMERS),)]

    with pipeline.paused("intake"):
        await asyncio.to_thread(stranger.send, values)
        await pipeline.ok("clock", "set", "BARRIER", FEBRUARY.isoformat())
        await until(noted, "every close to wait for intake")
        assert invoices_of(pipeline, "BARRIER") == []
    await pipeline.settle("BARRIER", MARCH.isoformat())

    expected = oracle.invoices(TENANT, usage, MARCH)
    check_books(pipeline, "BARRIER", expected)
    assert not [line for invoice in invoices_of(pipeline, "BARRIER") for line in invoice.lines if line.adjustment]
    assert sum(line.quantity for invoice in expected for line in invoice.lines) == len(usage)
