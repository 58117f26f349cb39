"""What strikes when: drawn from a seed alone, at points of progress and not of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from tests.faults.levers.catalogue import Drawn, Fault
from tests.faults.levers.lever import Lever
from tests.faults.rig.fleet import Size

RECOVERY_S: Final = 6.0
"""How long the load goes on after a strike before the next one, about."""
_WARM_UP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault strikes once the producers hold so many acknowledgements, and is healed some time later."""

    at: int
    fault: str
    lever: Lever
    hold_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The strikes of a run in their order, and how many acknowledged events it has in all."""

    seed: int
    strikes: tuple[Strike, ...]
    events: int


def draw_plan(  # noqa: PLR0913 - what a run is made of, each named at the call
    seed: int,
    faults: Sequence[Fault],
    *,
    size: Size,
    rate_per_s: float,
    budget_s: float | None = None,
    swarm: bool = False,
) -> Plan:
    """The same arguments give the same plan.

    Args:
        seed: of everything that is drawn.
        faults: what may strike.
        size: of the fleet that the targets are drawn from.
        rate_per_s: of the load, by which a strike's length becomes a number of events.
        budget_s: how long the run may take, about; None: each fault as often as it says of itself.
        swarm: draw a subset of the faults.
    """
    random = Random(seed)
    chosen = [fault for fault in faults if not swarm or random.random() < 0.5] or list(faults)
    at, spent_s = int(_WARM_UP_S * rate_per_s), _WARM_UP_S
    strikes = []
    for number, fault in _in_turn(random, chosen, repeat=budget_s is not None):
        took_s = fault.hold_s + RECOVERY_S * random.uniform(0.6, 1.4)
        spent_s += took_s
        if budget_s is not None and spent_s > budget_s:
            break
        assert fault.lever is not None
        drawn = Drawn(seed, Random(f"{seed} {fault.id} {number}"), size, number)
        strikes.append(Strike(at, fault.id, fault.lever(drawn), fault.hold_s))
        at += int(took_s * rate_per_s)
    return Plan(seed, tuple(strikes), at)


def _in_turn(random: Random, faults: Sequence[Fault], *, repeat: bool) -> Iterator[tuple[int, Fault]]:
    """Every strike of every fault in a drawn order, with its place among its fault's; again and again if asked."""
    struck = dict.fromkeys((fault.id for fault in faults), 0)
    for _ in count():
        turn = [fault for fault in faults if fault.lever is not None for _ in range(fault.strikes)]
        random.shuffle(turn)
        for fault in turn:
            yield struck[fault.id], fault
            struck[fault.id] += 1
        if not repeat or not turn:
            return
