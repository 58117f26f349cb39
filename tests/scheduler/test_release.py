"""Claims about the barrier and the release: nothing too early, everything once, each account in its order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from billing.entry import SubscriptionId
from connectors.postgres.queries import schedule
from connectors.scheduler import Rounds
from connectors.scheduler.barrier import note, passed
from connectors.services import subscriptions
from connectors.services.customers import UsageName, void_usage
from tests.scheduler.support import FakeBarrier, rounds, set_clock, settle
from tests.services.world import ACME, C1, REAL_NOW, S1, World, file, subscribed

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
STARTS = ["s1 SubscriptionStarted 2026-01-01", "s2 SubscriptionStarted 2026-01-01"]


async def test_a_close_goes_once_intake_has_passed_every_partition_and_not_before(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, FEBRUARY)
    barrier = FakeBarrier(ends={0: 5, 1: 0, 2: 7})
    seen = []
    for positions in ({}, {0: 5}, {0: 5, 2: 6}, {0: 4, 1: 3, 2: 9}, {0: 5, 2: 7}):
        barrier.positions = positions
        barrier.ends = {partition: end + 1 for partition, end in barrier.ends.items()}  # sent later: not waited for
        await settle(rounds(world, barrier))
        seen.append(await world.released())
        if not positions:  # the noted ends
            barrier.ends = {0: 6, 1: 1, 2: 8}
    assert seen == [STARTS[:1]] * 5
    barrier.positions = {0: 6, 1: 1, 2: 8}
    assert (await settle(rounds(world, barrier)))[0].released == 1
    assert await world.released() == [STARTS[0], "s1 CycleClosed 2026-02-01"]


@dataclass(frozen=True, slots=True)
class NotesWhateverIsThere(Rounds):
    """A planted bug: it notes what it finds after the ends were read, which may have been accepted in between."""

    async def note(self) -> int:
        """Wrong."""
        ends = await self.barrier.end_offsets()
        async with self.pool.connection() as connection, connection.transaction():
            found = await schedule.unnoted_commands(connection, most=100)
            return await schedule.note_commands(
                connection,
                noted_at=self.now(),
                offsets=note(ends),
                tenant_ids=[row.tenant_id for row in found],
                command_ids=[row.command_id for row in found],
            )


async def released_though_usage_was_behind(world: World, made: Callable[[FakeBarrier], Rounds]) -> list[str]:
    """What is released although usage, acknowledged before it was accepted, is not in the journal yet.

    While the ends are on their way from Kafka, usage is acknowledged, and then the subscription is canceled.
    """
    barrier = FakeBarrier(ends={0: 5, 1: 0}, positions={0: 5})

    async def meanwhile() -> None:
        if barrier.ends[0] == 5:
            barrier.ends[0] += 1
            async with world.work() as work:
                await subscriptions.cancel(work, ACME, S1, now=REAL_NOW)

    await world.apply(file(subscribed(), subscribed("s2", "c2")))
    async with world.work() as work:  # something to note, so that the ends are asked for
        await subscriptions.pause(work, ACME, SubscriptionId("s2"), now=REAL_NOW)
    barrier.meanwhile = meanwhile
    await settle(made(barrier))
    return [command for command in await world.released() if "Canceled" in command]


async def test_usage_acknowledged_before_a_command_is_before_it_in_the_journal(world: World) -> None:
    assert await released_though_usage_was_behind(world, lambda barrier: rounds(world, barrier)) == []


async def test_the_claim_above_finds_the_planted_bug(world: World) -> None:
    def planted(barrier: FakeBarrier) -> Rounds:
        return NotesWhateverIsThere(world.pool, world.outbox, barrier, lambda: REAL_NOW)

    assert await released_though_usage_was_behind(world, planted) == ["s1 SubscriptionCanceled 2026-01-01"]


async def test_what_needs_no_barrier_waits_for_what_stands_before_it_in_its_account_and_no_other(world: World) -> None:
    await world.apply(file(subscribed(), subscribed("s2", "c2")))
    barrier = FakeBarrier(ends={0: 1})
    async with world.work() as work:
        await subscriptions.pause(work, ACME, S1, now=REAL_NOW)
    async with world.work() as work:
        await subscriptions.resume(work, ACME, S1, now=REAL_NOW)
    await world.apply(file(subscribed(), subscribed("s2", "c2"), subscribed("s3", "c1"), subscribed("s4", "c2")))
    await settle(rounds(world, barrier))
    assert await world.released() == [*STARTS, "s4 SubscriptionStarted 2026-01-01"]
    barrier.pass_all()
    await settle(rounds(world, barrier))
    assert (await world.released())[3:] == [
        "s1 SubscriptionPaused 2026-01-01",
        "s1 SubscriptionResumed 2026-01-01",
        "s3 SubscriptionStarted 2026-01-01",
    ]


async def test_what_no_statement_answers_is_settled_by_its_release(world: World) -> None:
    await world.apply(file(subscribed()))
    async with world.work() as work:
        await void_usage(work, ACME, UsageName(C1, "e1"), now=REAL_NOW)
    await settle(rounds(world, FakeBarrier(ends={0: 1})))
    assert await world.released() == [STARTS[0], "c1 UsageVoided 2026-01-01"]
    settled = await world.rows("SELECT kind, settled_at IS NOT NULL FROM beaas.journal_commands ORDER BY sequence")
    assert settled == [("SubscriptionStarted", False), ("UsageVoided", True)]


async def test_an_event_of_the_outbox_has_its_commands_id_cause_and_key(world: World) -> None:
    await world.apply(file(subscribed()))
    await settle(rounds(world, FakeBarrier()))
    (event,) = await world.rows(
        "SELECT id, aggregate_id, type, tenant_id, correlation_id, occurred_at, payload FROM beaas.billing_events"
        " WHERE aggregate_type = 'journal'"
    )
    (command,) = await world.rows("SELECT command_id, at, payload FROM beaas.journal_commands")
    command_id, at, payload = command
    kind = "beaas.subscription.SubscriptionStarted"
    assert event == (command_id, "c1", kind, "acme", str(command_id), at, payload)


@pytest.mark.parametrize(
    ("noted", "committed", "is_passed"),
    [
        ({0: 0, 1: 0}, {}, True),
        ({0: 1}, {}, False),
        ({0: 1}, {0: 1}, True),
        ({0: 2}, {0: 1}, False),
        ({0: 2, 1: 2}, {0: 9, 1: 1}, False),
        ({10: 3}, {10: 3, 1: 0}, True),
    ],
)
def test_a_note_is_passed_when_every_partition_is(
    noted: dict[int, int], committed: dict[int, int], *, is_passed: bool
) -> None:
    assert passed(note(noted), committed) is is_passed
