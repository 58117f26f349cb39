"""The audit as a function of a history and of gathered facts, and the gathering."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.faults.auditor.accounts import Account, Bill, ExpectedLetter, Known
from tests.faults.auditor.books import check_balances, check_postings
from tests.faults.auditor.bus import check_outbox
from tests.faults.auditor.calendar import Due, calendar
from tests.faults.auditor.deliveries import deliveries
from tests.faults.auditor.facts import Facts, Record
from tests.faults.auditor.finding import Finding
from tests.faults.auditor.invoices import (
    check_announced,
    check_invoices,
    check_numbers,
    check_statements,
    check_totals,
)
from tests.faults.auditor.letters import check_letters
from tests.faults.auditor.rows import read_rows
from tests.faults.auditor.told import Told, tell
from tests.faults.auditor.topics import Topics
from tests.faults.history.log import read_history

BUS: Final = ("customer", "catalog", "subscription", "invoice", "ledger", "credit")
"""Topics that only the relay writes."""
READERS: Final = {
    "intake": "usage",
    "rating": "journal",
    "sink-statements": "statements",
    "sink-usage-totals": "usage-totals",
    "sink-dead-letters": "dead-letters",
}
"""Consumer groups and what they read."""
_LOOK_EACH_S: Final = 0.2
_SETTLE_WITHIN_S: Final = 60.0
"""How long whatever still reads may take to come to the end."""


@dataclass(slots=True)
class Verdict:
    """What an audit found, and over how much."""

    findings: list[Finding] = field(default_factory=list)
    acknowledged: int = 0
    recovered: int = 0
    counted: int = 0
    duplicates: int = 0


async def audit(history: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Returns what is wrong with what came of a history that has ended; nothing where all is well.

    Args:
        history: the file that the generator wrote.
        environment: the `BEAAS_` settings that lead to an installation which nobody else has used.
    """
    facts = await gather(environment)
    told = await asyncio.to_thread(lambda: tell(read_history(history)))
    prefix = environment.get("BEAAS_TOPIC_PREFIX", "beaas.")
    return (await asyncio.to_thread(judge, told, facts, prefix)).findings


async def gather(environment: Mapping[str, str]) -> Facts:
    """Everything that came out, once every reader is at the end of what it reads, or its time is over."""
    return await asyncio.to_thread(_gather, environment)


def _gather(environment: Mapping[str, str]) -> Facts:
    topics, deadline = Topics(environment), time.monotonic() + _SETTLE_WITHIN_S
    try:
        while True:
            behind = _behind(topics)
            if not behind or time.monotonic() > deadline:
                facts = _read(topics, environment)
                facts.behind = behind
                if time.monotonic() > deadline or _is_relayed(facts):  # what is missing then is a finding
                    return facts
            time.sleep(_LOOK_EACH_S)
    finally:
        topics.close()


def _read(topics: Topics, environment: Mapping[str, str]) -> Facts:
    facts = Facts()
    read_rows(environment, facts)
    found = topics.read("usage", "journal", "statements", "dead-letters", *BUS)
    facts.usage, facts.journal = found["usage"], found["journal"]
    facts.statements = found["statements"]
    # Beside letters the topic holds markers of those that were put back; the histories of the bench put none back.
    facts.letters = [one for one in found["dead-letters"] if "source_topic" in one.fields]
    facts.bus = [record for topic in BUS for record in found[topic]]
    facts.bus += [record for record in facts.journal if record.event]
    return facts


def _behind(topics: Topics) -> list[str]:
    left = {group: topics.behind(topic, group) for group, topic in READERS.items()}
    return [f"{group}: {count} offsets of {READERS[group]}" for group, count in left.items() if count]


def _is_relayed(facts: Facts) -> bool:
    return {row.id for row in facts.outbox} <= {record.event for record in facts.bus}


def judge(told: Told, facts: Facts, prefix: str = "beaas.", *, alone: bool = True) -> Verdict:
    """Every check, as a function of what was told and what was found.

    Where the history's tenants are not `alone` on their installation, only what is theirs is looked at.
    """
    ours = facts if alone else _only(facts, told)
    found = Verdict()
    found.findings += _ends(told, ours)
    delivered = deliveries(told, ours.usage, ours.journal, alone=alone)
    found.acknowledged, found.recovered = delivered.acknowledged, delivered.recovered
    found.findings += delivered.findings
    bills = _bills(told, ours.journal, delivered.arrived)
    letters = [*delivered.letters]
    for bill in bills:
        found.findings += bill.findings
        letters += bill.letters
        found.counted += bill.counted
        found.duplicates += bill.duplicates
    if not alone:
        _forget_strange_letters(ours, letters, prefix)
    found.findings += check_letters(letters, ours.letters, ours.letter_rows, prefix)
    found.findings += _compare(told, bills, ours)
    return found


