"""A tenant's test clock: it only moves when told, and only forward."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.entry import TenantId
from connectors.catalogue_file.section import LAST_YEAR
from connectors.postgres.pool import Pool
from connectors.postgres.queries import catalog, schedule
from connectors.postgres.queries.outbox import set_tenant
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services.catalog import lock_tenants
from connectors.services.errors import Conflict, Unknown

_POLL_S: Final = 0.05


async def set_clock(work: UnitOfWork, tenant: TenantId, instant: datetime) -> bool:
    """Moves the tenant's test clock to the instant; returns whether it moved, False where it stood there already.

    Raises:
        Unknown: there is no such tenant.
        Conflict: it lives on the real clock, its test clock is past the instant, or no calendar reaches to it.
    """
    state = (await lock_tenants(work.connection, [tenant])).get(tenant)
    if state is None:
        raise Unknown(f"there is no tenant {tenant}")
    if state.test_clock is None:
        raise Conflict(f"tenant {tenant} lives on the real clock; a test clock is given when a tenant is created")
    if instant.year > LAST_YEAR:
        raise Conflict(f"{instant.isoformat()} is beyond the year {LAST_YEAR}, the last one that is billed")
    if instant < state.test_clock:
        raise Conflict(f"the clock of tenant {tenant} is at {state.test_clock.isoformat()} and only moves forward")
    if instant == state.test_clock:
        return False
    await catalog.move_clock(work.connection, tenant_id=tenant, instant=instant)
    await schedule.wake_scheduler(work.connection)
    return True


@dataclass(frozen=True, slots=True)
class Settlement:
    """How far the commands of a tenant up to an instant have come; `due` subscriptions will still add some."""

    settled: int
    total: int
    due: int

    @property
    def done(self) -> bool:
        """Whether every cycle due by then is invoiced, or owes nothing."""
        return self.settled == self.total and not self.due


async def wait_settled(
    pool: Pool,
    tenant: TenantId,
    instant: datetime,
    *,
    timeout_s: float | None = None,
    progress: Callable[[Settlement], None] = lambda _: None,
) -> Settlement:
    """Returns once nothing of the tenant is due at or before the instant, and every command until then is invoiced.

    Args:
        pool: may see the tenant.
        tenant: whose commands.
        instant: where the tenant's clock stands, or stood.
        timeout_s: gives up after this time; None waits for ever.
        progress: is called with every change.

    Raises:
        TimeoutError: the time is over.
    """
    seen: Settlement | None = None
    async with asyncio.timeout(timeout_s):
        while True:
            now = await settlement(pool, tenant, instant)
            if now != seen:
                progress(now)
                seen = now
            if now.done:
                return now
            await asyncio.sleep(_POLL_S)


async def settlement(pool: Pool, tenant: TenantId, instant: datetime) -> Settlement:
    """Returns how far the tenant's commands up to the instant have come."""
    async with pool.connection() as connection, connection.transaction():
        await set_tenant(connection, tenant_id=tenant)
        row = await schedule.settlement(connection, tenant_id=tenant, instant=instant)
    assert row is not None
    return Settlement(settled=row.commands - row.unsettled, total=row.commands, due=row.due)
