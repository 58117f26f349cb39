"""The smallest usage that can be billed: one property, one sum meter, ten thousand customers of ten tenants.

What is measured on it is the engine and not the payload. Quantities are whole numbers, so that the peers may add
machine integers, which beaas, being exact for any decimal, does not.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from random import Random
from typing import Final

from benchmarks.workload import Keyed
from billing.entry import CustomerId, SubscriptionStarted, TenantId, Terms, Usage
from schemas import topics
from schemas.codec import Codec
from schemas.convert import entry_from_domain
from schemas.partition import placement
from streams.settings import Settings

TENANTS: Final = 10
ACCOUNTS: Final = 10_000
PROPERTY: Final = "calls"
START_US: Final = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000
SPACING_US: Final = 1_000
"""A million events then lie within the month's first 17 minutes: nothing is late."""


def terms() -> Terms:
    """One sum meter, priced by the unit."""
    return Terms(
        plan="metered",
        plan_version=1,
        billing_period="P1M",
        currency="USD",
        timezone="UTC",
        tax_percent="0",
        meters=({"code": "calls", "event": "api.called", "aggregation": "sum", "property": PROPERTY},),
        prices=({"code": "calls", "type": "usage", "meter": "calls", "model": "per_unit", "unit_amount": "0.01"},),
    )


def account(number: int) -> tuple[TenantId, CustomerId]:
    """The tenant and the customer of an account's number."""
    return TenantId(f"tenant-{number % TENANTS}"), CustomerId(f"customer-{number:06}")


def usage(number: int, of: int, quantity: int, ident: str) -> Usage:
    """The event of this number, of the account `of`."""
    tenant, customer = account(of)
    return Usage(
        tenant=tenant,
        customer=customer,
        id=ident,
        source="",
        type="api.called",
        occurred_at_us=START_US + number * SPACING_US,
        properties={PROPERTY: str(quantity)},
    )


def events(seed: int = 1, accounts: int = ACCOUNTS) -> Iterator[Usage]:
    """Events without end, each of any account, the same ones every time."""
    random = Random(seed)
    for number in count():
        yield usage(number, random.randrange(accounts), random.randrange(1, 1_000), f"{random.getrandbits(104):026x}")


def usage_records(number: int, codec: Codec) -> Iterator[Keyed]:
    """So many events as a producer sends them."""
    for one in islice(events(), number):
        yield Keyed(_key(one.tenant, one.customer), codec.encode_usage(one))


def start_records(codec: Codec, settings: Settings, accounts: int = ACCOUNTS) -> Iterator[Keyed]:
    """Every account's subscription starts, as the journal holds it."""
    place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
    journal = topics.JOURNAL.full_name(settings.topic_prefix)
    agreed = terms()
    for number in range(accounts):
        tenant, customer = account(number)
        started = SubscriptionStarted(
            command_id=f"start {tenant} {customer}",
            tenant=tenant,
            customer=customer,
            subscription=f"metered-{number:06}",
            at_us=START_US,
            anchor_us=START_US,
            terms=agreed,
        )
        value = codec.encode(journal, entry_from_domain(started))
        yield Keyed(_key(tenant, customer), value, place(tenant, customer))


def journal_records(number: int, codec: Codec, settings: Settings, accounts: int = ACCOUNTS) -> Iterator[Keyed]:
    """Every account's subscription starts, then so many events, as intake leaves them."""
    place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
    yield from start_records(codec, settings, accounts)
    for one in islice(events(accounts=accounts), number):
        yield Keyed(_key(one.tenant, one.customer), codec.encode_usage(one), place(one.tenant, one.customer))


def _key(tenant: str, customer: str) -> bytes:
    return f"{tenant}/{customer}".encode()
