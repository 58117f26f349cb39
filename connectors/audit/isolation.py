"""Reads out of the catalogue how tenants are kept apart, and looks as some of them (I11)."""

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from billing.invariants import FunctionFact, IsolationFact, RoleFact, SightFact, TableFact, ViewFact
from connectors.postgres.pool import Pool
from connectors.postgres.queries import audit as queries
from connectors.postgres.queries.outbox import set_tenant

LOOKS: Final = 3
"""As so many tenants everything is looked at that they may read."""
_MOST_COUNTED: Final = 1_000


async def isolation_facts(service: Pool, api: Pool, tenants: Sequence[str]) -> list[IsolationFact]:
    """Returns how tables, views, functions and roles are made, and what each of some tenants sees of others.

    Args:
        service: of the role that sees all.
        api: of the role that sees one tenant.
        tenants: as whom to look.
    """
    async with service.connection() as connection:
        relations = await queries.audited_relations(connection)
        functions = await queries.audited_functions(connection)
        roles = await queries.audited_roles(connection)
    facts: list[IsolationFact] = [FunctionFact(row.name, row.as_definer) for row in functions]
    facts += [RoleFact(row.name, row.above_security) for row in roles]
    for row in relations:
        name = f"{row.schema}.{row.name}"
        fact = ViewFact(name, row.as_invoker) if row.is_view else TableFact(name, row.has_tenant, row.forces_security)
        facts.append(fact)
    for tenant in tenants[:LOOKS]:
        facts += [await _sight(api, tenant, row) for row in relations if row.readable and _column(row)]
    return facts


async def _sight(api: Pool, tenant: str, row: queries.AuditedRelations) -> SightFact:
    """Looks as the tenant; stops at the first so many foreign rows."""
    looked = sql.SQL(
        "SELECT count(*) FROM (SELECT FROM {} WHERE {} IS DISTINCT FROM %s LIMIT {}) AS foreign_rows"
    ).format(sql.Identifier(row.schema, row.name), sql.Identifier(_column(row)), sql.Literal(_MOST_COUNTED))
    async with api.connection() as connection, connection.transaction():
        await set_tenant(connection, tenant_id=tenant)
        found = await (await connection.execute(looked, [tenant])).fetchone()
    assert found is not None
    return SightFact(tenant, f"{row.schema}.{row.name}", found[0])


def _column(row: queries.AuditedRelations) -> str:
    """The column that names the tenant; empty where there is none."""
    return "tenant_id" if row.has_tenant else "tenant" if row.shows_tenant else ""
