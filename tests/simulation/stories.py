"""Stories of the independent oracle (tests/oracle), as histories of a tenant each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid5

import msgspec

from billing.credit import Grant
from billing.currency import Currency, currency
from billing.entry import CustomerId, Entry, Usage
from billing.instant import micros
from billing.invoice import Invoice
from billing.money import Money
from streams.conformance.case import Action, GrantCredit, Scenario
from streams.conformance.compare import compare
from streams.conformance.issuing import Issuing
from streams.conformance.story import Story
from tests.oracle.random_stories import generate
from tests.simulation.database import Held
from tests.simulation.history import NAMES, Account, History, of_entries


class Told(Story):
    """A story that remembers who was given credit, and when."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.given: list[tuple[GrantCredit, datetime]] = []

    def _act(self, action: Action, at: datetime) -> None:
        if isinstance(action, GrantCredit):
            self.given.append((action, at))
        super()._act(action, at)

    @property
    def entries(self) -> list[Entry]:
        """The whole journal."""
        return self._journal._entries


@dataclass(slots=True)
class Stories:
    """Some stories in one history; each is the tenant `story-<seed>`."""

    history: History = field(default_factory=History)
    _scenarios: dict[str, Scenario] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    """By command: its place in its story."""

    def add(self, seed: int) -> None:
        """One more, with what the oracle expects of it."""
        scenario: Scenario = msgspec.convert(generate(seed), Scenario)
        story, tenant = Told(scenario), f"story-{seed}"
        story.run()
        self._scenarios[tenant] = scenario
        by_customer: dict[str, list[Entry]] = {}
        for turn, entry in enumerate(story.entries):
            by_customer.setdefault(entry.customer, []).append(self._renamed(entry, tenant, turn))
        for customer, entries in by_customer.items():
            self.history.acts[tenant, customer] = of_entries(entries)
        money = currency(scenario.tenant.currency)
        self.history.credit += [_held(tenant, n, one, at, money) for n, (one, at) in enumerate(story.given)]

    def disagreements(self, invoices: Iterable[Invoice], credit: dict[Account, dict[str, Held]]) -> list[str]:
        """Where invoices and what is left of the credit are not as the oracle expects."""
        drawn = sorted(invoices, key=lambda one: self._turns[one.statement.command_id])
        return [
            f"{tenant}: {difference}"
            for tenant, scenario in self._scenarios.items()
            for difference in _compared(
                tenant, scenario, [one for one in drawn if one.statement.tenant == tenant], credit
            )
        ]

    def _renamed(self, entry: Entry, tenant: str, turn: int) -> Entry:
        if isinstance(entry, Usage):
            return msgspec.structs.replace(entry, tenant=tenant)
        command_id = str(uuid5(NAMES, f"{tenant}/{turn}"))
        self._turns[command_id] = turn
        more: dict[str, Any] = {"original": None} if hasattr(entry, "original") else {}
        return msgspec.structs.replace(entry, tenant=tenant, command_id=command_id, **more)


def _held(tenant: str, number: int, given: GrantCredit, at: datetime, money: Currency) -> tuple[Account, Held]:
    expires_us = None if given.expires is None else micros(given.expires)
    grant = Grant(f"granted:{number}", Money.of(given.amount, money).minor, given.priority, expires_us)
    return (tenant, given.customer), Held(grant, str(money.code), micros(at))


def _compared(
    tenant: str, scenario: Scenario, drawn: list[Invoice], credit: dict[Account, dict[str, Held]]
) -> Iterable[str]:
    issuing = Issuing(currency(scenario.tenant.currency))
    for (owner, customer), held in credit.items():
        if owner == tenant:
            issuing._grants[CustomerId(customer)] = [one.grant for one in held.values()]
    left = issuing.credit(micros(scenario.timeline[-1].at))
    expected = scenario.expect
    return compare(expected, [issuing._issued(invoice) for invoice in drawn], left)
