"""A journal of one account, written entry by entry: what a test tells the account machine, and what it answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict

import msgspec

from billing.account import Account, Changes, SeenInMemory, counted_at
from billing.account.items import HEAD
from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponApplied,
    CouponRemoved,
    CustomerId,
    CycleClosed,
    Entry,
    FormerZone,
    PlanChanged,
    QuantityChanged,
    SubscriptionCanceled,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    TenantId,
    Terms,
    Usage,
    UsageVoided,
    ZoneChanged,
)
from billing.instant import instant, micros
from billing.statement import Outcome, Statement, Total

Raw = Mapping[str, object]
TENANT, CUSTOMER = TenantId("acme"), CustomerId("c1")
SUM: Raw = {"code": "m", "event": "x", "aggregation": "sum", "property": "n"}


def us(text: str) -> int:
    """`2026-01-05` or `2026-01-05T12:00` in UTC."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def per_unit(code: str = "m", amount: str = "1", **more: object) -> Raw:
    return {"code": code, "type": "usage", "meter": "m", "model": "per_unit", "unit_amount": amount, **more}


def fee(code: str = "base", amount: str = "31.00", **more: object) -> Raw:
    return {"code": code, "type": "recurring", "amount": amount, **more}


def terms(
    *prices: Raw,
    meters: Sequence[Raw] = (SUM,),
    plan: str = "p",
    period: str = "P1M",
    former_zones: tuple[FormerZone, ...] = (),
    **more: str,
) -> Terms:
    return Terms(
        plan=plan,
        plan_version=1,
        billing_period=period,
        currency=more.get("currency", "USD"),
        timezone=more.get("timezone", "UTC"),
        tax_percent=more.get("tax_percent", "0"),
        meters=tuple(dict(meter) for meter in meters),
        prices=tuple(dict(price) for price in prices),
        former_zones=former_zones,
    )


def usage(
    usage_id: str, at: str, n: str = "1", *, type_: str = "x", subscription: str | None = None, **more: str
) -> Usage:
    return Usage(TENANT, CUSTOMER, usage_id, "", type_, us(at), {"n": n, **more}, subscription)


def brief(statement: Statement) -> list[tuple[str, ...]]:
    """Each line as (kind, price, group values, quantity, amount in minor units, from, to); midnights are left out."""
    return [
        (
            line.kind.value,
            line.price,
            *line.group.values(),
            line.quantity,
            str(line.amount_minor),
            _day(line.period_start_us),
            _day(line.period_end_us),
        )
        for line in statement.lines
    ]


def _day(at_us: int) -> str:
    return instant(at_us).strftime("%Y-%m-%dT%H:%M").removesuffix("T00:00")


class _Named(TypedDict):
    command_id: str
    tenant: str
    customer: str
    subscription: str
    at_us: int


