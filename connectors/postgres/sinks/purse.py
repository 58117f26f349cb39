"""The credit of a batch's customers, as one invoice after the other draws on it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from billing.credit import Grant
from billing.instant import micros
from billing.invoice import Invoice, draw
from billing.statement import Statement
from connectors.postgres.queries.invoicing import OpenGrants

Account: TypeAlias = tuple[str, str]


def account(statement: Statement) -> Account:
    """Returns the tenant and the customer whose bill the statement is."""
    return statement.tenant, statement.customer


@dataclass(frozen=True, slots=True)
class _Held:
    grant: Grant
    currency: str
    granted_at_us: int

    def reaches(self, statement: Statement) -> bool:
        """Whether it is money of the statement's currency that was there at its moment."""
        return self.currency == statement.currency and self.granted_at_us <= statement.issued_at_us


class Purse:
    """What the customers' grants have left; they must be locked for as long as it is used."""

    def __init__(self, open_grants: Iterable[OpenGrants]) -> None:
        self._held: defaultdict[Account, dict[str, _Held]] = defaultdict(dict)
        for row in open_grants:
            expires_us = None if row.expires_at is None else micros(row.expires_at)
            grant = Grant(row.grant_id, int(row.remaining_minor), row.priority, expires_us)
            held = _Held(grant, row.currency, micros(row.granted_at))
            self._held[row.tenant_id, row.customer_id][row.grant_id] = held

    def draw(self, statement: Statement) -> Invoice:
        """Returns the statement's invoice; what it takes and what it gives counts for those drawn after it."""
        mine = self._held[account(statement)]
        invoice = draw(statement, [held.grant for held in mine.values() if held.reaches(statement)])
        for burn in invoice.burns:
            held = mine[burn.grant_id]
            left = replace(held.grant, left_minor=held.grant.left_minor - burn.amount_minor)
            mine[burn.grant_id] = replace(held, grant=left)
        if invoice.grant is not None:
            mine[invoice.grant.grant_id] = _Held(invoice.grant, statement.currency, statement.issued_at_us)
        return invoice
