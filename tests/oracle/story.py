"""A whole scenario: the invoices that it must end in, and the credit that is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.credit import NEVER, Credit, Grant
from tests.oracle.lines import Line
from tests.oracle.meters import Event
from tests.oracle.numbers import DIGITS, Raw, amount_text, instant, instant_text, minor, number
from tests.oracle.periods import Grid, calendar
from tests.oracle.subscription import Catalog, Subscription


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice, in minor units."""

    customer: str
    subscription: str
    issued_at: datetime
    lines: Sequence[Line]
    subtotal: int
    tax: int
    total: int
    credit_applied: int

    def expected(self, digits: int) -> dict[str, Any]:
        """The invoice as a case expects it."""
        amounts = {
            "subtotal": self.subtotal,
            "tax": self.tax,
            "total": self.total,
            "credit_applied": self.credit_applied,
            "amount_due": self.total - self.credit_applied,
        }
        return {
            "customer": self.customer,
            "subscription": self.subscription,
            "issued_at": instant_text(self.issued_at),
            **{name: amount_text(amount, digits) for name, amount in amounts.items()},
            "lines": [line.expected(digits) for line in self.lines],
        }


@dataclass(slots=True)
class Story:
    """A tenant while its timeline goes on."""

    tenant: Raw
    catalog: Catalog
    zone: ZoneInfo
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    credit: dict[str, Credit] = field(default_factory=dict)
    usage: dict[str, dict[str, Event]] = field(default_factory=dict)
    """By customer and id, first arrivals in their order."""
    voided: set[tuple[str, str]] = field(default_factory=set)
    invoices: list[Invoice] = field(default_factory=list)

    def run(self, timeline: Sequence[Raw]) -> None:
        """Runs the entries in order, and before each of them what falls due."""
        for entry in timeline:
            at = instant(entry["at"])
            self.pass_time(at)
            for name, raw in entry.items():
                if name != "at":
                    ENTRIES[name](self, at, raw)

    def pass_time(self, until: datetime) -> None:
        """Everything that falls due by then happens, in order of time, then of the subscriptions' codes."""
        while due := sorted((one.due, one.code) for one in self.subscriptions.values() if one.due and one.due <= until):
            at, code = due[0]
            self.issue(code, at, self.subscriptions[code].close(at))

    # Entries of the timeline, by their names -------------------------------------------------------------------------

    def subscribe(self, at: datetime, raw: Raw) -> None:
        """A subscription starts."""
        plan, customer, code = self.catalog.plans[raw["plan"]], raw["customer"], raw["subscription"]
        anchor = calendar(at, plan["billing_period"], self.zone) if raw.get("anchor") == "calendar" else at
        started = self.subscriptions[code] = Subscription(
            code,
            customer,
            self.catalog,
            Grid(anchor, self.zone),
            plan,
            at,
            lambda: self.known(customer),
            instant(raw["trial_end"]) if raw.get("trial_end") else None,
            raw.get("periods"),
        )
        self.credit_of(customer)
        for coupon in raw.get("coupons", []):
            started.apply_coupon(at, self.catalog.coupons[coupon])
        self.issue(code, at, started.begin(at))

    def usage_reported(self, at: datetime, raw: Raw) -> None:
        """Usage arrives."""
        occurred = instant(raw["timestamp"]) if raw.get("timestamp") else at
        properties, subscription = raw.get("properties", {}), raw.get("subscription")
        self.arrive(Event(raw["id"], raw["customer"], raw["event"], occurred, properties, at, subscription))

    def arrive(self, event: Event) -> None:
        """The same, as an event."""
        self.usage.setdefault(event.customer, {}).setdefault(event.id, event)

    def void_usage(self, _: datetime, raw: Raw) -> None:
        """Usage is taken back, or will be when it arrives."""
        self.voided.add((raw["customer"], raw["id"]))

    def change_plan(self, at: datetime, raw: Raw) -> None:
        """Another plan."""
        self.issue(raw["subscription"], at, self.of(raw).change_plan(at, self.catalog.plans[raw["plan"]]))

    def pause(self, at: datetime, raw: Raw) -> None:
        """A pause."""
        self.issue(raw["subscription"], at, self.of(raw).pause(at))

    def resume(self, at: datetime, raw: Raw) -> None:
        """The end of a pause."""
        self.issue(raw["subscription"], at, self.of(raw).resume(at))

    def cancel(self, at: datetime, raw: Raw) -> None:
        """The end."""
        self.issue(raw["subscription"], at, self.of(raw).cancel(at))

    def change_quantity(self, at: datetime, raw: Raw) -> None:
        """Another quantity of a recurring price."""
        lines = self.of(raw).change_quantity(at, raw["price"], number(raw, "quantity"))
        self.issue(raw["subscription"], at, lines)

    def add_charge(self, at: datetime, raw: Raw) -> None:
        """A charge that no plan has."""
        self.issue(raw["subscription"], at, self.of(raw).add_charge(at, raw))

    def apply_coupon(self, at: datetime, raw: Raw) -> None:
        """A coupon."""
        self.of(raw).apply_coupon(at, self.catalog.coupons[raw["coupon"]])

    def remove_coupon(self, at: datetime, raw: Raw) -> None:
        """The end of a coupon."""
        self.of(raw).remove_coupon(at, raw["coupon"])

    def change_zone(self, at: datetime, raw: Raw) -> None:
        """Another zone of the tenant."""
        self.zone = ZoneInfo(raw["timezone"])
        for subscription in self.subscriptions.values():
            subscription.change_zone(at, self.zone)

    def grant_credit(self, _: datetime, raw: Raw) -> None:
        """Prepaid money."""
        expires = instant(raw["expires"]) if raw.get("expires") else NEVER
        grant = Grant(minor(number(raw, "amount"), self.catalog.digits), raw.get("priority", 0), expires)
        self.credit_of(raw["customer"]).grants.append(grant)

    # -----------------------------------------------------------------------------------------------------------------

    def of(self, raw: Raw) -> Subscription:
        """The subscription that an entry names."""
        return self.subscriptions[raw["subscription"]]

    def known(self, customer: str) -> list[Event]:
        """The customer's usage by now, without what was voided."""
        return [one for one in self.usage.get(customer, {}).values() if (customer, one.id) not in self.voided]

    def credit_of(self, customer: str) -> Credit:
        """The customer's prepaid money."""
        return self.credit.setdefault(customer, Credit())

    def issue(self, code: str, at: datetime, lines: Sequence[Line]) -> None:
        """An invoice of the lines with tax and credit; none without lines."""
        if not lines:
            return
        customer = self.subscriptions[code].customer
        credit = self.credit_of(customer)
        subtotal = sum(line.amount for line in lines)
        base = sum(line.amount for line in lines if line.taxable)
        tax = minor(base * number(self.tenant, "tax_percent") / 100, 0)
        total = max(subtotal + tax, 0)
        if subtotal + tax < 0:
            credit.grants.append(Grant(-(subtotal + tax)))
        paid = credit.pay(total, at)
        self.invoices.append(Invoice(customer, code, at, lines, subtotal, tax, total, paid))