def _compare(told: Told, bills: list[Bill], facts: Facts) -> Iterable[Finding]:
    expected = [invoice for bill in bills for invoice in bill.invoices]
    contents = [one.sent.content for one in told.attempts.values() if one.sent.content is not None]
    yield from check_invoices(expected, facts.invoices, facts.lines, contents)
    yield from check_statements(expected, facts.statements)
    yield from check_announced(facts.invoices, facts.bus)
    yield from check_totals([total for bill in bills for total in bill.totals], facts.totals)
    yield from check_numbers(facts.invoices)
    yield from check_balances(expected, list(told.tenants.values()), facts.balances)
    yield from check_postings(expected, facts.invoices, facts.bus)
    yield from check_outbox(facts.outbox, facts.bus)


def _ends(told: Told, facts: Facts) -> Iterable[Finding]:
    if not told.ended:
        yield Finding("I19", "", "the history", "has no end: the generator did not finish")
    for what in told.unanswered:
        yield Finding("I19", "", what, "was never answered")
    for behind in facts.behind:
        yield Finding("I19", "", "a reader", f"has not caught up: {behind}")
    for effect in told.twice:
        detail = f"took effect {effect.answers.count('ok')} times where it was asked for twice at once; once is right"
        yield Finding("I14", effect.asked.tenant, f"{effect.asked.what} of {effect.asked.subscription}", detail)


def _bills(told: Told, journal: list[Record], arrived: set[int]) -> list[Bill]:
    known: dict[tuple[str, str], dict[tuple[str, str], list[Known]]] = defaultdict(lambda: defaultdict(list))
    for attempt in told.attempts.values():
        sent = attempt.sent
        if sent.content is None or (attempt.acknowledged is None and attempt.number not in arrived):
            continue
        one = Known(sent.content, attempt.acknowledged, sent.plant, sent.reason)
        of_id = known[sent.tenant, sent.content.customer][sent.content.source, sent.content.id]
        same = next((place for place, other in enumerate(of_id) if other.content == one.content), None)
        if same is None:
            of_id.append(one)
        elif of_id[same].acknowledged is None or (one.acknowledged or 1 << 62) < (of_id[same].acknowledged or 0):
            of_id[same] = one
    entries: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in journal:
        entries[str(record.fields["tenant_id"]), str(record.fields["customer_id"])].append(record)
    return [bill for tenant in told.tenants.values() for bill in _of_tenant(told, tenant.code, known, entries)]


def _of_tenant(
    told: Told,
    code: str,
    known: Mapping[tuple[str, str], Mapping[tuple[str, str], list[Known]]],
    entries: Mapping[tuple[str, str], list[Record]],
) -> Iterable[Bill]:
    tenant = told.tenants[code]
    due: dict[str, list[Due]] = defaultdict(list)
    for one in calendar(tenant):
        due[one.customer].append(one)
    for raw in tenant.document["customers"]:
        customer = raw["code"]
        account = Account(tenant, customer, due[customer], known.get((code, customer), {}))
        yield account.walk(entries.get((code, customer), []))


def _forget_strange_letters(facts: Facts, expected: list[ExpectedLetter], prefix: str) -> None:
    """Of an unreadable record nobody knows the tenant, only the place: those at other places are of other people."""
    places = {(prefix + one.source.topic, one.source.partition, one.source.offset) for one in expected}

    def is_ours(fields: Mapping[str, object]) -> bool:
        place = fields["source_topic"], fields["source_partition"], fields["source_offset"]
        return fields["tenant_id"] is not None or place in places

    facts.letters = [one for one in facts.letters if is_ours(one.fields)]
    facts.letter_rows = [
        one for one in facts.letter_rows if one.tenant is not None or (one.topic, one.partition, one.offset) in places
    ]


def _only(facts: Facts, told: Told) -> Facts:
    """What is of the history's tenants, or of no known tenant."""

    def ours(record: Record) -> bool:
        return (record.key or b"").decode(errors="replace").partition("/")[0] in told.tenants

    return replace(
        facts,
        journal=[one for one in facts.journal if ours(one)],
        statements=[one for one in facts.statements if ours(one)],
        letters=[one for one in facts.letters if (one.fields["tenant_id"] or "") in {"", *told.tenants}],
        bus=[one for one in facts.bus if ours(one)],
        invoices=[one for one in facts.invoices if one.tenant in told.tenants],
        lines=[one for one in facts.lines if one.tenant in told.tenants],
        balances=[one for one in facts.balances if one.tenant in told.tenants],
        totals=[one for one in facts.totals if one.tenant in told.tenants],
        letter_rows=[one for one in facts.letter_rows if (one.tenant or "") in {"", *told.tenants}],
        outbox=[one for one in facts.outbox if one.key.partition("/")[0] in told.tenants],
    )
