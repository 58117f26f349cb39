"""The oracle's story of one account, with the events that stand behind each line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.faults.auditor.usage_id import MODULUS, number_of
from tests.faults.history.log import Content
from tests.oracle.credit import Grant
from tests.oracle.lines import Line
from tests.oracle.meters import Event, Group, group_of, matches
from tests.oracle.numbers import Raw, decimal
from tests.oracle.story import Story, begun
from tests.oracle.subscription import Subscription

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """A line as it must stand on its invoice, in major units; `contents` are the events behind it."""

    price: str
    kind: str
    group: Group
    quantity: Decimal
    amount: Decimal
    discount: Decimal
    start: datetime
    end: datetime
    events: int
    events_digest: int


@dataclass(frozen=True, slots=True)
class ExpectedInvoice:
    """An invoice that must be there once, in major units; `credited` is what a negative sum gives to the credit."""

    tenant: str
    customer: str
    subscription: str
    issued_at: datetime
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    credit_applied: Decimal
    amount_due: Decimal
    credited: Decimal
    lines: tuple[ExpectedLine, ...]

    @property
    def name(self) -> str:
        """Subscription and moment."""
        return f"{self.subscription} at {self.issued_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class ExpectedTotal:
    """What was used of a price in a window."""

    tenant: str
    customer: str
    subscription: str
    price: str
    group: Group
    start: datetime
    quantity: Decimal
    amount: Decimal
    events: int


@dataclass(slots=True)
class Recount(Story):
    """Takes usage by its content, and keeps what each line counts."""

    contents: dict[tuple[str, str], Content] = field(default_factory=dict)
    """By customer and the oracle's id: an id is unique for its source."""
    expected: list[ExpectedInvoice] = field(default_factory=list)
    used: dict[str, list[ExpectedTotal]] = field(default_factory=dict)
    """By subscription: what came after its end counts no more."""
    _given: dict[int, tuple[Grant, datetime]] = field(default_factory=dict)
    """What negative sums gave to the credit, and at which invoice's moment."""

    def count(self, content: Content) -> None:
        """The event arrives now."""
        name = oracle_id(content.source, content.id)
        self.contents[content.customer, name] = content
        at = _EPOCH + content.at_us * _US
        self.arrive(Event(name, content.customer, content.type, at, content.properties, at, content.subscription))

    def issue(self, code: str, at: datetime, lines: Sequence[Line]) -> None:
        """As the story; and it is kept with what its lines count."""
        already = len(self.invoices)
        self._issue(code, at, lines)
        if len(self.invoices) == already:
            return
        one, subscription = self.invoices[-1], self.subscriptions[code]
        by_window = subscription.events_by_window()
        invoice = ExpectedInvoice(
            tenant=str(self.tenant["code"]),
            customer=one.customer,
            subscription=code,
            issued_at=at,
            currency=str(self.tenant["currency"]),
            subtotal=self._major(one.subtotal),
            tax=self._major(one.tax),
            total=self._major(one.total),
            credit_applied=self._major(one.credit_applied),
            amount_due=self._major(one.total - one.credit_applied),
            credited=self._major(one.total - one.subtotal - one.tax),
            lines=tuple(self._line(subscription, line, by_window) for line in lines),
        )
        self.expected.append(invoice)

    def _issue(self, code: str, at: datetime, lines: Sequence[Line]) -> None:
        """Credit that a later moment gave is not drawn on: what was due first may be issued second."""
        credit = self.credit_of(self.subscriptions[code].customer)
        later = [one for one in credit.grants if id(one) in self._given and self._given[id(one)][1] > at]
        credit.grants = [one for one in credit.grants if not any(one is other for other in later)]
        known = len(credit.grants)
        # Not super(): a dataclass with slots is another class than the one that a method without arguments means.
        Story.issue(self, code, at, lines)
        self._given |= {id(grant): (grant, at) for grant in credit.grants[known:]}
        credit.grants += later

    def cancel(self, at: datetime, raw: Raw) -> None:
        """As the story; and what was used of the subscription is final."""
        Story.cancel(self, at, raw)
        code = str(raw["subscription"])
        self.used[code] = list(self._totals(self.subscriptions[code]))

    def totals(self) -> Iterator[ExpectedTotal]:
        """What was used in every window that has ended."""
        for code, subscription in self.subscriptions.items():
            yield from self.used[code] if code in self.used else self._totals(subscription)

    def _totals(self, subscription: Subscription) -> Iterator[ExpectedTotal]:
        by_window = subscription.events_by_window()
        for window in subscription.windows:
            for price in window.plan["prices"] if window.end else ():
                if price["type"] != "usage":
                    continue
                for group, bill in subscription.bills(window, price, by_window).items():
                    yield ExpectedTotal(
                        str(self.tenant["code"]),
                        subscription.customer,
                        subscription.code,
                        price["code"],
                        group,
                        window.start,
                        decimal(bill.quantity, 12),
                        self._major(bill.amount),
                        len(self._inside(subscription, by_window[window.number], price["meter"], group)),
                    )

    def _line(self, subscription: Subscription, line: Line, by_window: list[list[Event]]) -> ExpectedLine:
        inside: list[Event] = []
        if line.kind in {"usage", "adjustment"} and line.window is not None:
            meter = next(price["meter"] for price in line.window.plan["prices"] if price["code"] == line.price)
            inside = self._inside(subscription, by_window[line.window.number], meter, line.group)
        numbers = [number_of(self.contents[event.customer, event.id]) for event in inside]
        return ExpectedLine(
            line.price,
            line.kind,
            line.group,
            decimal(line.quantity, 12),
            self._major(line.amount),
            self._major(line.discount),
            line.start,
            line.end,
            len(inside),
            sum(numbers) % MODULUS,
        )

    def _inside(self, subscription: Subscription, events: Sequence[Event], meter: str, group: Group) -> list[Event]:
        raw = subscription.catalog.meters[meter]
        return [event for event in events if matches(raw, event) and group_of(raw, event) == group]

    def _major(self, units: int) -> Decimal:
        digits = self.catalog.digits
        return decimal(Fraction(units, 10**digits), digits)


def begun_of(document: Mapping[str, object]) -> Recount:
    """An account's story before its first entry."""
    story = begun(document, document)
    return Recount(story.tenant, story.catalog, story.zone)


def oracle_id(source: str, usage_id: str) -> str:
    """What stands for source and id together."""
    return f"{source}\x1f{usage_id}"
