"""One small history with everything in it, for trying every fault at every step."""

from typing import Final

from billing.credit import Grant
from billing.entry import CycleClosed, Entry, PlanChanged, SubscriptionStarted, Usage, UsageVoided
from billing.instant import DAY_US
from tests.simulation.database import Held
from tests.simulation.history import (
    BASIC,
    FEBRUARY_US,
    JANUARY_US,
    LARGE,
    MARCH_US,
    Account,
    Act,
    History,
    Send,
    SendBytes,
    of_entries,
    step_id,
)

_TENANT: Final = "acme"


def history() -> History:
    """Two customers; usage before its subscription, twice, late, taken back, in conflict; closes; unreadable bytes."""
    first, second = (_TENANT, "c1"), (_TENANT, "c2")
    credit = Held(Grant("welcome", 2_000), "USD", JANUARY_US)
    return History({first: _first(first), second: _second(second)}, [(first, credit)])


def _first(account: Account) -> list[Act]:
    entries: list[Entry] = [
        _used(account, 0, JANUARY_US + DAY_US),
        SubscriptionStarted(**step_id(account, 1, JANUARY_US), anchor_us=JANUARY_US, terms=BASIC),
        _used(account, 1, JANUARY_US + 2 * DAY_US),
        _used(account, 2, FEBRUARY_US - 1),
        CycleClosed(**step_id(account, 2, FEBRUARY_US)),
        _used(account, 3, JANUARY_US + 9 * DAY_US),
        UsageVoided(
            command_id=step_id(account, 3, FEBRUARY_US)["command_id"],
            tenant=account[0],
            customer=account[1],
            source="",
            id="e1",
            at_us=FEBRUARY_US,
        ),
        _used(account, 4, FEBRUARY_US + DAY_US),
        CycleClosed(**step_id(account, 4, MARCH_US)),
    ]
    acts = of_entries(entries)
    return [Send(act.usage, 2) if isinstance(act, Send) and act.usage.id == "e1" else act for act in acts]


def _second(account: Account) -> list[Act]:
    entries: list[Entry] = [
        SubscriptionStarted(**step_id(account, 1, JANUARY_US), anchor_us=JANUARY_US, terms=BASIC),
        _used(account, 0, JANUARY_US + DAY_US),
        PlanChanged(**step_id(account, 2, JANUARY_US + 15 * DAY_US), terms=LARGE),
        _used(account, 1, JANUARY_US + 20 * DAY_US),
        CycleClosed(**step_id(account, 3, FEBRUARY_US)),
    ]
    conflict = Send(_used(account, 1, JANUARY_US + 21 * DAY_US), keeps_order=True)
    return [*of_entries(entries), SendBytes(b"\0\0noise"), conflict]


def _used(account: Account, number: int, at_us: int) -> Usage:
    return Usage(*account, f"e{number}", "", "x", at_us, {"n": str(7 + number), "region": "eu"})
