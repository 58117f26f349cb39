"""What must hold when a simulation is over: the invariants of `billing.invariants` on what stands in logs and tables.

Besides the facts about the run itself, two other accounts of the same history are held against it: the straight fold of
what customers and tenants did (`reference.py`), and a second fold of the journal that the run left behind.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from billing import invariants as must
from billing.account import usage_key
from billing.entry import Command, SubscriptionStarted
from billing.instant import micros
from billing.invariants import Finding
from billing.statement import LineKind
from schemas import topics
from schemas.convert import statement_to_domain
from schemas.errors import UndecodableRecord
from schemas.records import DeadLetter, StatementClosed, UsageTotal
from streams.batching.batch import Partition, Record
from streams.batching.stores import MemoryStore
from streams.batching.tables import POSITION_KEY, FoldTable, PackedIdTable
from tests.simulation.broker import Log
from tests.simulation.reference import Expected, content
from tests.simulation.run import CODEC, JOURNAL, PREFIX, SOURCES, STATEMENTS, USAGE, Simulation, position_of
from tests.simulation.stand_in import outside

T = TypeVar("T")
_TOTALS = topics.USAGE_TOTALS.full_name(PREFIX)
_DEAD_LETTERS = topics.DEAD_LETTERS.full_name(PREFIX)


def findings(simulation: Simulation, expected: Expected) -> list[Finding]:
    """All that is wrong with how a simulation has ended."""
    found = [Finding("I13", "", "while it ran", what) for what in simulation.broken]
    for judge in (_events, _state, _commands, _outbox, _order, _positions, _invoices, _ledger, _books, _cells):
        found += judge(simulation)
    return [*found, *_periods(simulation, expected), *_replay(simulation, expected)]


# I02 ----------------------------------------------------------------------------------------------------------------


def _events(simulation: Simulation) -> Iterator[Finding]:
    """Every record that producers were acknowledged: in the journal once, and counted, a duplicate or dead there."""
    dead: defaultdict[str, Counter[bytes]] = defaultdict(Counter)
    for record in _committed(simulation, _DEAD_LETTERS):
        letter = _decoded(record, DeadLetter)
        dead[letter.source_topic][_name(letter.value)] += 1
    journaled = Counter(_name(record.value) for record in _committed(simulation, JOURNAL) if not record.headers)
    sent: Counter[bytes] = Counter()
    for value, copies in simulation.sent.items():
        sent[_name(value)] += copies
    yield from must.every_event_has_one_fate(
        _fate(name, sent[name], journaled[name], dead[USAGE][name], dead[JOURNAL][name])
        for name in sorted(sent.keys() | journaled.keys() | dead[USAGE].keys() | dead[JOURNAL].keys())
    )


def _fate(name: bytes, sent: int, journaled: int, unreadable: int, refused: int) -> must.EventFact:
    accepted = min(1, max(0, journaled - refused))
    duplicate = journaled - refused - accepted
    return must.EventFact("", name.hex(), sent, 0, accepted, 0, duplicate, unreadable + refused)


def _name(value: bytes | None) -> bytes:
    """What a record is known by: its usage's id, or its bytes."""
    try:
        return usage_key(CODEC.decode_usage(value or b""))
    except UndecodableRecord:
        return value or b""


