"""Histories: what customers' machines and tenants do, account by account, before anything of it meets a fault.

A history says in which order things happen to one account; accounts run beside each other in any order. Within an
account everything counts as it would if nothing ever waited or failed (`reference.py` folds it so): usage goes out and
is acknowledged before a command that follows it is accepted, and usage that comes too late for a command waits until
the journal has that command.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Final, TypeAlias, TypedDict
from uuid import UUID, uuid5

import msgspec

from billing.entry import (
    ENDS_A_WINDOW,
    Command,
    Coupon,
    CouponApplied,
    CycleClosed,
    Entry,
    PlanChanged,
    SubscriptionCommand,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    Terms,
    Usage,
    UsageVoided,
)
from billing.instant import DAY_US
from tests.simulation.database import Held

NAMES: Final = UUID("6f1d7c1e-6a1c-4d1e-9b0a-000000000005")
JANUARY_US: Final = 1_767_225_600_000_000
FEBRUARY_US: Final = JANUARY_US + 31 * DAY_US
MARCH_US: Final = FEBRUARY_US + 28 * DAY_US
APRIL_US: Final = MARCH_US + 31 * DAY_US
MONTHS: Final = (JANUARY_US, FEBRUARY_US, MARCH_US, APRIL_US)

Account: TypeAlias = tuple[str, str]
"""Tenant and customer."""
AccountCommand: TypeAlias = SubscriptionCommand | UsageVoided


@dataclass(frozen=True, slots=True)
class Send:
    """Usage goes out, `copies` times, to any partition; where it must keep its order, to that of its account."""

    usage: Usage
    copies: int = 1
    keeps_order: bool = False


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Something goes out that is no usage."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Accept:
    """The control plane takes a command."""

    command: AccountCommand


@dataclass(frozen=True, slots=True)
class Await:
    """The journal has the command."""

    command_id: str


@dataclass(frozen=True, slots=True)
class Drain:
    """The journal has all usage that went out before."""


Act: TypeAlias = Send | SendBytes | Accept | Await | Drain


@dataclass(slots=True)
class History:
    """What happens to each account, in order."""

    acts: dict[Account, list[Act]] = field(default_factory=dict)
    credit: list[tuple[Account, Held]] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many usage records go out."""
        return sum(act.copies if isinstance(act, Send) else 1 for act in self._sends())

    def commands(self) -> list[AccountCommand]:
        """All commands."""
        return [act.command for acts in self.acts.values() for act in acts if isinstance(act, Accept)]

    def _sends(self) -> Iterable[Send | SendBytes]:
        return (act for acts in self.acts.values() for act in acts if isinstance(act, Send | SendBytes))


class StepId(TypedDict):
    """What every command of a subscription has."""

    command_id: str
    tenant: str
    customer: str
    subscription: str
    at_us: int


def step_id(account: Account, number: int, at_us: int) -> StepId:
    """The account's command of this number, for its one subscription."""
    return {
        "command_id": str(uuid5(NAMES, f"{account[0]}/{account[1]}/{number}")),
        "tenant": account[0],
        "customer": account[1],
        "subscription": "s",
        "at_us": at_us,
    }


def of_entries(entries: Iterable[Entry]) -> list[Act]:
    """The acts of one account that make these entries, in their order of arrival.

    Late usage, whose window is shut already, and the commands of a subscription keep their order on their way to the
    journal: each may draw an invoice at once, and which invoice an adjustment stands on is part of what is compared.
    What ends a window waits for usage by itself; before any other command late usage is waited for here.
    """
    acts: list[Act] = []
    shut_us, newest, awaited, is_late = 0, "", "", False
    for entry in entries:
        if isinstance(entry, Usage):
            if entry.occurred_at_us < shut_us:
                is_late = True
                if awaited != newest:
                    acts.append(Await(newest))
                    awaited = newest
            acts.append(Send(entry))
            continue
        if isinstance(entry, ENDS_A_WINDOW):
            shut_us, is_late = max(shut_us, entry.at_us), False
        elif is_late and isinstance(entry, Command):
            acts.append(Drain())
            is_late = False
        if isinstance(entry, Command):
            newest = entry.command_id
        acts.append(Accept(entry))
    return acts


def random_months(seed: int, *, accounts: int = 6, events: int = 30) -> History:
    """Months of so many accounts of two tenants, about so many events each."""
    random = Random(seed)
    names = [(f"t{n % 2}", f"c{n // 2}") for n in range(accounts)]
    return History({account: Months(random, account, events).acts() for account in names})


# Random months ------------------------------------------------------------------------------------------------------


def _terms(plan: str, *prices: dict[str, object]) -> Terms:
    return Terms(
        plan=plan,
        plan_version=1,
        billing_period="P1M",
        currency="USD",
        timezone="UTC",
        tax_percent="7.7",
        meters=(
            {"code": "sum", "event": "x", "aggregation": "sum", "property": "n"},
            {"code": "count", "event": "x", "aggregation": "count", "group_by": ["region"]},
            {"code": "max", "event": "x", "aggregation": "max", "property": "n"},
        ),
        prices=prices,
    )


