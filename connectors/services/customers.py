"""A tenant's customers, and what is done to their accounts apart from subscriptions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from billing.currency import currency
from billing.entry import CustomerId, TenantId, UsageVoided
from billing.errors import InvalidDefinition
from billing.instant import micros
from billing.ledger import prepayment
from billing.money import Money
from connectors.postgres.pool import Connection
from connectors.postgres.queries import credit, customer, ledger
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services import journal
from connectors.services.catalog import tenant_of
from connectors.services.store import lock_accounts
from schemas import convert, records, topics

Account = tuple[TenantId, CustomerId]
_VOIDS: Final = UUID("0f0a0c55-8a53-5d2c-8a4e-3c1b7f5a9d20")  # the name space of voids


async def names_of(connection: Connection, accounts: Iterable[Account]) -> dict[Account, str]:
    """Returns the names of those customers that exist, and locks their accounts.

    All at once and in the order in which everybody locks: locked one after the other, as they are changed, they could
    wait for each other.
    """
    wanted = list(accounts)
    rows = await customer.customers_of(
        connection, tenant_ids=[tenant for tenant, _ in wanted], customer_ids=[code for _, code in wanted]
    )
    return {(TenantId(row.tenant_id), CustomerId(row.customer_id)): row.name for row in rows}


async def save_customers(
    work: UnitOfWork, customers: Sequence[tuple[Account, str]], at: dict[TenantId, datetime]
) -> None:
    """Creates customers or gives them their names, and tells of it; `at` is each tenant's moment."""
    await customer.save_customers(
        work.connection,
        tenant_ids=[tenant for (tenant, _), _ in customers],
        customer_ids=[code for (_, code), _ in customers],
        names=[name for _, name in customers],
    )
    for (tenant, code), name in customers:
        record = records.CustomerSaved(tenant_id=tenant, customer_id=code, name=name)
        work.publish(topics.CUSTOMER, code, tenant, record, occurred_at=at[tenant])


@dataclass(frozen=True, slots=True)
class UsageName:
    """One usage event as its producer named it."""

    customer: CustomerId
    id: str
    source: str = ""


async def void_usage(work: UnitOfWork, tenant: TenantId, sent: UsageName, *, now: datetime) -> UUID:
    """Takes one usage event back, whether it has arrived already or not; returns the command's id.

    The same event again is the same command, and nothing is written.

    Raises:
        Unknown: there is no such tenant or customer.
    """
    at = (await tenant_of(work.connection, tenant)).now(now)
    await lock_accounts(work.connection, [(tenant, sent.customer)])
    command_id = uuid5(_VOIDS, f"{tenant}\x00{sent.customer}\x00{sent.source}\x00{sent.id}")
    if not await journal.known(work, tenant, command_id):
        void = UsageVoided(
            command_id=str(command_id),
            tenant=tenant,
            customer=sent.customer,
            source=sent.source,
            id=sent.id,
            at_us=micros(at),
        )
        await journal.append(work, [void])
    return command_id


@dataclass(frozen=True, slots=True)
class Grant:
    """Prepaid money for a customer: `amount` in major units of the tenant's currency; lower priorities burn first."""

    customer: CustomerId
    amount: str
    priority: int = 0
    expires_at: datetime | None = None


async def grant_credit(
    work: UnitOfWork, tenant: TenantId, grant: Grant, *, now: datetime, grant_id: str | None = None
) -> str:
    """Gives a customer credit that it has paid for and returns the grant's id; the same id again gives nothing more.

    The ledger owes it to the customer from then on, against what it prepaid.

    Raises:
        Unknown: there is no such tenant or customer.
        InvalidDefinition: the amount is none of the tenant's currency, or not above 0.
    """
    state = await tenant_of(work.connection, tenant)
    money = Money.of(grant.amount, currency(state.currency))
    if money.minor <= 0:
        raise InvalidDefinition("amount", f"is {grant.amount}; more than 0 is allowed")
    await lock_accounts(work.connection, [(tenant, grant.customer)])
    chosen, at = grant_id or str(uuid7()), state.now(now)
    added = await credit.insert_grants(
        work.connection,
        tenant_ids=[tenant],
        grant_ids=[chosen],
        customer_ids=[grant.customer],
        currencies=[state.currency],
        amounts_minor=[Decimal(money.minor)],
        priorities=[grant.priority],
        granted_ats=[at],
        expires_ats=[grant.expires_at],
        invoice_ids=[None],
    )
    if added:
        record = records.CreditGranted(
            grant_id=chosen,
            tenant_id=tenant,
            customer_id=grant.customer,
            currency=state.currency,
            amount_minor=money.minor,
            priority=grant.priority,
            expires_at=grant.expires_at,
            granted_at=at,
        )
        work.publish(topics.CREDIT, chosen, tenant, record, occurred_at=at)
        await _post(work, record)
    return chosen


async def _post(work: UnitOfWork, granted: records.CreditGranted) -> None:
    """Adds the double entry of a grant, and the event that tells of it."""
    sides, transaction_id = prepayment(granted.amount_minor), uuid7()
    await ledger.insert_transactions(
        work.connection,
        tenant_ids=[granted.tenant_id],
        transaction_ids=[transaction_id],
        customer_ids=[granted.customer_id],
        invoice_ids=[None],
        currencies=[granted.currency],
        posted_ats=[granted.granted_at],
        grant_ids=[granted.grant_id],
    )
    await ledger.insert_postings(
        work.connection,
        tenant_ids=[granted.tenant_id] * len(sides),
        transaction_ids=[transaction_id] * len(sides),
        positions=list(range(1, len(sides) + 1)),
        accounts=[side.account for side in sides],
        amounts_minor=[Decimal(side.amount_minor) for side in sides],
    )
    posted = records.LedgerPosted(
        transaction_id=str(transaction_id),
        tenant_id=granted.tenant_id,
        customer_id=granted.customer_id,
        currency=granted.currency,
        posted_at=granted.granted_at,
        postings=convert.postings_from_domain(sides),
        grant_id=granted.grant_id,
    )
    work.publish(topics.LEDGER, str(transaction_id), granted.tenant_id, posted, occurred_at=granted.granted_at)
