"""What fails, and when: drawn from a seed, or exactly one thing at exactly one step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from tests.simulation.world import Fate, Operation, Process

Ambush: TypeAlias = tuple[str, str]
"""How the names of a process and of its step begin."""

AMBUSHES: Final[Mapping[Ambush, Fate]] = {
    ("intake", "send"): Fate.STALLS,
    ("rating", "send"): Fate.STALLS,
    ("intake", "commit offsets"): Fate.DIES_BEFORE,
    ("relay", "send"): Fate.DIES_BEFORE,
}
"""Where a fault does most harm: a zombie with a whole flush in its hands, an effect that nobody has heard of."""
_RELAYS: Final = 4


@dataclass(slots=True)
class Chaos:
    """Anything may fail at any step, until it is healed.

    Attributes:
        death: how likely a process dies at one of its steps.
        stall: how likely it becomes a zombie there.
        session_s: how long it takes until others notice.
        ambushes: what is to become of the next process at such a step.
    """

    random: Random
    session_s: float
    death: float = 0.03
    stall: float = 0.006
    healed: bool = False
    ambushes: dict[Ambush, Fate] = field(default_factory=dict)

    def of(self, operation: Operation) -> Fate:
        """See `Fates`."""
        if self.healed:
            return Fate.LIVES
        for ambush in self.ambushes:
            if operation.process.name.startswith(ambush[0]) and operation.label.startswith(ambush[1]):
                return self.ambushes.pop(ambush)
        # A relay takes few steps, a worker many.
        death = self.death * _RELAYS if operation.process.name.startswith("relay") else self.death
        drawn = self.random.random()
        if drawn < death:
            return Fate.DIES_BEFORE if self.random.random() < 0.5 else Fate.DIES_AFTER
        return Fate.STALLS if drawn < death + self.stall else Fate.LIVES

    def arrives(self, operation: Operation) -> bool:
        """See `Fates`."""
        del operation
        return self.random.random() < 0.5

    def restart_s(self, process: Process) -> float:
        """Sooner or later than the others notice."""
        del process
        return self.random.uniform(0.01, 0.3) if self.random.random() < 0.7 else self.session_s * 1.5

    def stall_s(self, process: Process) -> float:
        """Mostly longer than the others wait."""
        del process
        return self.session_s * self.random.uniform(0.5, 5.0)


@dataclass(slots=True)
class Once:
    """One fate at one step, counted over all mortal processes; before and after it all is well.

    Attributes:
        step: which step; None: none.
        label: what was done there.
        labels: all that was done.
        away_s: how long the dead stay dead.
    """

    step: int | None
    fate: Fate
    away_s: float
    asleep_s: float
    count: int = 0
    label: str = ""
    labels: list[str] = field(default_factory=list)

    def of(self, operation: Operation) -> Fate:
        """See `Fates`."""
        self.count += 1
        self.labels.append(operation.label)
        if self.count - 1 != self.step:
            return Fate.LIVES
        self.label = f"{operation.process.name}: {operation.label}"
        return self.fate

    def arrives(self, operation: Operation) -> bool:
        """What else was on its way is lost."""
        del operation
        return False

    def restart_s(self, process: Process) -> float:
        """See `Fates`."""
        del process
        return self.away_s

    def stall_s(self, process: Process) -> float:
        """See `Fates`."""
        del process
        return self.asleep_s
