"""Which commands a tenant's journals must have, by its history and the oracle's calendar alone."""

from dataclasses import dataclass
from datetime import datetime

from tests.faults.auditor.told import TenantTold
from tests.oracle.numbers import Raw, instant
from tests.oracle.story import Story, begun

STARTED, CLOSED, CHANGED = "SubscriptionStarted", "CycleClosed", "PlanChanged"
KINDS = {"pause": "SubscriptionPaused", "resume": "SubscriptionResumed", "cancel": "SubscriptionCanceled"}
ENDS_A_WINDOW = frozenset({CLOSED, CHANGED, KINDS["pause"], KINDS["cancel"]})
"""Usage that was acknowledged before one of these was asked for stands before it in the journal."""


@dataclass(frozen=True, slots=True)
class Due:
    """A command that must be in the journal once; what led to it was asked for in line `invoked`."""

    customer: str
    subscription: str
    kind: str
    at: datetime
    invoked: int
    plan: str = ""

    @property
    def name(self) -> tuple[str, str, datetime]:
        """What no other command of its account has."""
        return self.subscription, self.kind, self.at


def calendar(tenant: TenantTold) -> list[Due]:
    """Every command, those of one subscription in their order."""
    made = _Calendar(tenant)
    for effect in tenant.effects:
        made.pass_time(effect.at, effect.invoked)
        match effect.asked.what:
            case "apply" if effect is not tenant.effects[0]:
                assert effect.asked.document is not None
                made.change(effect.asked.document, effect.at, effect.invoked)
            case "pause" | "resume" | "cancel":
                made.command(effect.asked.what, effect.asked.subscription, effect.at, effect.invoked)
            case _:
                pass
    return made.found


class _Calendar:
    def __init__(self, tenant: TenantTold) -> None:
        self.found: list[Due] = []
        self._story: Story = begun(tenant.document, tenant.document)
        self._pending: dict[str, Raw] = {raw["code"]: raw for raw in tenant.document["subscriptions"]}

    def pass_time(self, until: datetime, invoked: int) -> None:
        """What falls due by then."""
        subscriptions = self._story.subscriptions
        while True:
            due = [(one.due, code) for code, one in subscriptions.items() if one.due]
            due += [(instant(raw["start"]), code) for code, raw in self._pending.items()]
            at, code = min(due, default=(until, ""))
            if not code or at > until:
                return
            if code in self._pending:
                self._story.subscribe(at, {**self._pending.pop(code), "subscription": code})
                self._add(code, STARTED, at, invoked)
            else:
                subscriptions[code].close(at)
                self._add(code, CLOSED, at, invoked)

    def change(self, document: Raw, at: datetime, invoked: int) -> None:
        """Other plans, where the document names other ones."""
        for raw in document["subscriptions"]:
            known = self._story.subscriptions.get(raw["code"])
            if known is not None and known.plan["code"] != raw["plan"] and known.state != "canceled":
                known.change_plan(at, self._story.catalog.plans[raw["plan"]])
                self._add(raw["code"], CHANGED, at, invoked, raw["plan"])

    def command(self, what: str, code: str, at: datetime, invoked: int) -> None:
        """A command, where the subscription's state allows it: others are refused."""
        known = self._story.subscriptions.get(code)
        wanted = {"pause": {"active"}, "resume": {"paused"}, "cancel": {"active", "paused"}}[what]
        if known is not None and known.state in wanted:
            {"pause": known.pause, "resume": known.resume, "cancel": known.cancel}[what](at)
            self._add(code, KINDS[what], at, invoked)

    def _add(self, code: str, kind: str, at: datetime, invoked: int, plan: str = "") -> None:
        self.found.append(Due(self._story.subscriptions[code].customer, code, kind, at, invoked, plan))
