"""What must hold, always: each invariant is one function of plain facts.

The simulation and `beaas doctor` judge by the same functions; the fault bench, whose auditor shares none of them, runs
doctor too. None of them reads anything: whoever asks brings the facts, as iterables, and gets findings; what the order
of the facts must be, each says.
docs/invariants.md is the table.
"""

from billing.invariants.books import (
    BalanceFact,
    EntryFact,
    InvoiceFact,
    IssueFact,
    NumberFact,
    PeriodFact,
    PostingFact,
    SeriesFact,
    invoice_ledger_and_outbox_agree,
    invoices_add_up,
    ledger_balances,
    numbers_are_gapless,
    one_invoice_per_period,
)
from billing.invariants.commands import (
    Attempt,
    CommandFact,
    DeadLetterFact,
    SizeFact,
    nothing_runs_away,
    repeats_change_nothing,
)
from billing.invariants.delivery import (
    LagFact,
    OutboxFact,
    PositionFact,
    ReadFact,
    RestartFact,
    SequenceFact,
    aggregates_are_in_order,
    commits_follow_effects,
    everything_settles,
    outbox_is_published,
    records_decode,
)
from billing.invariants.finding import Finding
from billing.invariants.isolation import (
    FunctionFact,
    IsolationFact,
    RoleFact,
    SightFact,
    TableFact,
    ViewFact,
    tenants_are_apart,
)
from billing.invariants.refolds import RefoldFact, finals_stay, replay_agrees, state_is_its_fold
from billing.invariants.registry import INVARIANTS, Invariant
from billing.invariants.usage import (
    NOTHING,
    CellFact,
    EventFact,
    Measure,
    every_event_has_one_fate,
    usage_is_conserved,
)

__all__ = [
    "INVARIANTS",
    "NOTHING",
    "Attempt",
    "BalanceFact",
    "CellFact",
    "CommandFact",
    "DeadLetterFact",
    "EntryFact",
    "EventFact",
    "Finding",
    "FunctionFact",
    "Invariant",
    "InvoiceFact",
    "IsolationFact",
    "IssueFact",
    "LagFact",
    "Measure",
    "NumberFact",
    "OutboxFact",
    "PeriodFact",
    "PositionFact",
    "PostingFact",
    "ReadFact",
    "RefoldFact",
    "RestartFact",
    "RoleFact",
    "SequenceFact",
    "SeriesFact",
    "SightFact",
    "SizeFact",
    "TableFact",
    "ViewFact",
    "aggregates_are_in_order",
    "commits_follow_effects",
    "every_event_has_one_fate",
    "everything_settles",
    "finals_stay",
    "invoice_ledger_and_outbox_agree",
    "invoices_add_up",
    "ledger_balances",
    "nothing_runs_away",
    "numbers_are_gapless",
    "one_invoice_per_period",
    "outbox_is_published",
    "records_decode",
    "repeats_change_nothing",
    "replay_agrees",
    "state_is_its_fold",
    "tenants_are_apart",
    "usage_is_conserved",
]