def told(case: Raw) -> Story:
    """The story of a scenario, at its end."""
    story = begun(case["tenant"], case["catalog"])
    story.run(case["timeline"])
    return story


def begun(tenant: Raw, catalog: Raw) -> Story:
    """A story before its first entry."""
    meters, plans, coupons = ({raw["code"]: raw for raw in catalog.get(name, [])} for name in SOLD)
    sold = Catalog(meters, plans, coupons, DIGITS[tenant["currency"]])
    return Story(tenant, sold, ZoneInfo(tenant.get("timezone", "UTC")))


def expected(case: Raw) -> dict[str, Any]:
    """What a scenario must end in, in the form of its `expect`, with all fields."""
    story = told(case)
    digits = story.catalog.digits
    end = instant(case["timeline"][-1]["at"])
    return {
        "invoices": [invoice.expected(digits) for invoice in story.invoices],
        "credit": {customer: amount_text(one.balance(end), digits) for customer, one in sorted(story.credit.items())},
    }


SOLD = ("meters", "plans", "coupons")
ENTRIES: Mapping[str, Callable[[Story, datetime, Raw], None]] = {
    "subscribe": Story.subscribe,
    "usage": Story.usage_reported,
    "void_usage": Story.void_usage,
    "change_plan": Story.change_plan,
    "pause": Story.pause,
    "resume": Story.resume,
    "cancel": Story.cancel,
    "change_quantity": Story.change_quantity,
    "add_charge": Story.add_charge,
    "apply_coupon": Story.apply_coupon,
    "remove_coupon": Story.remove_coupon,
    "change_zone": Story.change_zone,
    "grant_credit": Story.grant_credit,
}
