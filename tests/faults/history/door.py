"""The door that users come through, for one attempt at a time: the services, each in one unit of work."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never

import psycopg

from billing.entry import CustomerId, SubscriptionId, TenantId
from billing.errors import BillingError
from connectors.catalogue_file import parse_catalogue
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.services import customers, subscriptions
from connectors.services.apply import apply
from connectors.services.clock import set_clock, settlement
from streams.app import codec_of, outbox_of, service_pool
from streams.settings import Settings
from tests.faults.history.steps import Apply, Clock, Command, Grant, Send, Step, Void

UNKNOWN: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError, TimeoutError)
"""After these nobody knows whether it happened."""
_COMMANDS: Final[dict[str, Callable[..., Any]]] = {
    "pause": subscriptions.pause,
    "resume": subscriptions.resume,
    "cancel": subscriptions.cancel,
}


class Refused(Exception):
    """The system says no, and nothing has changed."""


@dataclass(frozen=True, slots=True)
class Door:
    """Does steps."""

    pool: Pool
    outbox: Outbox

    async def do(self, step: Step) -> None:
        """The step has taken effect.

        Raises:
            Refused: it has not, and never will.
            Exception: one of `UNKNOWN`.
        """
        try:
            await self._do(step)
        except BillingError as error:
            raise Refused(str(error)) from None

    async def settled(self, tenant: str, at: datetime) -> bool:
        """Whether everything that was due by then is invoiced; what cannot be asked is not."""
        try:
            return (await settlement(self.pool, TenantId(tenant), at)).done
        except UNKNOWN:
            return False

    async def _do(self, step: Step) -> None:
        now = datetime.now(UTC)
        match step:
            case Apply(document=document):
                catalogue = parse_catalogue(json.dumps({"tenants": [document]}).encode(), "a script")
                await apply(self.pool, self.outbox, catalogue, now=now, correlation_id=step.tenant)
            case Clock(tenant=tenant, at=at):
                async with self._work() as work:
                    await set_clock(work, TenantId(tenant), at)
            case Command(tenant=tenant, name=name, subscription=code):
                async with self._work() as work:
                    await _COMMANDS[name](work, TenantId(tenant), SubscriptionId(code), now=now)
            case Void(tenant=tenant, customer=customer, id=usage, source=source):
                async with self._work() as work:
                    sent = customers.UsageName(CustomerId(customer), usage, source)
                    await customers.void_usage(work, TenantId(tenant), sent, now=now)
            case Grant(tenant=tenant, customer=customer, id=grant_id, amount=amount):
                async with self._work() as work:
                    given, whole_id = customers.Grant(CustomerId(customer), amount), f"{tenant}-{grant_id}"
                    await customers.grant_credit(work, TenantId(tenant), given, now=now, grant_id=whole_id)
            case Send():
                raise AssertionError(step)
            case _:
                assert_never(step)

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[UnitOfWork]:
        async with unit_of_work(self.pool, None, outbox=self.outbox, correlation_id="history") as work:
            yield work


@asynccontextmanager
async def open_door(settings: Settings) -> AsyncIterator[Door]:
    """A door to the servers that the settings name."""
    async with service_pool(settings, "history", size=8) as pool:
        yield Door(pool, outbox_of(settings, codec_of(settings)))
