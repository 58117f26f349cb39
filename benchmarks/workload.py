"""What is measured: the year of flights twice over, as usage of few large or of many small customers.

Both rounds of a month stand together, so that every event falls into the open period, as live usage does; the second
round has a `source` of its own, which makes its events other events.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import yaml

from billing.entry import CycleClosed, Entry, SubscriptionStarted, Terms, Usage
from billing.period import billing_period, boundary, containing
from connectors.usage_file.reader import read_usage
from schemas import topics
from schemas.codec import Codec
from schemas.convert import entry_from_domain
from schemas.partition import placement
from streams.settings import Settings

FLIGHTS: Final = Path(__file__).parent.parent / "examples" / "flights"
START: Final = datetime(2013, 1, 1, 5, tzinfo=UTC)
ZONE: Final = ZoneInfo("America/New_York")
MONTH: Final = billing_period("P1M")
ROUNDS: Final = ("", "again")
_METERS: Final[dict[str, dict[str, object]]] = {
    "movements": {"aggregation": "count"},
    "miles": {"aggregation": "sum", "property": "distance_miles"},
    "longest": {"aggregation": "max", "property": "distance_miles"},
}


@dataclass(frozen=True, slots=True)
class Keyed:
    """A record to fill a topic with; `partition` -1 leaves its place to the producer."""

    key: bytes
    value: bytes
    partition: int = -1


def by_airline(flight: Usage) -> Usage:
    """The customer is the airline at the airport: 35 accounts, as in the demo."""
    return flight


def by_flight_number(flight: Usage) -> Usage:
    """The customer is the flight number at the airport: 5,000 to 7,000 accounts with some thirty events a month."""
    return msgspec.structs.replace(flight, customer=flight.id.partition("-")[0])


def year(customer: Callable[[Usage], Usage]) -> list[list[Usage]]:
    """Each month's usage, in its order."""
    flights = map(customer, read_usage(FLIGHTS / "2013.csv.gz", {"tenant_id": "origin", "customer_id": "carrier"}))
    return [_twice(list(month)) for _, month in groupby(flights, key=_month_of)]


def usage_records(months: Iterable[list[Usage]], codec: Codec) -> Iterator[Keyed]:
    """The year as a producer sends it."""
    for one in (one for month in months for one in month):
        yield Keyed(f"{one.tenant}/{one.customer}".encode(), codec.encode_usage(one))


def journal_records(months: list[list[Usage]], terms: Terms, codec: Codec, settings: Settings) -> Iterator[Keyed]:
    """The year as the journal holds it: every subscription starts, its usage, and its twelve closes."""
    place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
    journal = topics.JOURNAL.full_name(settings.topic_prefix)
    accounts = sorted({(one.tenant, one.customer) for month in months for one in month})

    def keyed(entry: Entry, value: bytes) -> Keyed:
        return Keyed(f"{entry.tenant}/{entry.customer}".encode(), value, place(entry.tenant, entry.customer))

    def command(entry: SubscriptionStarted | CycleClosed) -> Keyed:
        return keyed(entry, codec.encode(journal, entry_from_domain(entry)))

    yield from (command(_started(tenant, customer, terms)) for tenant, customer in accounts)
    for number, month in enumerate(months):
        yield from (keyed(one, codec.encode_usage(one)) for one in month)
        yield from (command(_closed(tenant, customer, number + 1)) for tenant, customer in accounts)


def three_meters() -> Terms:
    """Count, sum and maximum, each priced by the unit."""
    prices: list[dict[str, object]] = [
        {"code": code, "type": "usage", "meter": code, "model": "per_unit", "unit_amount": "0.01"} for code in _METERS
    ]
    return _terms([{"code": code, "event": "flight.departed", **meter} for code, meter in _METERS.items()], prices)


def flights_tariff() -> Terms:
    """The demo's tariff: seven meters, of every price model."""
    tenant = yaml.safe_load((FLIGHTS / "tariff.yaml").read_text())["tenants"][0]
    return _terms(tenant["meters"], tenant["plans"][0]["prices"])


def _terms(meters: Iterable[dict[str, object]], prices: Iterable[dict[str, object]]) -> Terms:
    return Terms(
        plan="bench",
        plan_version=1,
        billing_period="P1M",
        currency="USD",
        timezone="America/New_York",
        tax_percent="0",
        meters=tuple(meters),
        prices=tuple(prices),
    )


def _started(tenant: str, customer: str, terms: Terms) -> SubscriptionStarted:
    return SubscriptionStarted(
        command_id=f"start {tenant} {customer}",
        tenant=tenant,
        customer=customer,
        subscription=f"{customer}-{tenant}",
        at_us=_us(START),
        anchor_us=_us(START),
        terms=terms,
    )


def _closed(tenant: str, customer: str, number: int) -> CycleClosed:
    return CycleClosed(
        command_id=f"close {tenant} {customer} {number}",
        tenant=tenant,
        customer=customer,
        subscription=f"{customer}-{tenant}",
        at_us=_us(boundary(START, MONTH, ZONE, number)),
    )


def _twice(month: list[Usage]) -> list[Usage]:
    return [msgspec.structs.replace(one, source=source) for source in ROUNDS for one in month]


def _month_of(usage: Usage) -> int:
    return containing(START, MONTH, ZONE, datetime.fromtimestamp(usage.occurred_at_us // 1_000_000, UTC))


def _us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000
