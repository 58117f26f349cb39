"""Scenarios in process: the account machine, the schedule and the invoices of one small tenant, in memory."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypedDict, assert_never

from billing.account import Account, SeenInMemory
from billing.credit import Grant, balance
from billing.currency import currency
from billing.entry import (
    CustomerId,
    CycleClosed,
    Entry,
    PlanChanged,
    SubscriptionCanceled,
    SubscriptionStarted,
    TenantId,
    Terms,
    Usage,
    UsageVoided,
)
from billing.instant import instant, micros
from billing.invoice import Invoice, draw
from billing.money import Money
from billing.period import billing_period, calendar_anchor, zone
from billing.schedule import Due, Falls, Schedule, next_due
from billing.statement import Line, Outcome, Refused, Statement
from streams.conformance.case import (
    Action,
    Cancel,
    ChangePlan,
    GrantCredit,
    InvalidCase,
    ReportUsage,
    Scenario,
    Subscribe,
    VoidUsage,
)
from streams.conformance.compare import IssuedInvoice, IssuedLine

TENANT: Final = TenantId("tenant")


@dataclass(slots=True)
class _Running:
    """A subscription that falls due: its account, its schedule, and what is due next, which no change of plan moves."""

    customer: CustomerId
    schedule: Schedule
    due: Due | None


class _Named(TypedDict):
    command_id: str
    tenant: str
    customer: str
    subscription: str


class Story:
    """Runs the timeline of a scenario. `invoices` are in the order of issue."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._currency = currency(scenario.tenant.currency)
        self._zone = zone(scenario.tenant.timezone)
        self._accounts: dict[CustomerId, Account] = {}
        self._journal: list[Entry] = []
        self._seen = SeenInMemory()
        self._running: dict[str, _Running] = {}
        self._grants: dict[CustomerId, list[Grant]] = {}
        self.invoices: list[IssuedInvoice] = []

    def run(self) -> None:
        """Runs all of it.

        Raises:
            InvalidCase: an entry names what is not there, or is refused.
            BillingError: a definition is refused.
        """
        for moment in self._scenario.timeline:
            self._fall_due(moment.at)
            if moment.action is not None:
                self._act(moment.action, moment.at)

    def credit(self) -> dict[str, str]:
        """Returns what credit each customer has left at the end of the timeline."""
        now_us = micros(self._scenario.timeline[-1].at) if self._scenario.timeline else 0
        return {customer: self._major(balance(grants, now_us)) for customer, grants in self._grants.items()}

    def _fall_due(self, until: datetime) -> None:
        """Does what is due at or before `until`: in order of time, then by subscription."""
        while due := self._next(until):
            at, subscription, falls = due
            running = self._running[subscription]
            running.due = next_due(running.schedule, at)
            match falls:
                case Falls.CLOSE:
                    self._append(
                        CycleClosed(**self._command(subscription), at_us=micros(at)),
                    )
                case Falls.CANCEL:
                    self._cancel(subscription, at)
                case _:
                    assert_never(falls)

    def _next(self, until: datetime) -> tuple[datetime, str, Falls] | None:
        dues = [
            (running.due.at, subscription, running.due.falls)
            for subscription, running in self._running.items()
            if running.due is not None and running.due.at <= until
        ]
        return min(dues, default=None)

    def _act(self, action: Action, at: datetime) -> None:
        match action:
            case Subscribe():
                self._subscribe(action, at)
            case ReportUsage():
                self._append(self._usage(action, at))
            case VoidUsage():
                self._void(action, at)
            case ChangePlan():
                self._change(action, at)
            case Cancel():
                self._cancel(action.subscription, at)
            case GrantCredit():
                self._grant(action)
            case _:
                assert_never(action)

    def _subscribe(self, action: Subscribe, at: datetime) -> None:
        terms = self._terms(action.plan)
        period = billing_period(terms.billing_period)
        anchor = at if action.anchor == "subscription" else calendar_anchor(at, period, self._zone)
        customer = CustomerId(action.customer)
        schedule = Schedule(at, anchor, period, self._zone)
        self._running[action.subscription] = _Running(customer, schedule, next_due(schedule, at))
        command = self._command(action.subscription)
        self._append(SubscriptionStarted(**command, at_us=micros(at), anchor_us=micros(anchor), terms=terms))

    def _usage(self, action: ReportUsage, at: datetime) -> Usage:
        return Usage(
            tenant=TENANT,
            customer=action.customer,
            id=action.id,
            source="",
            type=action.event,
            occurred_at_us=micros(action.timestamp or at),
            properties=action.properties,
        )

    def _void(self, action: VoidUsage, at: datetime) -> None:
        arrived = [
            (usage, position)
            for usage, position in self._usage_since(0, CustomerId(action.customer))
            if usage.id == action.id
        ]
        void = UsageVoided(
            command_id=str(len(self._journal)),
            tenant=TENANT,
            customer=action.customer,
            source="",
            id=action.id,
            at_us=micros(at),
            original=arrived[0] if arrived else None,
        )
        self._append(void)

    def _change(self, action: ChangePlan, at: datetime) -> None:
        terms = self._terms(action.plan)
        command = self._command(action.subscription)
        running = self._running[action.subscription]
        running.schedule = replace(running.schedule, period=billing_period(terms.billing_period))
        self._append(PlanChanged(**command, at_us=micros(at), terms=terms))

    def _cancel(self, subscription: str, at: datetime) -> None:
        self._append(SubscriptionCanceled(**self._command(subscription), at_us=micros(at)))
        del self._running[subscription]

    def _grant(self, action: GrantCredit) -> None:
        amount = Money.of(action.amount, self._currency).minor
        expires_us = None if action.expires is None else micros(action.expires)
        grants = self._grants.setdefault(CustomerId(action.customer), [])
        grants.append(Grant(f"granted:{len(grants)}", amount, action.priority, expires_us))

    def _append(self, entry: Entry) -> None:
        """Puts an entry at the end of the journal and applies it."""
        position, customer = len(self._journal), CustomerId(entry.customer)
        self._journal.append(entry)
        account = self._accounts.setdefault(customer, Account.load(TENANT, customer, None, _nothing_stored))
        since = account.rewind_from(entry)
        again = None if since is None else self._usage_since(since, customer)
        for outcome in account.apply(entry, position, self._seen, again):
            self._take(outcome, customer)

    def _take(self, outcome: Outcome, customer: CustomerId) -> None:
        if isinstance(outcome, Refused) and outcome.reason == "illegal-command":
            raise InvalidCase(outcome.detail)
        if isinstance(outcome, Statement) and outcome.lines:
            grants = self._grants.setdefault(customer, [])
            invoice = draw(outcome, grants)
            paid = {burn.grant_id: burn.amount_minor for burn in invoice.burns}
            left = [replace(grant, left_minor=grant.left_minor - paid.get(grant.grant_id, 0)) for grant in grants]
            self._grants[customer] = left if invoice.grant is None else [*left, invoice.grant]
            self.invoices.append(self._issued(invoice))

    def _usage_since(self, position: int, customer: CustomerId) -> list[tuple[Usage, int]]:
        entries = enumerate(self._journal[position:], position)
        return [(entry, at) for at, entry in entries if isinstance(entry, Usage) and entry.customer == customer]

    def _command(self, subscription: str) -> _Named:
        running = self._running.get(subscription)
        if running is None:
            raise InvalidCase(f"there is no running subscription {subscription!r}")
        return {
            "command_id": str(len(self._journal)),
            "tenant": TENANT,
            "customer": running.customer,
            "subscription": subscription,
        }

    def _terms(self, code: str) -> Terms:
        plan = next((plan for plan in self._scenario.catalog.plans if plan.code == code), None)
        if plan is None:
            raise InvalidCase(f"the catalog has no plan {code!r}")
        return Terms(
            plan=plan.code,
            plan_version=1,
            billing_period=plan.billing_period,
            currency=self._scenario.tenant.currency,
            timezone=self._scenario.tenant.timezone,
            tax_percent=self._scenario.tenant.tax_percent,
            meters=tuple(self._scenario.catalog.meters),
            prices=tuple(plan.prices),
        )

    def _issued(self, invoice: Invoice) -> IssuedInvoice:
        statement = invoice.statement
        return IssuedInvoice(
            customer=statement.customer,
            subscription=statement.subscription,
            issued_at=instant(statement.issued_at_us),
            subtotal=self._major(invoice.subtotal_minor),
            tax=self._major(invoice.tax_minor),
            total=self._major(invoice.total_minor),
            credit_applied=self._major(invoice.credit_applied_minor),
            amount_due=self._major(invoice.amount_due_minor),
            lines=[self._issued_line(line) for line in invoice.lines],
        )

    def _issued_line(self, line: Line) -> IssuedLine:
        return IssuedLine(
            price=line.price,
            group=line.group,
            quantity=line.quantity,
            amount=self._major(line.amount_minor),
            start=instant(line.period_start_us),
            end=instant(line.period_end_us),
            adjustment=line.adjustment,
        )

    def _major(self, minor: int) -> str:
        return f"{Money(minor, self._currency).major():f}"


def _nothing_stored(_: bytes) -> None:
    return None