# I12 ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadBack:
    """In the place of the product's reader of the journal, over a log that has come to rest."""

    logs: list[Log]

    async def records(self, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        """See `JournalReader.records`."""
        for record in self.logs[partition].read(start, most=end - start)[0]:
            if record.offset < end:
                yield record


def _state(simulation: Simulation) -> list[Finding]:
    """What a restore finds is what one fold of the whole journal gives, and so are the statements that went out."""
    logs = simulation.broker.topic(JOURNAL)
    with outside(simulation.broker):
        app = simulation.rating(ReadBack(logs))
    facts: list[must.RefoldFact] = []
    told = {log.partition: log for log in simulation.broker.topic(STATEMENTS)}
    for log in logs:
        stores: dict[FoldTable, MemoryStore] = {table: MemoryStore() for table in app.tables}
        fold = app.factory(Partition(log.partition, stores))
        if records := log.committed():
            _finished(fold.fold(records))
        flush = fold.flush()
        for table, items in flush.tables.items():
            stores[table].write(items, 0)
        for table in app.tables:
            facts += _rows(table, log.partition, _restored(simulation, table, log.partition), stores[table])
        again = Counter(out.value for out in flush.outcomes if out.topic == STATEMENTS)
        stands = Counter(record.value for record in told[log.partition].committed())
        facts.append(must.RefoldFact("", f"{STATEMENTS}/{log.partition}", _listed(stands), _listed(again)))
    return list(must.state_is_its_fold(facts))


def _restored(simulation: Simulation, table: FoldTable, partition: int) -> MemoryStore:
    store = MemoryStore()
    store.write(table.unpack(simulation.broker.log(table.changelog, partition).committed()), 0)
    return store


def _rows(table: FoldTable, partition: int, stands: MemoryStore, again: MemoryStore) -> Iterator[must.RefoldFact]:
    keys = (stands._items.keys() | again._items.keys()) - {POSITION_KEY}
    if isinstance(table, PackedIdTable) and stands._items == again._items:
        return  # nothing to say of thousands
    for key in sorted(keys):
        yield must.RefoldFact("", f"{table.name}-{partition} {key!r}", stands.get(key), again.get(key))


def _listed(values: Counter[bytes | None]) -> bytes:
    return b"".join(sorted((value or b"") + count.to_bytes(4, "big") for value, count in values.items()))


def _finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits for something")


# Commands, events, positions ----------------------------------------------------------------------------------------


def _commands(simulation: Simulation) -> Iterator[Finding]:
    """I14: however often the relay told the journal of a command, one statement answers it."""
    told: defaultdict[str, list[must.Attempt]] = defaultdict(list)
    for record in _committed(simulation, JOURNAL):
        if record.headers:
            told[_event_id(record)].append(must.Attempt(record.value or b"", b""))
    answers: Counter[str] = Counter(
        _decoded(record, StatementClosed).command_id for record in _committed(simulation, STATEMENTS)
    )
    for command in simulation.history.commands():
        if isinstance(command, Command):
            attempts = tuple(told[command.command_id]) or (must.Attempt(b"", b""),)
            fact = must.CommandFact(command.tenant, command.command_id, attempts, answers[command.command_id])
            yield from must.repeats_change_nothing([fact])


def _outbox(simulation: Simulation) -> Iterator[Finding]:
    """I07."""
    written = {str(event.id): event for events in simulation.database.wal for event in events}
    published = {
        name: Counter(_event_id(record) for record in _committed(simulation, name) if record.headers)
        for name in sorted({f"{PREFIX}{event.aggregate_type}" for event in written.values()} | {JOURNAL})
    }
    facts = [
        must.OutboxFact(
            event.tenant_id, f"{PREFIX}{event.aggregate_type}", name, in_outbox=True,
            published=published[f"{PREFIX}{event.aggregate_type}"][name], age_s=1 << 20,
        )
        for name, event in written.items()
    ]  # fmt: skip
    for topic, ids in published.items():
        facts += [
            must.OutboxFact("", topic, name, in_outbox=False, published=count, age_s=0)
            for name, count in ids.items()
            if name not in written
        ]
    return must.outbox_is_published(facts)


def _order(simulation: Simulation) -> Iterator[Finding]:
    """I08."""
    sequences: dict[str, int] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for event in (event for events in simulation.database.wal for event in events):
        aggregate = event.aggregate_type, event.tenant_id, event.aggregate_id
        counts[aggregate] += 1
        sequences[str(event.id)] = counts[aggregate]
    for topic in sorted({f"{PREFIX}{kind}" for kind, _, _ in counts}):
        by_key: defaultdict[bytes, list[str]] = defaultdict(list)
        for record in _committed(simulation, topic):
            if record.headers:
                by_key[record.key or b""].append(_event_id(record))
        for key, names in sorted(by_key.items()):
            yield from must.aggregates_are_in_order(
                must.SequenceFact("", topic, key.decode(), name, sequences.get(name, 0)) for name in names
            )


def _positions(simulation: Simulation) -> Iterator[Finding]:
    """I13, at the end."""
    facts = []
    for app, source in SOURCES.items():
        home = simulation.tables[app][0]
        for log in simulation.broker.topic(source):
            committed = simulation.broker.offsets.get((app, source, log.partition), 0)
            applied = position_of(simulation.broker, home, log.partition) - 1
            facts.append(must.PositionFact(app, source, log.partition, committed, applied))
    return must.commits_follow_effects(facts)


# Books --------------------------------------------------------------------------------------------------------------


def _invoices(simulation: Simulation) -> Iterator[Finding]:
    """I04."""
    for issued in simulation.database.issued:
        invoice, statement = issued.invoice, issued.invoice.statement
        fact = must.InvoiceFact(
            tenant=statement.tenant,
            number=str(issued.number),
            currencies=(statement.currency,),
            lines=len(invoice.lines),
            lines_minor=sum(line.amount_minor for line in invoice.lines),
            taxable_minor=sum(line.amount_minor for line in invoice.lines if line.taxable),
            tax_percent=Decimal(statement.tax_percent),
            subtotal_minor=invoice.subtotal_minor,
            tax_minor=invoice.tax_minor,
            total_minor=invoice.total_minor,
            credited_minor=invoice.credited_minor,
            burned_minor=sum(burn.amount_minor for burn in invoice.burns),
            credit_applied_minor=invoice.credit_applied_minor,
            amount_due_minor=invoice.amount_due_minor,
        )
        yield from must.invoices_add_up([fact])


def _ledger(simulation: Simulation) -> Iterator[Finding]:
    """I05."""
    return must.ledger_balances(
        must.PostingFact(
            issued.invoice.statement.tenant,
            str(issued.invoice_id),
            issued.invoice.statement.currency,
            posting.account,
            posting.amount_minor,
        )
        for issued in simulation.database.issued
        for posting in issued.postings
    )


def _books(simulation: Simulation) -> Iterator[Finding]:
    """I06 and I15."""
    database = simulation.database
    told = Counter(event.aggregate_type for events in database.wal for event in events)
    by_invoice = Counter(event.aggregate_id for events in database.wal for event in events)
    posted = told[topics.LEDGER.name]
    for issued in database.issued:
        name, moves = str(issued.invoice_id), bool(issued.postings)
        yield from must.invoice_ledger_and_outbox_agree(
            [must.IssueFact(issued.invoice.statement.tenant, name, 1, moves, int(moves), by_invoice[name], None)]
        )
    if posted != (due := sum(bool(issued.postings) for issued in database.issued)):
        yield Finding("I06", "", "ledger", f"{posted} transactions told of in place of {due}")
    yield from must.numbers_are_gapless(
        (must.NumberFact(one.invoice.statement.tenant, "", one.number, str(one.number)) for one in database.issued),
        (must.SeriesFact(tenant, "", last) for tenant, last in database.numbers.items()),
    )


def _periods(simulation: Simulation, expected: Expected) -> Iterator[Finding]:
    """I03."""
    drawn: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for issued in simulation.database.issued:
        statement = issued.invoice.statement
        drawn[statement.tenant, statement.statement_id].append(str(issued.number))
    return must.one_invoice_per_period(
        must.PeriodFact(tenant, name, "", "", (tenant, name) in expected.invoices, tuple(drawn[tenant, name]))
        for tenant, name in sorted(expected.statements | drawn.keys())
    )


def _replay(simulation: Simulation, expected: Expected) -> Iterator[Finding]:
    """I17: the invoices are those of the straight fold, byte for byte."""
    stands = {name: content(issued.invoice) for name, issued in simulation.database.invoices.items()}
    return must.replay_agrees(
        must.RefoldFact(name[0], name[1], stands.get(name), expected.invoices.get(name))
        for name in sorted(stands.keys() | expected.invoices.keys())
    )


def _cells(simulation: Simulation) -> Iterator[Finding]:
    """I01: what rating said last of a closed window is what was invoiced for it, adjustments and all.

    Usage of a trial is metered, and never invoiced. What comes late waits for the next statement that has lines: a
    command to a paused subscription is answered by one without, and draws no adjustment.
    """
    trials: dict[tuple[str, ...], int] = {
        (one.tenant, one.customer, one.subscription): one.trial_end_us
        for one in simulation.history.commands()
        if isinstance(one, SubscriptionStarted) and one.trial_end_us is not None
    }
    invoiced: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    reached: dict[tuple[str, ...], tuple[int, int]] = {}
    for record in _committed(simulation, STATEMENTS):
        statement = statement_to_domain(_decoded(record, StatementClosed))
        subscription = statement.tenant, statement.customer, statement.subscription
        if statement.lines:
            last = reached.get(subscription, (-1, -1))
            reached[subscription] = max(last, (statement.position, statement.issued_at_us))
        for line in statement.lines:
            if line.kind in {LineKind.USAGE, LineKind.ADJUSTMENT}:
                cell = *subscription, line.price, _group(line.group), str(line.period_start_us)
                invoiced[cell] += Decimal(line.quantity)
    metered: dict[tuple[str, ...], UsageTotal] = {}
    for record in _committed(simulation, _TOTALS):
        total = CODEC.decode(record.value or b"")
        if isinstance(total, UsageTotal):
            subscription = total.tenant_id, total.customer_id, total.subscription_id
            metered[*subscription, total.price, _group(total.line_group), str(micros(total.period_start))] = total
    for name, total in metered.items():
        if int(name[5]) < trials.get(name[:3], 0):
            continue
        position, closed_us = reached.get(name[:3], (-1, -1))
        if total.journal_position <= position and micros(total.period_end) <= closed_us:
            sides = must.Measure(Decimal(total.quantity), None, None), must.Measure(invoiced[name], None, None)
            fact = must.CellFact(name[0], f"{name[1]} {name[2]}", name[3], name[4], name[5], None, *sides)
            yield from must.usage_is_conserved([fact])


def _group(group: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(group.items()))


# -------------------------------------------------------------------------------------------------------------------


def _committed(simulation: Simulation, topic: str) -> Iterable[Record]:
    return (record for log in simulation.broker.topic(topic) for record in log.committed())


def _event_id(record: Record) -> str:
    return (dict(record.headers)["ce_id"] or b"").decode()


def _decoded(record: Record, kind: type[T]) -> T:
    decoded = CODEC.decode(record.value or b"")
    assert isinstance(decoded, kind)
    return decoded
