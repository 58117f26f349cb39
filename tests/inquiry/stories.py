"""Every statement of a story, with an inquiry into it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from billing.account import Account, SeenInMemory
from billing.account.books import Books
from billing.account.identity import usage_digest, usage_key
from billing.account.items import Items
from billing.account.machine import USAGE_WINDOW_US
from billing.entry import CustomerId, Entry, TenantId, Usage, UsageVoided
from billing.inquiry import Contribution, Explained, Inquiry
from billing.statement import Statement
from streams.conformance.case import Scenario
from streams.conformance.journal import TENANT
from streams.conformance.story import Story


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that a story drew, and what an inquiry says of its lines."""

    statement: Statement
    inquiry: Inquiry
    lines: list[Explained]
    behind: dict[int, list[Contribution]]


@dataclass(slots=True)
class Told:
    """One account of a story, as far as it was folded."""

    customer: CustomerId
    stored: dict[bytes, bytes]
    seen: SeenInMemory
    usage: list[tuple[Usage, int]]
    statements: list[Statement]

    def books(self) -> Books:
        """The account as it stands, for one user."""
        return Books.restored(TENANT, self.customer, self.stored.get(b""), Items(self.stored.get), USAGE_WINDOW_US)


def entries_of(raw: dict[str, Any]) -> list[Entry]:
    """The journal that a scenario writes."""
    story = Story(msgspec.convert(raw, Scenario))
    story.run()
    return list(story._journal._entries)


def asked(entries: list[Entry], *, lost: frozenset[int] = frozenset()) -> Iterator[Asked]:
    """Folds a journal and inquires into each statement with lines; `lost` positions are kept from the inquiries."""
    accounts: dict[str, Told] = {}
    for position, entry in enumerate(entries):
        customer = CustomerId(entry.customer)
        told = accounts.setdefault(customer, Told(customer, {}, SeenInMemory(), [], []))
        yield from _inquired(told, entry, position, lost)
        _fold(told, entry, position)


def _inquired(told: Told, entry: Entry, position: int, lost: frozenset[int]) -> Iterator[Asked]:
    if isinstance(entry, Usage | UsageVoided):
        return
    books, seen = told.books(), SeenInMemory()
    seen.known.update(told.seen.known)
    since = Account(books).rewind_from(entry)
    again = [] if since is None else [one for one in told.usage if one[1] >= since]
    inquiry = Inquiry(books, entry, position, seen, again)
    if not inquiry.statement.lines:
        return
    behind: dict[int, list[Contribution]] = {}
    for usage, at in told.usage:
        if at not in lost and told.seen.get(usage_key(usage)) == (at, usage_digest(usage)):
            for place, contribution in inquiry.take(usage, at):
                behind.setdefault(place, []).append(contribution)
    yield Asked(inquiry.statement, inquiry, inquiry.explain(told.statements), behind)


def _fold(told: Told, entry: Entry, position: int) -> None:
    account = Account(told.books())
    since = account.rewind_from(entry)
    again = None if since is None else [one for one in told.usage if one[1] >= since]
    if isinstance(entry, UsageVoided):
        known = told.seen.get(_void_key(entry))
        found = next((one for one in told.usage if known is not None and one[1] == known[0]), None)
        entry = msgspec.structs.replace(entry, original=found)
    for outcome in account.apply(entry, position, told.seen, again):
        if isinstance(outcome, Statement):
            told.statements.append(outcome)
    if isinstance(entry, Usage):
        told.usage.append((entry, position))
    for key, value in account.changes().items:
        if value is None:
            told.stored.pop(key, None)
        else:
            told.stored[key] = value


def _void_key(void: UsageVoided) -> bytes:
    usage = Usage(void.tenant, void.customer, void.id, void.source, "", 0, {})
    return usage_key(usage)


__all__ = ["Asked", "TenantId", "asked", "entries_of"]
