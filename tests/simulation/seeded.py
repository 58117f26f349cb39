"""One seeded run of random months under random faults, and what is wrong with how it ended."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from random import Random, SystemRandom
from typing import Any, Final

from billing.invariants import Finding
from tests.simulation import reference
from tests.simulation.faults import Chaos
from tests.simulation.history import random_months
from tests.simulation.run import SESSION_S, Simulation
from tests.simulation.verdict import findings
from tests.simulation.world import Stuck

MOST_STEPS: Final = 8_000
"""Four times what the longest of some hundred runs took."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run came to.

    Attributes:
        findings: what the invariants found.
        stuck: why it did not end, where it did not.
        trace: a checksum of everything that happened.
        left: a digest of all that stands in logs and tables at the end.
        happened: how often what kind of trouble came.
    """

    seed: int
    findings: list[Finding]
    stuck: str
    trace: int
    left: str
    steps: int
    happened: Counter[str]
    events: int

    @property
    def wrong(self) -> list[str]:
        """Findings, or that it did not end, in words."""
        told = [f"{one.invariant} {one.tenant} {one.subject}: {one.detail}" for one in self.findings]
        return [*told, self.stuck] if self.stuck else told

    @property
    def found_by(self) -> set[str]:
        """The ids of the invariants that found something."""
        return {one.invariant for one in self.findings}


def run(seed: int, plant: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Ended:
    """Runs a seed, with a bug planted or without."""
    history = random_months(seed)
    expected = reference.fold(history)
    simulation = Simulation(history, seed, Chaos(Random(seed), SESSION_S), plant=plant)
    found, why = list[Finding](), ""
    try:
        simulation.run(most_steps=MOST_STEPS)
        found = findings(simulation, expected)
    except Stuck as stuck:
        why = str(stuck)
    world = simulation.world
    return Ended(seed, found, why, world.trace, _left(simulation), world.steps, world.happened, history.events)


def _left(simulation: Simulation) -> str:
    digest, broker, database = sha256(), simulation.broker, simulation.database
    for place, log in sorted(broker.logs.items()):
        digest.update(repr((place, log.entries, sorted(log.aborted))).encode())
    stands = sorted(broker.offsets.items()), list(database.commands.values()), database.issued, database.wal
    digest.update(repr(stands).encode())
    return digest.hexdigest()


def fresh_seeds(count: int) -> list[int]:
    """BEAAS_SIM_SEEDS (or `count`) seeds from BEAAS_SIM_SEED on, or from one that nobody has chosen."""
    first = os.environ.get("BEAAS_SIM_SEED")
    start = SystemRandom().randrange(1 << 32) if first is None else int(first)
    return list(range(start, start + int(os.environ.get("BEAAS_SIM_SEEDS", count))))
