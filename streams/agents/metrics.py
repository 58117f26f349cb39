"""What the agents count, as Prometheus sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTCOMES = Counter("beaas_rating_outcomes", "Journal entries by what became of them.", ["outcome"])


def count_outcomes(counts: Mapping[str, int]) -> None:
    """Add a flush's counts."""
    for outcome, count in counts.items():
        OUTCOMES.labels(outcome=outcome).inc(count)
