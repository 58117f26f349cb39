"""Running totals and parked usage, as rating last told of them: the newest stands."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import msgspec

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Connection, Pool
from connectors.postgres.queries import usage as queries
from connectors.postgres.unit_of_work import unit_of_work
from schemas.records import UsageParked, UsageTotal

UsageFact: TypeAlias = UsageTotal | UsageParked

_Key: TypeAlias = tuple[str, str, str, str, str, datetime]


class UsageViewSink:
    """Writes what rating says about usage so far.

    Args:
        pool: of the role `beaas_service`.
        outbox: not written to; the unit of work asks for one.
    """

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def write(self, facts: Sequence[UsageFact], /) -> None:
        """Each total and each count of parked usage stands as given, unless a newer one stood already; all or none.

        Raises:
            psycopg.Error: nothing was written, or it is not known: write the same again.
        """
        totals = [fact for fact in facts if isinstance(fact, UsageTotal)]
        parked = [fact for fact in facts if isinstance(fact, UsageParked)]
        async with unit_of_work(self._pool, None, outbox=self._outbox) as work:
            if totals:
                await _upsert_totals(work.connection, totals)
            if parked:
                await _upsert_parked(work.connection, parked)


async def _upsert_totals(connection: Connection, totals: Sequence[UsageTotal]) -> None:
    newest: dict[_Key, tuple[UsageTotal, str]] = {}
    for total in totals:
        group = msgspec.json.encode(total.line_group, order="sorted").decode()
        key = total.tenant_id, total.customer_id, total.subscription_id, total.price, group, total.period_start
        stood = newest.get(key)
        if stood is None or total.journal_position >= stood[0].journal_position:
            newest[key] = total, group
    # In one order for everybody: two sinks that write the same rows then wait for each other, and never in a circle.
    ordered = [newest[key] for key in sorted(newest)]
    await queries.upsert_totals(
        connection,
        tenant_ids=[total.tenant_id for total, _ in ordered],
        customer_ids=[total.customer_id for total, _ in ordered],
        subscription_ids=[total.subscription_id for total, _ in ordered],
        price_ids=[total.price for total, _ in ordered],
        line_groups=[group for _, group in ordered],
        period_starts=[total.period_start for total, _ in ordered],
        period_ends=[total.period_end for total, _ in ordered],
        quantities=[Decimal(total.quantity) for total, _ in ordered],
        amounts_minor=[total.amount_minor for total, _ in ordered],
        currencies=[total.currency for total, _ in ordered],
        journal_positions=[total.journal_position for total, _ in ordered],
        as_ofs=[total.as_of for total, _ in ordered],
    )


async def _upsert_parked(connection: Connection, parked: Sequence[UsageParked]) -> None:
    newest: dict[tuple[str, str], UsageParked] = {}
    for count in parked:
        key = count.tenant_id, count.customer_id
        stood = newest.get(key)
        if stood is None or count.journal_position >= stood.journal_position:
            newest[key] = count
    ordered = [newest[key] for key in sorted(newest)]
    await queries.upsert_parked(
        connection,
        tenant_ids=[count.tenant_id for count in ordered],
        customer_ids=[count.customer_id for count in ordered],
        events=[count.events for count in ordered],
        reasons=[count.reason for count in ordered],
        as_ofs=[count.as_of for count in ordered],
        journal_positions=[count.journal_position for count in ordered],
    )
