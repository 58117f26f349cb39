"""Prepaid money of a customer."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Grant:
    """Money in minor units; the lower priority burns first, then what expires first."""

    left: int
    priority: int = 0
    expires: datetime = NEVER


@dataclass(slots=True)
class Credit:
    """All grants of a customer, in order of arrival."""

    grants: list[Grant] = field(default_factory=list)

    def pay(self, total: int, now: datetime) -> int:
        """Pays as much of the total as there is; returns how much that is."""
        paid = 0
        for grant in sorted(self._alive(now), key=lambda grant: (grant.priority, grant.expires)):
            part = min(grant.left, total - paid)
            grant.left -= part
            paid += part
        return paid

    def balance(self, now: datetime) -> int:
        """What is left."""
        return sum(grant.left for grant in self._alive(now))

    def _alive(self, now: datetime) -> list[Grant]:
        return [grant for grant in self.grants if grant.expires > now]
