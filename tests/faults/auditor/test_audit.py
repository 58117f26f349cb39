"""The auditor on a history without faults: it finds nothing, and finds each difference that is planted."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.faults.auditor import Finding, gather, judge
from tests.faults.auditor.deliveries import MEASURED_LATER
from tests.faults.auditor.facts import Facts, OutboxRow, Record
from tests.faults.auditor.told import tell
from tests.faults.auditor.usage_id import MODULUS, number_of
from tests.faults.history.generator import Generator
from tests.faults.history.log import Line, read_history
from tests.faults.history.script import Shape
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.timeout(900)  # a whole history goes through the pipeline first, on whatever machine
SHAPE = Shape(tenants=3, customers=3, stretches=6, events=30)
ACKNOWLEDGED = 2_000
SEED = 11


@dataclass(slots=True)
class Case:
    """A history with what came of it; plants change it."""

    lines: list[Line]
    facts: Facts
    prefix: str
    tenant: str = ""

    def judged(self) -> list[Finding]:
        """What the auditor says."""
        return judge(tell(self.lines), self.facts, self.prefix, alone=False).findings

    def sent(self, *, plant: bool = False) -> Line:
        """An attempt in the middle, good or poisoned, that was the only one under its id."""
        found = [line for line in self.lines if line.sent and bool(line.sent.reason) == plant]
        ids = [(line.sent.content.source, line.sent.content.id) for line in found if line.sent and line.sent.content]
        voided = {(line.asked.source, line.asked.id) for line in self.lines if line.asked}
        alone = [line for line, one in zip(found, ids, strict=True) if ids.count(one) == 1 and one not in voided]
        return alone[len(alone) // 2]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clean(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A whole history through the real pipeline."""
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    async with Generator(pipeline.environment, path, seed=SEED, rate=500, shape=SHAPE) as generator:
        await generator.run_until(acknowledged=ACKNOWLEDGED)
        await generator.finish()
    return Case(list(read_history(path)), await gather(pipeline.environment), pipeline.prefix)


@pytest.fixture
def case(clean: Case) -> Case:
    """What one of its tenants did, to be changed: facts are lists of the test's own."""
    tenant = f"f{SEED}-0-1"
    told = tell(clean.lines)
    strange = {attempt.number for attempt in told.attempts.values() if attempt.sent.tenant != tenant}
    marks = {f"{SEED}/{number}".encode() for number in strange}
    kept = {line.n for line in clean.lines if line.e == "invoke" and _tenant(line) == tenant}
    lines = [line for line in clean.lines if line.n in kept or line.e in {"begin", "end"}]
    facts = copy(clean.facts)
    facts.usage = [one for one in facts.usage if not marks & {value for _, value in one.headers}]
    changed = ("journal", "statements", "letters", "bus", "invoices", "lines", "balances", "totals", "letter_rows")
    for name in changed:
        setattr(facts, name, list(getattr(facts, name)))
    facts.outbox = list(facts.outbox)
    return Case(lines, facts, clean.prefix, tenant)


def _tenant(line: Line) -> str:
    told = line.sent or line.asked
    return told.tenant if told else ""


def test_a_history_without_faults_audits_clean(clean: Case) -> None:
    found = judge(tell(clean.lines), clean.facts, clean.prefix, alone=False)
    assert found.findings == []
    assert found.acknowledged >= ACKNOWLEDGED
    assert found.recovered == 0
    assert found.counted > ACKNOWLEDGED / 2
    assert found.duplicates > ACKNOWLEDGED / 20
    assert any(line.adjustment for line in clean.facts.lines), "late usage"
    assert {"conflict", "too-large", "not-a-decimal"} <= {row.reason for row in clean.facts.letter_rows}


def test_one_tenant_of_it_audits_clean_by_itself(case: Case) -> None:
    assert case.judged() == []


# Plants: each is a difference between what was told and what came out -----------------------------------------------


def _drop_from_history(case: Case) -> None:
    number = case.sent().n
    case.lines = [line for line in case.lines if line.n != number]


def _add_to_history(case: Case) -> None:
    like = case.sent()
    assert like.sent is not None
    assert like.sent.content is not None
    content = msgspec.structs.replace(like.sent.content, id="never-sent", type="load", subscription=None)
    sent = msgspec.structs.replace(like.sent, content=content)
    place = case.lines.index(like)
    added = [Line("invoke", 10**9, first=10**9, sent=sent), Line("ok", 10**9, partition=0, offset=10**9)]
    case.lines[place:place] = added


