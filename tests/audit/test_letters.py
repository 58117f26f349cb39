"""Which dead letters tell of bad usage, and which of beaas itself."""

import pytest

from connectors.audit.examine import is_own_fault


@pytest.mark.parametrize(
    ("topic", "reason", "own"),
    [
        ("usage", "unknown-schema", False),
        ("usage", "tombstone", False),
        ("journal", "not-a-decimal", False),
        ("journal", "conflict", False),
        ("journal", "unknown-schema", True),
        ("journal", "tombstone", True),
        ("journal", "instant-out-of-range", True),
        ("statements", "unknown-schema", True),
        ("usage-totals", "malformed", True),
    ],
)
def test_what_intake_had_read_and_rating_cannot_read_is_the_fault_of_beaas(
    topic: str, reason: str, *, own: bool
) -> None:
    assert is_own_fault(topic, reason) is own
