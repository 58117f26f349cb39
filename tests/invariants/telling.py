"""What findings say, short enough to be compared."""

from collections.abc import Iterator

from billing.invariants import INVARIANTS, Finding

IDS = {invariant.judge.__name__: invariant.id for invariant in INVARIANTS}


def told(findings: Iterator[Finding]) -> list[tuple[str, str, str]]:
    """Tenant, subject and the first sentence of each finding's detail; all are of the invariant that was asked."""
    asked, found_all = IDS.get(getattr(findings, "__name__", "")), list(findings)
    assert asked is None or {found.invariant for found in found_all} <= {asked}
    return [(found.tenant, found.subject, found.detail.partition(". ")[0]) for found in found_all]