def _alter_what_was_sent(case: Case) -> None:
    like = case.sent()
    assert like.sent is not None
    assert like.sent.content is not None
    content = msgspec.structs.replace(like.sent.content, properties=like.sent.content.properties | {"n": "1234567.89"})
    place = case.lines.index(like)
    case.lines[place] = msgspec.structs.replace(like, sent=msgspec.structs.replace(like.sent, content=content))


def _deny_an_acknowledged_record(case: Case) -> None:
    number = case.sent().n
    case.lines = [
        msgspec.structs.replace(line, e="fail") if line.n == number and line.e == "ok" else line for line in case.lines
    ]


def _take_a_command_twice(case: Case) -> None:
    """Both twins of a command that the system takes once were told that it took effect."""
    twin = next(
        line
        for line in case.lines
        if line.asked and line.asked.twin and line.asked.what in {"pause", "resume", "cancel"}
    )
    like = msgspec.structs.replace(twin.asked, twin=False) if twin.asked else None
    numbers = {line.n for line in case.lines if line.asked and line.asked in (like, twin.asked)}
    case.lines = [
        msgspec.structs.replace(line, e="ok") if line.n in numbers and line.e == "fail" else line for line in case.lines
    ]


def _cut_the_history(case: Case) -> None:
    case.lines.pop()


def _mine(case: Case, records: Sequence[Record], kind: str = "") -> list[int]:
    mark = f"{case.tenant}/".encode()
    return [n for n, one in enumerate(records) if (one.key or b"").startswith(mark) and kind in {"", one.kind}]


def _lose_a_record_of_kafka(case: Case) -> None:
    number = f"{SEED}/{case.sent().n}".encode()
    case.facts.usage = [one for one in case.facts.usage if number not in {value for _, value in one.headers}]


def _double_a_record_of_kafka(case: Case) -> None:
    number = f"{SEED}/{case.sent().n}".encode()
    [one] = [one for one in case.facts.usage if number in {value for _, value in one.headers}]
    case.facts.usage = [*case.facts.usage, replace(one, offset=10**9)]


def _journal_place(case: Case) -> int:
    sent = case.sent().sent
    assert sent is not None
    assert sent.content is not None
    wanted = sent.tenant, sent.content.source, sent.content.id
    return next(
        place
        for place, one in enumerate(case.facts.journal)
        if one.kind == "UsageRecorded" and (one.fields["tenant_id"], one.fields["source"], one.fields["id"]) == wanted
    )


def _lose_journaled_usage(case: Case) -> None:
    del case.facts.journal[_journal_place(case)]


def _double_journaled_usage(case: Case) -> None:
    place = _journal_place(case)
    case.facts.journal.insert(place, case.facts.journal[place])


def _let_usage_be_late(case: Case) -> None:
    """What was sent in time stands behind the last command of its account."""
    one = case.facts.journal.pop(_journal_place(case))
    of_account = [n for n, other in enumerate(case.facts.journal) if other.key == one.key]
    last = max(n for n in of_account if case.facts.journal[n].kind == "SubscriptionCanceled")
    case.facts.journal.insert(last + 1, one)


def _lose_a_close(case: Case) -> None:
    del case.facts.journal[_mine(case, case.facts.journal, "CycleClosed")[1]]


def _close_what_is_not_due(case: Case) -> None:
    place = _mine(case, case.facts.journal, "CycleClosed")[1]
    one = case.facts.journal[place]
    case.facts.journal.insert(place + 1, replace(one, fields={**one.fields, "command_id": "another"}))


def _repeat_a_statement(case: Case) -> None:
    place = next(n for n in _mine(case, case.facts.statements) if case.facts.statements[n].fields["lines"])
    case.facts.statements.append(replace(case.facts.statements[place], offset=10**9))


def _lose_a_letter(case: Case) -> None:
    sent = case.sent(plant=True)
    assert sent.sent is not None
    wanted = next(n for n, one in enumerate(case.facts.letters) if _is_of(case, one))
    del case.facts.letters[wanted]


def _is_of(case: Case, letter: Record) -> bool:
    return letter.fields["tenant_id"] == case.tenant and letter.fields["reason"] in MEASURED_LATER


def _alter_a_letter(case: Case) -> None:
    place = next(n for n, one in enumerate(case.facts.letters) if _is_of(case, one))
    one = case.facts.letters[place]
    case.facts.letters[place] = replace(one, fields={**one.fields, "value": b"other bytes"})


