"""Every invariant, by its id."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from billing.invariants import books, commands, delivery, isolation, refolds, usage
from billing.invariants.finding import Finding


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold, always."""

    id: str
    title: str
    judge: Callable[..., Iterator[Finding]]
    """Takes the facts that its module declares, and yields what is wrong with them; reads each fact once, in order."""


INVARIANTS: Final = (
    Invariant("I01", "what was accepted is what was metered and invoiced", usage.usage_is_conserved),
    Invariant("I02", "every produced event has exactly one fate", usage.every_event_has_one_fate),
    Invariant("I03", "one invoice for each close", books.one_invoice_per_period),
    Invariant("I04", "invoices add up, in one currency and whole minor units", books.invoices_add_up),
    Invariant("I05", "the ledger balances", books.ledger_balances),
    Invariant("I06", "invoice, ledger transaction and events come together", books.invoice_ledger_and_outbox_agree),
    Invariant("I07", "the outbox is on the bus, soon", delivery.outbox_is_published),
    Invariant("I08", "an aggregate's events are in order", delivery.aggregates_are_in_order),
    Invariant("I11", "no tenant sees another", isolation.tenants_are_apart),
    Invariant("I12", "state is the fold of its log", refolds.state_is_its_fold),
    Invariant("I13", "no offset is committed before its effect", delivery.commits_follow_effects),
    Invariant("I14", "a repeated command changes nothing", commands.repeats_change_nothing),
    Invariant("I15", "invoice numbers have no gap", books.numbers_are_gapless),
    Invariant("I16", "what is final stays as it was", refolds.finals_stay),
    Invariant("I17", "a replay gives the same invoices", refolds.replay_agrees),
    Invariant("I18", "every record can be read, or is a dead letter", delivery.records_decode),
    Invariant("I19", "everything catches up", delivery.everything_settles),
    Invariant("I20", "nothing runs away, and only bad usage is dead", commands.nothing_runs_away),
)
"""I09 and I10, of webhooks, wait for webhooks."""
