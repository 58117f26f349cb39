"""The one way to the journal: steps become rows of `journal_commands`, events and the subscriptions' new state."""

from collections.abc import Sequence
from uuid import UUID

from billing.entry import ENDS_A_WINDOW, Command, SubscriptionCommand, TenantId, UsageVoided
from billing.instant import instant
from connectors.postgres.queries import schedule, subscription
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services.lifecycle import Step, Subscription
from schemas import convert, records, topics


async def take(work: UnitOfWork, steps: Sequence[Step]) -> None:
    """Writes the steps, in this order, with their commands, their ticks and the events of the states they changed.

    The caller holds the locks of all their accounts, and the subscriptions exist.
    """
    if not steps:
        return
    await _tick(work, [step for step in steps if step.due])
    await append(work, [step.entry for step in steps if step.entry is not None])
    await _move(work, list({(step.after.tenant, step.after.code): step.after for step in steps}.values()))
    for step in steps:
        if step.moved:
            announce(work, step)


async def append(work: UnitOfWork, entries: Sequence[SubscriptionCommand | UsageVoided]) -> None:
    """Adds commands behind every other of their accounts, and wakes the scheduler at the commit."""
    if not entries:
        return
    encode, topic = work.outbox.encoder.encode, topics.JOURNAL.full_name(work.outbox.topic_prefix)
    await schedule.append_commands(
        work.connection,
        tenant_ids=[entry.tenant for entry in entries],
        command_ids=[UUID(entry.command_id) for entry in entries],
        customer_ids=[entry.customer for entry in entries],
        subscription_ids=[entry.subscription if isinstance(entry, Command) else None for entry in entries],
        kinds=[type(entry).__name__ for entry in entries],
        ats=[instant(entry.at_us) for entry in entries],
        payloads=[encode(topic, convert.entry_from_domain(entry)) for entry in entries],
        barriers=[isinstance(entry, ENDS_A_WINDOW) for entry in entries],
        correlation_ids=[entry.correlation_id if isinstance(entry, Command) else "" for entry in entries],
        causation_ids=[work.causation_id] * len(entries),
    )
    await schedule.wake_scheduler(work.connection)


def announce(work: UnitOfWork, step: Step) -> None:
    """Adds the event that tells of a subscription's new state."""
    subscription = step.after
    work.publish(
        topics.SUBSCRIPTION,
        subscription.code,
        subscription.tenant,
        records.SubscriptionStateChanged(
            tenant_id=subscription.tenant,
            subscription_id=subscription.code,
            customer_id=subscription.customer,
            plan=subscription.terms.plan,
            plan_version=subscription.terms.plan_version,
            state_before=None if step.before is None else str(step.before),
            state=str(subscription.state),
            at=step.at,
        ),
        occurred_at=step.at,
        correlation_id=None if step.entry is None else step.entry.correlation_id,
        causation_id=None if step.entry is None else step.entry.command_id,
    )


async def _tick(work: UnitOfWork, steps: Sequence[Step]) -> None:
    if not steps:
        return
    await schedule.record_ticks(
        work.connection,
        tenant_ids=[step.after.tenant for step in steps],
        jobs=[f"subscription/{step.after.code}" for step in steps],
        due_ats=[step.at for step in steps],
    )


async def _move(work: UnitOfWork, moved: Sequence[Subscription]) -> None:
    await subscription.move_subscriptions(
        work.connection,
        tenant_ids=[each.tenant for each in moved],
        subscription_ids=[each.code for each in moved],
        states=[str(each.state) for each in moved],
        ended_ats=[each.ended_at for each in moved],
        closed_untils=[each.closed_until for each in moved],
        next_due_ats=[each.next_due_at for each in moved],
    )


async def known(work: UnitOfWork, tenant: TenantId, command_id: UUID) -> bool:
    """Tells whether the tenant has such a command already."""
    return await schedule.command_by_id(work.connection, tenant_id=tenant, command_id=command_id) is not None
