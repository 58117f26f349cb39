"""What a history comes to where nothing ever fails: the straight fold of each account, without a pipeline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from billing.account import Account as Machine
from billing.account import SeenInMemory
from billing.entry import CustomerId, Entry, TenantId, Usage, UsageVoided
from billing.invoice import Invoice, draw
from billing.statement import Outcome, Refused, Statement
from tests.simulation.database import Held
from tests.simulation.history import Accept, Account, Act, History, Send

_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")


@dataclass(slots=True)
class Expected:
    """What the pipeline must end in.

    Attributes:
        invoices: content by tenant and statement.
        statements: ids of all statements, those without lines too.
        refused: how often usage was turned away, by account and reason.
    """

    invoices: dict[tuple[str, str], bytes] = field(default_factory=dict)
    drawn: list[Invoice] = field(default_factory=list)
    statements: set[tuple[str, str]] = field(default_factory=set)
    refused: dict[tuple[str, str, str], int] = field(default_factory=dict)


def content(invoice: Invoice) -> bytes:
    """All that an invoice says, byte for byte, but for its number and for the position of its close in the journal.

    These two depend on what other accounts did meanwhile.
    """
    statement = msgspec.structs.replace(invoice.statement, position=0)
    amounts = (
        invoice.subtotal_minor,
        invoice.tax_minor,
        invoice.total_minor,
        invoice.credited_minor,
        invoice.amount_due_minor,
        [(burn.grant_id, burn.amount_minor) for burn in invoice.burns],
    )
    return _ENCODER.encode((statement, amounts))


def drawn(statement: Statement, held: dict[str, Held]) -> Invoice:
    """The invoice of a statement; `held` then has what it leaves."""
    reaching = [
        one.grant
        for one in held.values()
        if one.currency == statement.currency and one.granted_at_us <= statement.issued_at_us
    ]
    invoice = draw(statement, reaching)
    for burn in invoice.burns:
        one = held[burn.grant_id]
        grant = replace(one.grant, left_minor=one.grant.left_minor - burn.amount_minor)
        held[burn.grant_id] = replace(one, grant=grant)
    if invoice.grant is not None:
        held[invoice.grant.grant_id] = Held(invoice.grant, statement.currency, statement.issued_at_us)
    return invoice


def fold(history: History) -> Expected:
    """The straight fold."""
    expected = Expected()
    for account, acts in history.acts.items():
        held = {one.grant.grant_id: replace(one) for owner, one in history.credit if owner == account}
        for outcome in _outcomes(account, _entries(acts)):
            _take(expected, account, outcome, held)
    return expected


def _take(expected: Expected, account: Account, outcome: Outcome, held: dict[str, Held]) -> None:
    if isinstance(outcome, Statement):
        name = outcome.tenant, outcome.statement_id
        expected.statements.add(name)
        if outcome.lines:
            invoice = drawn(outcome, held)
            expected.drawn.append(invoice)
            expected.invoices[name] = content(invoice)
    elif isinstance(outcome, Refused):
        reason = *account, outcome.reason
        expected.refused[reason] = expected.refused.get(reason, 0) + 1


def _entries(acts: Iterable[Act]) -> Iterable[Entry]:
    for act in acts:
        if isinstance(act, Send):
            yield act.usage
        elif isinstance(act, Accept):
            yield act.command


def _outcomes(account: Account, entries: Iterable[Entry]) -> Iterable[Outcome]:
    machine = Machine.load(TenantId(account[0]), CustomerId(account[1]), None, lambda _: None)
    seen, past = SeenInMemory(), list[Entry]()
    for position, entry in enumerate(entries):
        past.append(entry)
        if isinstance(entry, UsageVoided):
            entry = msgspec.structs.replace(entry, original=_original(entry, past))  # noqa: PLW2901 - as the shell does
        since = machine.rewind_from(entry)
        again = None if since is None else [(one, at) for at, one in _usage(past) if since <= at < position]
        yield from machine.apply(entry, position, seen, again)


def _usage(past: Sequence[Entry]) -> Iterable[tuple[int, Usage]]:
    return ((at, one) for at, one in enumerate(past) if isinstance(one, Usage))


def _original(void: UsageVoided, past: Sequence[Entry]) -> tuple[Usage, int] | None:
    return next(((one, at) for at, one in _usage(past) if (one.id, one.source) == (void.id, void.source)), None)
