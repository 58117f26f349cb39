"""The verdict on a run that has settled: the auditor's, and that of `beaas doctor`, which judges by the invariants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from billing.invariants import Finding
from tests.faults.auditor import audit
from tests.faults.rig.environment import Environment

_DOCTOR_WITHIN_S: Final = 300.0


class _Told(msgspec.Struct):
    """What of the doctor's answer counts here."""

    findings: list[Finding]


async def judge(history: Path, environment: Environment) -> Sequence[Finding]:
    """All that must not be so."""
    audited = await audit(history, environment.variables)
    found = [Finding(one.invariant, one.tenant, one.subject, one.detail) for one in audited]
    return [*found, *await _examined(environment)]


async def _examined(environment: Environment) -> list[Finding]:
    ran = await environment.beaas("doctor", "--json", within_s=_DOCTOR_WITHIN_S)
    if ran.status not in {0, 1} or not ran.out:
        return [Finding("I19", "", "beaas doctor", f"ended with {ran.status}: {ran.err}")]
    return msgspec.json.decode(ran.out, type=_Told).findings
