"""What the agents count, as Prometheus sees it."""

from collections.abc import Mapping

from prometheus_client import Counter

OUTCOMES = Counter("beaas_rating_outcomes", "Journal entries by what became of them.", ["outcome"])


def count_outcomes(counts: Mapping[str, int]) -> None:
    """Adds a flush's counts."""
    for outcome, count in counts.items():
        OUTCOMES.labels(outcome=outcome).inc(count)