def _give_another_reason(case: Case) -> None:
    place = next(n for n, one in enumerate(case.facts.letters) if _is_of(case, one))
    one = case.facts.letters[place]
    case.facts.letters[place] = replace(one, fields={**one.fields, "reason": "no-framing"})


def _write_a_letter_for_good_usage(case: Case) -> None:
    good = case.facts.journal[_journal_place(case)]
    one = next(one for one in case.facts.letters if _is_of(case, one))
    fields = {**one.fields, "source_partition": good.partition, "source_offset": good.offset}
    case.facts.letters.append(replace(one, fields=fields))


def _repeat_a_letter(case: Case) -> None:
    case.facts.letters.append(next(one for one in case.facts.letters if _is_of(case, one)))


def _lose_a_letters_row(case: Case) -> None:
    case.facts.letter_rows.remove(next(one for one in case.facts.letter_rows if one.tenant == case.tenant))


def _row(case: Case, name: str) -> int:
    rows = getattr(case.facts, name)
    return next(n for n, one in enumerate(rows) if one.tenant == case.tenant)


def _usage_line(case: Case) -> int:
    return next(n for n, one in enumerate(case.facts.lines) if one.tenant == case.tenant and one.events > 1)


def _alter_a_quantity(case: Case) -> None:
    place = _usage_line(case)
    one = case.facts.lines[place]
    case.facts.lines[place] = replace(one, quantity=one.quantity + Decimal("0.000000000001"))


def _alter_an_amount(case: Case) -> None:
    place = _usage_line(case)
    one = case.facts.lines[place]
    case.facts.lines[place] = replace(one, amount=one.amount + Decimal("0.01"))


def _count_one_for_another(case: Case) -> None:
    sent = case.sent().sent
    assert sent is not None
    assert sent.content is not None
    place = _usage_line(case)
    one = case.facts.lines[place]
    other = (one.events_digest + number_of(sent.content)) % MODULUS
    case.facts.lines[place] = replace(one, digest=other.to_bytes(24, "big"))


def _lose_an_invoice(case: Case) -> None:
    del case.facts.invoices[_row(case, "invoices")]


def _invoice_twice(case: Case) -> None:
    one = case.facts.invoices[_row(case, "invoices")]
    last = max(int(row.number[4:]) for row in case.facts.invoices if row.tenant == case.tenant)
    case.facts.invoices.append(replace(one, number=f"INV-{last + 1:06}"))


def _invoice_what_was_not_due(case: Case) -> None:
    one = case.facts.invoices[_row(case, "invoices")]
    case.facts.invoices.append(replace(one, subscription="s99"))


def _alter_a_total(case: Case) -> None:
    place = _row(case, "invoices")
    one = case.facts.invoices[place]
    case.facts.invoices[place] = replace(one, total=one.total + 1)


def _leave_a_gap(case: Case) -> None:
    place = _row(case, "invoices")
    case.facts.invoices[place] = replace(case.facts.invoices[place], number="INV-009999")


def _alter_a_balance(case: Case) -> None:
    place = _row(case, "balances")
    one = case.facts.balances[place]
    case.facts.balances[place] = replace(one, debit=one.debit + 1)


def _alter_what_was_used(case: Case) -> None:
    place = _row(case, "totals")
    one = case.facts.totals[place]
    case.facts.totals[place] = replace(one, quantity=one.quantity + 1)


def _post_one_side(case: Case) -> None:
    place = _mine(case, case.facts.bus, "LedgerPosted")[-1]
    one = case.facts.bus[place]
    case.facts.bus[place] = replace(one, fields={**one.fields, "postings": one.fields["postings"][:-1]})


def _lose_a_posting(case: Case) -> None:
    del case.facts.bus[_mine(case, case.facts.bus, "LedgerPosted")[-1]]


def _announce_another_total(case: Case) -> None:
    place = _mine(case, case.facts.bus, "InvoiceFinalized")[-1]
    one = case.facts.bus[place]
    case.facts.bus[place] = replace(one, fields={**one.fields, "total_minor": Decimal(77)})


def _lose_an_event(case: Case) -> None:
    del case.facts.bus[_mine(case, case.facts.bus, "SubscriptionStateChanged")[0]]


def _publish_what_was_rolled_back(case: Case) -> None:
    one = next(one for one in case.facts.outbox if one.key.startswith(case.tenant))
    case.facts.outbox.remove(one)


