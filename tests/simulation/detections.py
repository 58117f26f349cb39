"""How many seeds see each planted bug, and how fast the simulation is.

Run by `python -m tests.simulation.detections [SEEDS [BUG ...]]`; the seeds are fresh, and are printed.
"""

# ruff: noqa: T201 - a script

import sys
from collections import Counter
from contextlib import nullcontext
from random import Random
from time import process_time

from tests.simulation import reference, seeded
from tests.simulation.faults import Chaos
from tests.simulation.history import random_months
from tests.simulation.planted import PLANTED, Planted
from tests.simulation.run import SESSION_S, Scale, Simulation

NONE = Planted(nullcontext, frozenset())


def main() -> None:
    """Prints a line for each bug, and the measures."""
    seeds = seeded.fresh_seeds(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print(f"BEAAS_SIM_SEED={seeds[0]} BEAAS_SIM_SEEDS={len(seeds)}")
    wanted = sys.argv[2:] or ["none", *PLANTED]
    for name in wanted:
        began, bug = process_time(), PLANTED.get(name, NONE)
        ended = [seeded.run(seed, bug.plant) for seed in seeds]
        by = Counter(name for one in ended for name in (one.found_by or {"no end"}) if one.wrong)
        steps, events = sum(one.steps for one in ended), sum(one.events for one in ended)
        deaths = sum(one.happened["death"] for one in ended)
        seen, found = sum(bool(one.wrong) for one in ended), sum(bool(one.found_by & bug.breaks) for one in ended)
        print(
            f"{name:<28}{seen:>4} of {len(seeds)}, {found:>3} by {sorted(bug.breaks)}  {dict(by.most_common())}  "
            f"{process_time() - began:.0f} s CPU, {steps} steps, {deaths} deaths, {events} events",
            flush=True,
        )
    if not sys.argv[2:]:
        _measure()


def _measure() -> None:
    """Long months, few faults, large batches: what an event costs when it is not the faults that are looked for."""
    history = random_months(1, accounts=24, events=3_000)
    scale = Scale(fetch_max_records=2_000, flush_max_records=4_000, burst=100)
    simulation = Simulation(history, 1, Chaos(Random(1), SESSION_S, death=0.002, stall=0.001), scale=scale)
    began = process_time()
    simulation.run()
    took_s = process_time() - began
    world, events = simulation.world, history.events
    print(f"{events} events in {took_s:.1f} s CPU: {60 * events / took_s:,.0f} a minute; {world.steps} steps, ", end="")
    print(
        f"{world.happened['death']} deaths, {world.happened['stall']} stalls, {world.clock.now_s:.1f} simulated seconds"
    )
    assert len(simulation.database.invoices) == len(reference.fold(history).invoices)


if __name__ == "__main__":
    main()