class Journal:
    """Appends entries and keeps the answers; with `reload` every entry meets a restored account."""

    def __init__(self, *, reload: bool = False, usage_window_days: int = 35) -> None:
        self.entries: list[Entry] = []
        self.outcomes: list[Outcome] = []
        self.totals: list[Total] = []
        self.stored: dict[bytes, bytes] = {}
        self.seen = SeenInMemory()
        self._reload = reload
        self._usage_window_us = usage_window_days * 86_400_000_000
        self.account = self.restored()

    @property
    def statements(self) -> list[Statement]:
        """Those with lines."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Statement) and outcome.lines]

    def restored(self) -> Account:
        """Returns the account as it was written."""
        head = self.stored.get(HEAD)
        return Account.load(TENANT, CUSTOMER, head, self.stored.get, usage_window_us=self._usage_window_us)

    def write(self) -> Changes:
        """Writes what has changed, as a shell does at a flush."""
        changes = self.account.changes()
        for key, value in changes.items:
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value
        self.totals += changes.totals
        return changes

    def append(self, *entries: Entry) -> list[Outcome]:
        """Applies entries as a shell does; returns what the last one had to say."""
        said: list[Outcome] = []
        for entry in entries:
            position = len(self.entries)
            self.entries.append(entry)
            since = self.account.rewind_from(entry)
            again = None if since is None else [(u, at) for u, at in self._arrived() if since <= at < position]
            said = list(self.account.apply(entry, position, self.seen, again))
            self.outcomes += said
            if self._reload:
                self.write()
                self.account = self.restored()
        return said

    def _arrived(self) -> list[tuple[Usage, int]]:
        return [(entry, at) for at, entry in enumerate(self.entries) if isinstance(entry, Usage)]

    def start(  # noqa: PLR0913 - all but the first two have defaults
        self,
        at: str,
        agreed: Terms,
        *,
        subscription: str = "s1",
        anchor: str | None = None,
        trial_end: str | None = None,
        coupons: Sequence[Coupon] = (),
    ) -> list[Outcome]:
        """Starts a subscription on the first of its periods."""
        return self.append(
            SubscriptionStarted(
                **self._named(subscription, at),
                anchor_us=us(anchor or at),
                trial_end_us=None if trial_end is None else us(trial_end),
                terms=agreed,
                coupons=tuple(coupons),
            )
        )

    def use(self, usage_id: str, at: str, n: str = "1", **more: str) -> list[Outcome]:
        """Sends one event."""
        return self.append(usage(usage_id, at, n, **more))

    def void(self, usage_id: str) -> list[Outcome]:
        """Takes usage back, with its original where it counts."""
        command = f"void-{len(self.entries)}"
        void = UsageVoided(command_id=command, tenant=TENANT, customer=CUSTOMER, source="", id=usage_id, at_us=0)
        position = counted_at(void, self.seen)
        original = None if position is None else self.entries[position]
        if isinstance(original, Usage):
            void = msgspec.structs.replace(void, original=(original, position))
        return self.append(void)

    def close(self, at: str, subscription: str = "s1") -> list[Outcome]:
        """Closes the period."""
        return self.append(CycleClosed(**self._named(subscription, at)))

    def change(self, at: str, agreed: Terms, subscription: str = "s1") -> list[Outcome]:
        """Changes the plan."""
        return self.append(PlanChanged(**self._named(subscription, at), terms=agreed))

    def rezone(self, at: str, agreed: Terms, subscription: str = "s1") -> list[Outcome]:
        """Puts the boundaries after the open period into another zone."""
        return self.append(ZoneChanged(**self._named(subscription, at), terms=agreed))

    def quantity(self, at: str, price: str, quantity: str, subscription: str = "s1") -> list[Outcome]:
        """Changes how many times a fee is owed."""
        return self.append(QuantityChanged(**self._named(subscription, at), price=price, quantity=quantity))

    def charge(self, at: str, code: str, amount: str, quantity: str = "1", *, at_once: bool = False) -> list[Outcome]:
        """Adds a charge."""
        named = self._named("s1", at)
        return self.append(ChargeAdded(**named, code=code, amount=amount, quantity=quantity, at_once=at_once))

    def coupon(self, at: str, coupon: Coupon, subscription: str = "s1") -> list[Outcome]:
        """Applies a coupon."""
        return self.append(CouponApplied(**self._named(subscription, at), coupon=coupon))

    def no_coupon(self, at: str, code: str, subscription: str = "s1") -> list[Outcome]:
        """Removes a coupon."""
        return self.append(CouponRemoved(**self._named(subscription, at), code=code))

    def pause(self, at: str, subscription: str = "s1") -> list[Outcome]:
        """Pauses."""
        return self.append(SubscriptionPaused(**self._named(subscription, at)))

    def resume(self, at: str, subscription: str = "s1") -> list[Outcome]:
        """Resumes."""
        return self.append(SubscriptionResumed(**self._named(subscription, at)))

    def cancel(self, at: str, subscription: str = "s1") -> list[Outcome]:
        """Cancels."""
        return self.append(SubscriptionCanceled(**self._named(subscription, at)))

    def _named(self, subscription: str, at: str) -> _Named:
        return {
            "command_id": f"command-{len(self.entries)}",
            "tenant": TENANT,
            "customer": CUSTOMER,
            "subscription": subscription,
            "at_us": us(at),
        }
