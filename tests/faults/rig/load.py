"""What a run needs of those who send and those who judge: the generator and the auditor fulfil it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from billing.invariants import Finding
from tests.faults.rig.environment import Environment


class Load(Protocol):
    """Sends usage and commands, and writes down what was acknowledged."""

    @property
    def acknowledged(self) -> int:
        """Usage events that Kafka has acknowledged so far."""

    async def run_until(self, *, acknowledged: int) -> None:
        """So many are acknowledged."""

    async def finish(self) -> None:
        """What remains is sent, and every clock stands at its end, so that every cycle closes."""


class Audit(Protocol):
    """Judges a finished run by its history and what came out."""

    async def __call__(self, history: Path, environment: Environment, /) -> Sequence[Finding]:
        """All that must not be so."""
