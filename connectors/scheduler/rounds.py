"""One round of the scheduler: take what is due, note offsets for what has to wait, release what may go.

Everything it knows stands in rows, and each part is one transaction that leaves the next one nothing to undo: a
scheduler that dies anywhere is carried on by the next. Ticks, command ids and event ids are unique, so what was done
can't be done again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.entry import CustomerId, SubscriptionId, TenantId
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.queries import schedule, subscription
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.scheduler.barrier import UsageBarrier, note, passed
from connectors.services import journal
from connectors.services.lifecycle import fall_due_until
from connectors.services.store import load, lock_accounts
from schemas import topics

BATCH: Final = 500
"""Subscriptions and commands of one transaction: some 50 ms, so nobody waits long for an account's lock."""
MOST_NOTED: Final = 20_000

_RECORDS: Final = {name.rpartition(".")[2]: name for name in topics.JOURNAL.records}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did, and whether commands still wait for intake."""

    fallen_due: int
    noted: int
    released: int
    waiting: bool

    @property
    def worked(self) -> bool:
        """Whether it did anything, so that there may be more."""
        return bool(self.fallen_due or self.noted or self.released)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Makes rounds; `now` is the real clock, which tenants without a test clock live by, `close_grace` behind it."""

    pool: Pool
    outbox: Outbox
    barrier: UsageBarrier
    now: Callable[[], datetime]
    close_grace: timedelta = timedelta()
    batch: int = BATCH

    async def once(self) -> Round:
        """Makes one round."""
        fallen_due = await self.take_due()
        noted = await self.note()
        released, waiting = await self.release()
        return Round(fallen_due, noted, released, waiting)

    async def take_due(self) -> int:
        """Takes a batch of what is due, the earliest first over all tenants; returns how many steps that were.

        As many steps at most as subscriptions: so many earliest steps of so many subscriptions are none later than
        the last subscription's first, and so none later than what falls due of those that are not in the batch.
        """
        async with unit_of_work(self.pool, None, outbox=self.outbox) as work:
            await schedule.serialize_rounds(work.connection)
            due = await subscription.due_subscriptions(work.connection, real_now=self._real_now(), most=self.batch)
            if not due:
                return 0
            await lock_accounts(
                work.connection, [(TenantId(row.tenant_id), CustomerId(row.customer_id)) for row in due]
            )
            found = await load(
                work.connection, [(TenantId(row.tenant_id), SubscriptionId(row.subscription_id)) for row in due]
            )
            until = {TenantId(row.tenant_id): row.tenant_now for row in due}
            steps = list(fall_due_until(found, until, self.batch))
            await journal.take(work, steps)
        return len(steps)

    async def note(self) -> int:
        """Notes the usage topic's ends for exactly the commands that were committed before the ends were asked for.

        One that is committed in between would be noted with ends from before its acceptance, and usage acknowledged
        in that moment would be late: so the commands are named, and not found again.
        """
        async with self.pool.connection() as connection, connection.transaction():
            unnoted = await schedule.unnoted_commands(connection, most=MOST_NOTED)
        if not unnoted:
            return 0
        ends = await self.barrier.end_offsets()
        async with self.pool.connection() as connection, connection.transaction():
            return await schedule.note_commands(
                connection,
                noted_at=self.now(),
                offsets=note(ends),
                tenant_ids=list({row.tenant_id for row in unnoted}),
                command_ids=[row.command_id for row in unnoted],
            )

    async def release(self) -> tuple[int, bool]:
        """Releases a batch of commands; returns how many, and whether some still wait for intake.

        A command goes once nothing of its account stands before it that waits; its event has the command's id.
        """
        passed_notes, waiting = await self._passed_notes()
        async with unit_of_work(self.pool, None, outbox=self.outbox) as work:
            await schedule.serialize_rounds(work.connection)
            commands = await schedule.releasable_commands(work.connection, passed=passed_notes, most=self.batch)
            if commands:
                await self._release(work, commands)
        return len(commands), waiting

    async def _passed_notes(self) -> tuple[list[datetime], bool]:
        """Returns the notes that intake has passed, by their moments, and whether there are others.

        Notes of one moment count as passed when all of them are.
        """
        async with self.pool.connection() as connection, connection.transaction():
            noted = await schedule.noted_offsets(connection)
        if not noted:
            return [], False
        committed = await self.barrier.committed()
        through: dict[datetime, bool] = defaultdict(lambda: True)
        for row in noted:
            through[row.noted_at] &= passed(row.offsets, committed)
        return [moment for moment, done in through.items() if done], not all(through.values())

    async def _release(self, work: UnitOfWork, commands: Sequence[schedule.ReleasableCommands]) -> None:
        for command in commands:
            work.forward(
                topics.JOURNAL,
                command.customer_id,
                command.tenant_id,
                command.payload,
                record_type=_RECORDS[command.kind],
                occurred_at=command.at,
                event_id=command.command_id,
                correlation_id=command.correlation_id,
                causation_id=command.causation_id,
            )
        await schedule.mark_released(
            work.connection,
            released_at=self.now(),
            tenant_ids=list({command.tenant_id for command in commands}),
            command_ids=[command.command_id for command in commands],
        )

    def _real_now(self) -> datetime:
        return self.now() - self.close_grace