def _publish_out_of_order(case: Case) -> None:
    rows: dict[str, list[OutboxRow]] = {}
    for row in case.facts.outbox:
        if row.key.startswith(case.tenant) and row.topic == "subscription":
            rows.setdefault(row.key, []).append(row)
    first, second = next(sorted(some, key=lambda row: row.sequence)[:2] for some in rows.values() if len(some) > 1)
    for one, other in ((first, second), (second, first)):
        case.facts.outbox[case.facts.outbox.index(one)] = replace(one, sequence=10**9 + other.sequence)


PLANTED: dict[Callable[[Case], None], tuple[str, str]] = {
    _drop_from_history: ("I02", "is unexpected: no attempt"),
    _add_to_history: ("I02", "is lost: it was acknowledged at usage/0/1000000000"),
    _alter_what_was_sent: ("I02", "is unexpected: it stands 0 times in the usage topic and 1 times in the journal"),
    _deny_an_acknowledged_record: ("I02", "is unexpected: it was told to have failed"),
    _take_a_command_twice: ("I14", "took effect 2 times"),
    _cut_the_history: ("I19", "has no end"),
    _lose_a_record_of_kafka: ("I02", "and Kafka has it nowhere"),
    _double_a_record_of_kafka: ("I02", "is duplicated by an idempotent producer"),
    _lose_journaled_usage: ("I02", "is lost: it stands 1 times in the usage topic and 0 times in the journal"),
    _double_journaled_usage: ("I02", "is duplicated: it stands 1 times in the usage topic and 2 times in the journal"),
    _let_usage_be_late: ("I01", "what was sent in time is late"),
    _lose_a_close: ("I03", "and is not in the journal"),
    _close_what_is_not_due: ("I03", "was never due, or comes a second time"),
    _repeat_a_statement: ("I03", "the topic of statements says"),
    _lose_a_letter: ("I02", "must be a dead letter"),
    _alter_a_letter: ("I18", "has other bytes than journal/"),
    _give_another_reason: ("I18", "gives the reason 'no-framing'"),
    _write_a_letter_for_good_usage: ("I20", "nothing bad was planted there"),
    _repeat_a_letter: ("I02", "is a dead letter 2 times"),
    _lose_a_letters_row: ("I18", "in the topic and not in the view"),
    _alter_a_quantity: ("I01", "quantity is"),
    _alter_an_amount: ("I04", "amount is"),
    _count_one_for_another: ("I01", "counts usage"),
    _lose_an_invoice: ("I03", "there is no invoice"),
    _invoice_twice: ("I03", "was invoiced 2 times"),
    _invoice_what_was_not_due: ("I03", "and nothing was due"),
    _alter_a_total: ("I04", "total is"),
    _leave_a_gap: ("I15", "misses [1"),
    _alter_a_balance: ("I05", "debits exceed credits by 1"),
    _alter_what_was_used: ("I01", "usage_totals says"),
    _post_one_side: ("I05", "its postings sum to"),
    _lose_a_posting: ("I06", "the ledger has []"),
    _announce_another_total: ("I06", "the topic of invoices says"),
    _lose_an_event: ("I07", "is in the outbox and not on subscription"),
    _publish_what_was_rolled_back: ("I07", "which the outbox never had"),
    _publish_out_of_order: ("I08", "has its events in the order"),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_difference_is_found(case: Case, plant: Callable[[Case], None]) -> None:
    invariant, text = PLANTED[plant]
    plant(case)
    found = case.judged()
    assert [one for one in found if one.invariant == invariant and text in one.detail], found[:5]


def test_a_record_whose_fate_is_unknown_and_that_is_there_is_recovered_and_billed(case: Case) -> None:
    number = case.sent().n
    case.lines = [
        msgspec.structs.replace(line, e="info") if line.n == number and line.e == "ok" else line for line in case.lines
    ]
    found = judge(tell(case.lines), case.facts, case.prefix, alone=False)
    assert found.recovered == 1
    assert found.findings == [Finding("I19", "", f"usage attempt {number}", "was never answered")]


def test_the_auditor_shares_no_code_with_the_product() -> None:
    """Everything that it imports, directly or not, as a fresh process sees it."""
    asked = "import sys, tests.faults.auditor; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    assert {"tests", "fastavro", "psycopg"} <= imported
    assert not imported & {"billing", "connectors", "schemas", "streams", "migrations"}