_TIERS: Final = [{"up_to": "40", "unit_amount": "0.113"}, {"unit_amount": "0.0717", "flat_amount": "1"}]
BASIC: Final = _terms(
    "basic",
    {"code": "fee", "type": "recurring", "amount": "29.00"},
    {"code": "units", "type": "usage", "meter": "sum", "model": "per_unit", "unit_amount": "0.0333"},
    {"code": "calls", "type": "usage", "meter": "count", "model": "graduated", "tiers": _TIERS},
)
LARGE: Final = _terms(
    "large",
    {"code": "fee", "type": "recurring", "amount": "99.00"},
    {"code": "units", "type": "usage", "meter": "sum", "model": "graduated", "tiers": _TIERS},
    {"code": "peak", "type": "usage", "meter": "max", "model": "per_unit", "unit_amount": "0.5"},
)
TENTH_OFF: Final = Coupon(code="tenth", percent_off="10", periods=2)


@dataclass(slots=True)
class Months:
    """Two or three months of one account, drawn.

    Ids count from 0 in every account, so that accounts of other customers and tenants have the same.
    """

    random: Random
    account: Account
    events: int
    entries: list[Entry] = field(default_factory=list)
    copies: dict[str, int] = field(default_factory=dict)
    """By id: how often producers send it."""
    number: int = 0
    commands: int = 0

    def acts(self) -> list[Act]:
        """All of it."""
        months = self.random.randint(2, 3)
        each = max(1, self.events // months)
        parked = self.random.random() < 0.4
        if parked:
            self._use(MONTHS[0], MONTHS[1], each // 3)
        start = self._command(JANUARY_US)
        self._say(SubscriptionStarted(**start, anchor_us=JANUARY_US, terms=self.random.choice([BASIC, LARGE])))
        for month, (begin_us, end_us) in enumerate(pairwise(MONTHS)):
            if month == months:
                break
            self._month(begin_us, end_us, each)
        acts = [self._copied(act) for act in of_entries(self.entries)]
        self._add_conflict(acts)
        if self.random.random() < 0.5:
            acts.insert(self.random.randint(0, len(acts)), SendBytes(self._poison()))
        return acts

    def _month(self, begin_us: int, end_us: int, events: int) -> None:
        middle_us = begin_us + (end_us - begin_us) // 2
        self._use(begin_us, middle_us, events // 2)
        happens = self.random.random()
        if happens < 0.25:
            self._say(PlanChanged(**self._command(middle_us), terms=self.random.choice([BASIC, LARGE])))
        elif happens < 0.35:
            self._say(SubscriptionPaused(**self._command(middle_us)))
            self._say(SubscriptionResumed(**self._command(middle_us + DAY_US)))
            middle_us += DAY_US
        elif happens < 0.45:
            coupon = msgspec.structs.replace(TENTH_OFF, code=f"tenth-{begin_us}")
            self._say(CouponApplied(**self._command(middle_us), coupon=coupon))
        self._use(middle_us, end_us, events - events // 2)
        if self.random.random() < 0.5:
            self._void(end_us)
        self._say(CycleClosed(**self._command(end_us)))
        if self.random.random() < 0.5:
            self._use(begin_us, middle_us if happens >= 0.45 else begin_us + DAY_US, self.random.randint(1, 3))
        if self.random.random() < 0.3:
            self._void(end_us)

    def _use(self, begin_us: int, end_us: int, events: int) -> None:
        """Usage of a stretch of time, shuffled."""
        for _ in range(events):
            usage = Usage(
                tenant=self.account[0],
                customer=self.account[1],
                id=f"e{self.number}",
                source="",
                type="x",
                occurred_at_us=self.random.randrange(begin_us, end_us),
                properties={"n": str(self.random.randint(1, 50)), "region": self.random.choice(["eu", "us"])},
            )
            self.number += 1
            self.copies[usage.id] = self.random.choice([1, 1, 1, 1, 2, 3])
            self.entries.append(usage)

    def _void(self, at_us: int) -> None:
        used = [entry for entry in self.entries if isinstance(entry, Usage)]
        if used:
            usage = self.random.choice(used)
            void = UsageVoided(
                command_id=self._command(at_us)["command_id"],
                tenant=usage.tenant,
                customer=usage.customer,
                source="",
                id=usage.id,
                at_us=at_us,
            )
            self.entries.append(void)

    def _copied(self, act: Act) -> Act:
        return replace(act, copies=self.copies[act.usage.id]) if isinstance(act, Send) else act

    def _add_conflict(self, acts: list[Act]) -> None:
        """The last usage comes once more under its id, and says something else: behind the first, in its partition."""
        sent = [(at, act) for at, act in enumerate(acts) if isinstance(act, Send)]
        if not sent or self.random.random() < 0.5:
            return
        at, last = sent[-1]
        acts[at] = replace(last, copies=1, keeps_order=True)
        other = msgspec.structs.replace(last.usage, properties={"n": "1000000", "region": "eu"})
        acts.append(Send(other, keeps_order=True))

    def _poison(self) -> bytes:
        return self.random.choice([b"", b"\0\0", b"{}", b'{"specversion":"1.0"}', b"\0\0\0\0\x63noise"])

    def _say(self, command: AccountCommand) -> None:
        self.entries.append(command)

    def _command(self, at_us: int) -> StepId:
        self.commands += 1
        return step_id(self.account, self.commands, at_us)
