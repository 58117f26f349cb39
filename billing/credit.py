"""Prepaid credit: which grant pays first, and what is left.

Lower priority numbers first, then the soonest expiry (never is last), then the order in which they were granted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.errors import InvalidDefinition


@dataclass(frozen=True, slots=True)
class Grant:
    """Money of a customer that pays invoices: `left_minor` of it is still there."""

    grant_id: str
    left_minor: int
    priority: int = 0
    expires_us: int | None = None

    def __post_init__(self) -> None:
        if self.left_minor < 0:
            raise InvalidDefinition("amount", f"grant {self.grant_id} has {self.left_minor}; 0 or more is allowed")

    def pays_at(self, at_us: int) -> bool:
        """Whether it pays at this instant: something is left, and it has not expired (at its expiry it has)."""
        return self.left_minor > 0 and (self.expires_us is None or at_us < self.expires_us)


@dataclass(frozen=True, slots=True)
class Burn:
    """What one grant pays of one invoice."""

    grant_id: str
    amount_minor: int


def burn(grants: Sequence[Grant], due_minor: int, at_us: int) -> tuple[Burn, ...]:
    """Returns what each grant pays of `due_minor`, in the order of burning; together at most what is due.

    Args:
        grants: in the order in which they were granted, of one customer and one currency.
        due_minor: what is to be paid; 0 or less burns nothing.
        at_us: the moment of the invoice.
    """
    burns = []
    for grant in sorted((grant for grant in grants if grant.pays_at(at_us)), key=_turn):
        if due_minor <= 0:
            break
        paid = min(grant.left_minor, due_minor)
        burns.append(Burn(grant.grant_id, paid))
        due_minor -= paid
    return tuple(burns)


def balance(grants: Sequence[Grant], at_us: int) -> int:
    """Returns the minor units that could pay at this instant."""
    return sum(grant.left_minor for grant in grants if grant.pays_at(at_us))


def _turn(grant: Grant) -> tuple[int, bool, int | None]:
    # A None meets only a None, and tuples pass over what is equal in both.
    return grant.priority, grant.expires_us is None, grant.expires_us
