"""The independent auditor: what was billed, recomputed from what producers were told.

It shares no code with the product: the oracle of tests/oracle prices in exact fractions, Kafka and PostgreSQL are read
by foreign clients, and records are decoded by the registry's schemas.
"""

from tests.faults.auditor.finding import Finding
from tests.faults.auditor.verdict import audit, gather, judge

__all__ = ["Finding", "audit", "gather", "judge"]
