"""Random faults over random months: the fixed seeds, and others each time.

A failure names its seed: `BEAAS_SIM_SEED=n BEAAS_SIM_SEEDS=1 pytest tests/simulation -k fresh` runs it again, step for
step. `python -m tests.simulation.detections` tells how many seeds of a hundred see each planted bug.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.simulation import reference, seeded
from tests.simulation.faults import Chaos
from tests.simulation.planted import PLANTED
from tests.simulation.run import SESSION_S, Simulation
from tests.simulation.stories import Stories
from tests.simulation.verdict import findings

FIXED = range(16)
TROUBLES = {
    "death",
    "stall",
    "request that outlives its process",
    "ended by ProducerFenced",
    "partition with an aborted transaction",
    "lost delivery",
    "rebalance",
    "graceful stop",
    "database hangs up",
    "wiped disk",
    "power cut",
}
FRESH = 4
TRIES = 20
ELSEWHERE = (0, 3)
ROOT = Path(__file__).parents[2]


def judge(seed: int) -> seeded.Ended:
    ended = seeded.run(seed)
    assert ended.wrong == [], f"BEAAS_SIM_SEED={seed} BEAAS_SIM_SEEDS=1: " + "\n".join(ended.wrong[:5])
    return ended


def test_fixed_seeds_end_as_if_nothing_had_failed() -> None:
    ended = [judge(seed) for seed in FIXED]
    happened = sum((one.happened for one in ended), Counter[str]())
    assert happened.keys() >= TROUBLES
    assert happened["death"] > 20 * len(FIXED)


def test_fresh_seeds_end_as_if_nothing_had_failed(capsys: pytest.CaptureFixture[str]) -> None:
    seeds = seeded.fresh_seeds(FRESH)
    with capsys.disabled():
        print(f"\nsimulation: BEAAS_SIM_SEED={seeds[0]} BEAAS_SIM_SEEDS={len(seeds)}")  # noqa: T201 - to run it again
    for seed in seeds:
        judge(seed)


def test_a_seed_ends_the_same_in_every_process() -> None:
    """Seen to fail while the order of a set of partitions decided in which order their batches were folded."""
    one, other = (ended_elsewhere(hash_seed) for hash_seed in ("1", "2"))
    assert one == other
    assert len(set(one)) == len(ELSEWHERE)


def ended_elsewhere(hash_seed: str) -> list[str]:
    """How seeds end in a process that hashes strings its own way: steps, trace, and all that is left."""
    program = f"""
from tests.simulation import seeded
for seed in {ELSEWHERE}:
    ended = seeded.run(seed)
    print(ended.steps, ended.trace, ended.left, ended.wrong)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("seed", range(6))
def test_stories_of_the_oracle_end_as_the_oracle_says(seed: int) -> None:
    stories = Stories()
    for number in range(3):
        stories.add(3 * seed + number)
    expected = reference.fold(stories.history)
    simulation = Simulation(stories.history, seed, Chaos(Random(seed), SESSION_S))
    simulation.run(most_steps=seeded.MOST_STEPS)
    assert findings(simulation, expected) == []
    invoices = [issued.invoice for issued in simulation.database.issued]
    assert stories.disagreements(invoices, simulation.database.credit) == []


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_bug_is_found_by_an_invariant_that_it_breaks(name: str) -> None:
    bug, seen = PLANTED[name], Counter[str]()
    for seed in range(TRIES):
        ended = seeded.run(seed, bug.plant)
        if ended.found_by & bug.breaks:
            return
        seen.update(ended.found_by or {ended.stuck[:40]})
    pytest.fail(f"none of {sorted(bug.breaks)} in {TRIES} seeds, but {seen}")
