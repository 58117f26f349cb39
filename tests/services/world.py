"""A migrated database of its own, a file to apply, and short ways to look at what became of it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from billing.entry import CustomerId, Entry, SubscriptionId, TenantId, Usage, UsageVoided
from billing.instant import instant
from connectors.catalogue_file import Catalogue, parse_catalogue
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.services.apply import Applied, apply
from schemas.codec import Codec
from schemas.wire import Record

ACME = TenantId("acme")
C1 = CustomerId("c1")
S1 = SubscriptionId("s1")
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
REAL_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""Where the real clock stands in the tests."""

TENANT = """
- code: {code}
  currency: USD
  timezone: UTC
  test_clock: '{clock}'
  meters:
  - {{code: calls, event: api.call, aggregation: sum, property: n}}
  plans:
  - code: basic
    billing_period: P1M
    prices:
    - {{code: base, type: recurring, amount: '10.00'}}
  - code: pro
    billing_period: P1M
    prices:
    - {{code: base, type: recurring, amount: '29.00'}}
    - {{code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '0.10'}}
  customers: [{{code: c1}}, {{code: c2}}]
  subscriptions:{subscriptions}
"""
FILE = "tenants:" + TENANT


def subscribed(
    code: str = "s1", customer: str = "c1", plan: str = "pro", start: str = "2026-01-01T00:00:00Z", **more: object
) -> str:
    """One subscription of a file."""
    fields = {"code": code, "customer": customer, "plan": plan, "start": f"'{start}'", **more}
    return "\n  - {" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"


def file(*subscriptions: str, code: str = "acme", clock: str = "2026-01-01T00:00:00Z") -> str:
    """A file with one tenant, its clock in January, the plans basic and pro, and two customers."""
    return FILE.format(code=code, clock=clock, subscriptions="".join(subscriptions) or " []")


def on_real_clock(text: str) -> str:
    """The file without a test clock."""
    return "\n".join(line for line in text.splitlines() if "test_clock" not in line)


def catalogue(text: str) -> Catalogue:
    """What a file says."""
    return parse_catalogue(text.encode(), "test.yaml")


@dataclass(frozen=True, slots=True)
class World:
    """A database and how it is written to."""

    url: str = field(repr=False)  # it holds the password
    pool: Pool
    outbox: Outbox

    async def apply(self, text: str, now: datetime = REAL_NOW) -> Applied:
        """Applies a file."""
        return await apply(self.pool, self.outbox, catalogue(text), now=now)

    def work(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work over all tenants."""
        return unit_of_work(self.pool, None, outbox=self.outbox)

    async def rows(self, sql: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query finds, asked by the owner of the tables."""
        async with await AsyncConnection.connect(self.url) as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def subscription(self, code: str = "s1") -> tuple[Any, ...]:
        """State, what the journal was told up to, what is due next."""
        (row,) = await self.rows(
            "SELECT state, closed_until, next_due_at FROM beaas.subscriptions"
            " WHERE tenant_id = 'acme' AND subscription_id = %s",
            code,
        )
        return row

    async def commands(self) -> list[str]:
        """Each command as `subscription kind at`, in the order of the journal."""
        rows = await self.rows(
            "SELECT coalesce(subscription_id, customer_id), kind, at FROM beaas.journal_commands ORDER BY sequence"
        )
        return [f"{code} {kind} {at:%Y-%m-%d}" for code, kind, at in rows]

    async def events(self, aggregate_type: str) -> list[Record]:
        """The events of a topic in the order of the outbox, decoded."""
        return [self.codec.decode(payload) for payload in await self._payloads(aggregate_type)]

    async def released(self) -> list[str]:
        """Each released command as `subscription kind at`, in the order of the outbox."""
        return [_shown(self.codec.decode_journal(payload)) for payload in await self._payloads("journal")]

    async def counts(self) -> dict[str, int]:
        """How many rows every table has."""
        tables = await self.rows(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'beaas'::regnamespace AND relkind = 'r'"
        )
        async with await AsyncConnection.connect(self.url) as connection:
            counted = {}
            for (table,) in tables:
                query = SQL("SELECT count(*) FROM beaas.{}").format(Identifier(table))
                row = await (await connection.execute(query)).fetchone()
                counted[table] = row[0] if row else 0
        return counted

    @property
    def codec(self) -> Codec:
        """The real codec."""
        assert isinstance(self.outbox.encoder, Codec)
        return self.outbox.encoder

    async def _payloads(self, aggregate_type: str) -> list[bytes]:
        rows = await self.rows(
            # transactions are numbered when they first write; those of the scheduler write one after the other
            "SELECT payload FROM beaas.billing_events WHERE aggregate_type = %s ORDER BY xmin::text::bigint, ctid",
            aggregate_type,
        )
        return [payload for (payload,) in rows]


def _shown(entry: Entry) -> str:
    assert not isinstance(entry, Usage)
    what = entry.customer if isinstance(entry, UsageVoided) else entry.subscription
    return f"{what} {type(entry).__name__} {instant(entry.at_us):%Y-%m-%d}"
