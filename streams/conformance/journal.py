"""The journal of one small tenant, in memory, and the accounts that are folded from it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from billing.account import Account, SeenInMemory, counted_at
from billing.entry import CustomerId, Entry, TenantId, Usage, UsageVoided
from billing.statement import Outcome

TENANT: Final = TenantId("tenant")


class Journal:
    """Entries in the order of arrival; each is applied to its account as it comes."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._accounts: dict[CustomerId, Account] = {}
        self._seen = SeenInMemory()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> Sequence[Outcome]:
        """Puts an entry at the end and returns what its account has to say of it; a void finds its original."""
        if isinstance(entry, UsageVoided):
            entry = self._with_original(entry)
        position, customer = len(self._entries), CustomerId(entry.customer)
        self._entries.append(entry)
        account = self._accounts.setdefault(customer, Account.load(TENANT, customer, None, _nothing_stored))
        since = account.rewind_from(entry)
        again = None if since is None else self.usage(customer, since)
        return account.apply(entry, position, self._seen, again)

    def _with_original(self, void: UsageVoided) -> UsageVoided:
        position = counted_at(void, self._seen)
        original = None if position is None else self._entries[position]
        return msgspec.structs.replace(void, original=(original, position)) if isinstance(original, Usage) else void

    def usage(self, customer: CustomerId, since: int = 0) -> list[tuple[Usage, int]]:
        """Returns the customer's usage from this position on, each with its own."""
        entries = enumerate(self._entries[since:], since)
        return [(entry, at) for at, entry in entries if isinstance(entry, Usage) and entry.customer == customer]


def _nothing_stored(_: bytes) -> None:
    return None
