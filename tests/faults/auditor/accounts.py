"""One account after the other: its journal is walked, and everything that was acknowledged is billed by the oracle.

What counts is what the history says was sent. The journal only decides what the history leaves open: which of two
contents under one id came first, and whether usage that came after a close was asked for is on this side of it or on
the other. That nothing acknowledged before stands behind it is checked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.faults.auditor.calendar import ENDS_A_WINDOW, STARTED, Due
from tests.faults.auditor.facts import Record
from tests.faults.auditor.finding import Finding
from tests.faults.auditor.recount import ExpectedInvoice, ExpectedTotal, Recount, begun_of, oracle_id
from tests.faults.auditor.told import TenantTold
from tests.faults.history.log import Content
from tests.oracle.numbers import Raw, instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_BILLED = frozenset({"paused", "before-start", "after-end", "final-billed", "too-old", "too-early"})
"""Why usage has no window."""


@dataclass(frozen=True, slots=True)
class Known:
    """Usage that a history tells of: `acknowledged` is the first line that says so; None: nobody said so."""

    content: Content
    acknowledged: int | None
    plant: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExpectedLetter:
    """A dead letter that must be there once, or, where it is not `needed`, may be."""

    source: Record
    reasons: frozenset[str]
    needed: bool = True


@dataclass(slots=True)
class Bill:
    """What came of an account."""

    invoices: list[ExpectedInvoice] = field(default_factory=list)
    totals: list[ExpectedTotal] = field(default_factory=list)
    letters: list[ExpectedLetter] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counted: int = 0
    duplicates: int = 0


Identity = tuple[str, str]
"""Source and id."""


def content_of(fields: Mapping[str, object]) -> Content:
    """What a journaled record says."""
    at: datetime = fields["occurred_at"]  # type: ignore[assignment]  # as the schema has it
    return Content(
        tenant=str(fields["tenant_id"]),
        customer=str(fields["customer_id"]),
        id=str(fields["id"]),
        source=str(fields["source"]),
        type=str(fields["type"]),
        at_us=(at - _EPOCH) // timedelta(microseconds=1),
        properties=dict(fields["properties"]),  # type: ignore[call-overload]  # likewise
        subscription=fields["subscription_id"],  # type: ignore[arg-type]  # likewise
    )


class Account:
    """Walks the journal of one account."""

    def __init__(
        self, tenant: TenantTold, customer: str, due: Sequence[Due], known: Mapping[Identity, Sequence[Known]]
    ) -> None:
        self.bill = Bill()
        self._tenant, self._customer, self._known = tenant, customer, known
        self._due = {one.name: one for one in due}
        self._story: Recount = begun_of(tenant.document)
        self._raw: dict[str, Raw] = {raw["code"]: raw for raw in tenant.document["subscriptions"]}
        self._commands: set[str] = set()
        self._first: dict[Identity, tuple[Content, Record]] = {}
        self._repeats: dict[Identity, list[Record]] = defaultdict(list)
        self._others: dict[Identity, list[Record]] = defaultdict(list)
        self._poisoned: set[Identity] = set()
        self._voided: set[Identity] = set()
        self._live_at: dict[Identity, set[str]] = {}
        self._asked_until = -1
        self._granted = False
        self._lost: list[Known] = []

    def walk(self, journal: Sequence[Record]) -> Bill:
        """Every entry, in the order of the journal."""
        self._find_lost(journal)
        for record in journal:
            match record.kind:
                case "UsageRecorded":
                    self._use(record)
                case "UsageVoided":
                    self._void(record)
                case _:
                    self._command(record)
        self._end()
        return self.bill

    # Usage -----------------------------------------------------------------------------------------------------------

    def _find_lost(self, journal: Sequence[Record]) -> None:
        """What was acknowledged and is not in the journal still has to be billed."""
        there = {(str(one.fields["source"]), str(one.fields["id"])) for one in journal if one.kind == "UsageRecorded"}
        lost = [
            min(acknowledged, key=lambda one: one.acknowledged or 0)
            for identity, all_ in self._known.items()
            if identity not in there
            and (acknowledged := [one for one in all_ if one.acknowledged is not None and not one.reason])
        ]
        self._lost = sorted(lost, key=lambda one: one.acknowledged or 0)

    def _use(self, record: Record) -> None:
        content = content_of(record.fields)
        identity = content.source, content.id
        known = next((one for one in self._known.get(identity, ()) if one.content == content), None)
        if known is None:
            return  # nobody sent it: the accounting of the journal says so
        if known.reason and known.reason not in NOT_BILLED:
            repeated = identity in self._poisoned  # two that wait for their subscription's start are one
            self._poisoned.add(identity)
            self.bill.letters.append(ExpectedLetter(record, frozenset({known.reason}), needed=not repeated))
            return
        if identity in self._voided:
            return
        first = self._first.get(identity)
        if first is None:
            self._count(identity, known, record)
        elif first[0] == content:
            self.bill.duplicates += 1
            self._repeats[identity].append(record)
        else:
            self._others[identity].append(record)

    def _count(self, identity: Identity, known: Known, record: Record) -> None:
        self._first[identity] = known.content, record
        self._live_at[identity] = {
            code
            for code, raw in self._raw.items()
            if raw["customer"] == self._customer
            and (code not in self._story.subscriptions or self._story.subscriptions[code].state != "canceled")
        }
        if known.acknowledged is not None and known.acknowledged < self._asked_until:
            self._find(
                "I01",
                f"usage {known.content.source}/{known.content.id}",
                f"was acknowledged in line {known.acknowledged}, before the close of line {self._asked_until} was asked"
                f" for, and stands behind it at {record.place}; what was sent in time is late",
            )
        self._story.count(known.content)
        self.bill.counted += 1

    def _void(self, record: Record) -> None:
        identity = str(record.fields["source"]), str(record.fields["id"])
        asked = [one.asked for one in self._tenant.effects if one.asked.what == "void"]
        if not any((one.customer, one.source, one.id) == (self._customer, *identity) for one in asked):
            self._find("I14", f"void {record.place}", f"takes back usage {identity}, which nobody asked for")
            return
        if str(record.fields["command_id"]) in self._commands:
            return
        self._commands.add(str(record.fields["command_id"]))
        self._voided.add(identity)
        self._story.voided.add((self._customer, oracle_id(*identity)))

    # Commands --------------------------------------------------------------------------------------------------------

    def _command(self, record: Record) -> None:
        fields = record.fields
        if str(fields["command_id"]) in self._commands:
            return  # the relay may repeat
        self._commands.add(str(fields["command_id"]))
        name = str(fields["subscription_id"]), record.kind, fields["at"]
        due = self._due.pop(name, None)
        if due is None:
            self._find("I03", f"{record.kind} {record.place}", f"{name} was never due, or comes a second time")
            return
        self._do(due)

    def _do(self, due: Due) -> None:
        if due.kind != STARTED or due.at > instant(self._tenant.document["test_clock"]):
            self._grant()
        while self._lost and (self._lost[0].acknowledged or 0) < due.invoked and due.kind in ENDS_A_WINDOW:
            self._story.count(self._lost.pop(0).content)
        if due.kind in ENDS_A_WINDOW:
            self._asked_until = max(self._asked_until, due.invoked)
        story, code = self._story, due.subscription
        if due.kind != STARTED and code not in story.subscriptions:
            return  # its start is missing, and was found to be
        named = {"subscription": code}
        match due.kind:
            case "SubscriptionStarted":
                story.subscribe(due.at, {**self._raw[code], **named})
            case "CycleClosed":
                story.issue(code, due.at, story.subscriptions[code].close(due.at))
            case "PlanChanged":
                story.change_plan(due.at, named | {"plan": due.plan})
            case "SubscriptionPaused":
                story.pause(due.at, named)
            case "SubscriptionResumed":
                story.resume(due.at, named)
            case _:
                story.cancel(due.at, named)

    def _grant(self) -> None:
        """Credit is granted after what starts with the tenant is invoiced, and before anything else happens."""
        if self._granted:
            return
        self._granted = True
        for effect in self._tenant.effects:
            if effect.asked.what == "grant" and effect.asked.customer == self._customer:
                self._story.grant_credit(effect.at, {"customer": self._customer, "amount": effect.asked.amount})

    # The end ---------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        for due in sorted(self._due.values(), key=lambda one: (one.invoked, one.at)):
            self._find(
                "I03", f"{due.kind} of {due.subscription}", f"was due at {due.at.isoformat()} and is not in the journal"
            )
            self._do(due)
        self._check_voids()
        self.bill.letters += self._without_a_window()
        self.bill.letters += self._with_other_content()
        self.bill.invoices = self._story.expected
        self.bill.totals = list(self._story.totals())

    def _check_voids(self) -> None:
        for effect in self._tenant.effects:
            asked = effect.asked
            if (
                asked.what == "void"
                and asked.customer == self._customer
                and (asked.source, asked.id) not in self._voided
            ):
                self._find("I07", f"void of {asked.source}/{asked.id}", "was committed and is not in the journal")

    def _without_a_window(self) -> Iterator[ExpectedLetter]:
        """Usage that no subscription has a window for; a repeat of it is tried anew."""
        for identity, (content, record) in self._first.items():
            if identity in self._voided or self._is_billed(content, self._live_at[identity]):
                continue
            yield ExpectedLetter(record, NOT_BILLED)
            for repeat in self._repeats[identity]:
                yield ExpectedLetter(repeat, NOT_BILLED, needed=False)

    def _with_other_content(self) -> Iterator[ExpectedLetter]:
        """What came second under an id; where the first had no window, its id may be forgotten, as no bill has it."""
        for identity, others in self._others.items():
            first = self._first[identity][0]
            forgotten = frozenset() if self._is_billed(first, self._live_at[identity]) else NOT_BILLED
            for record in others:
                yield ExpectedLetter(record, forgotten | {"conflict"})

    def _is_billed(self, content: Content, live: set[str]) -> bool:
        at = _EPOCH + timedelta(microseconds=content.at_us)
        asked = [one for code, one in self._story.subscriptions.items() if content.subscription in {None, code}]
        return any(
            window.start <= at and (window.end is None or at < window.end)
            for one in asked
            if one.code in live
            for window in one.windows
        )

    def _find(self, invariant: str, subject: str, detail: str) -> None:
        self.bill.findings.append(Finding(invariant, self._tenant.code, f"{self._customer}: {subject}", detail))
