"""Random faults over random months: the fixed seeds, and others each time.

A failure names its seed: `BEAAS_SIM_SEED=n BEAAS_SIM_SEEDS=1 pytest tests/simulation -k fresh` runs it again, step for
step. `python -m tests.simulation.detections` tells how many seeds of a hundred see each planted bug.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

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


def test_the_same_seed_has_the_same_trace() -> None:
    first, again = ([seeded.run(seed) for seed in range(2)] for _ in range(2))
    assert first == again
    assert first[0].trace != first[1].trace


@pytest.mark.parametrize("seed", range(6))
def test_stories_of_the_oracle_end_as_the_oracle_says(seed: int) -> None:
    stories = Stories()
    for number in range(3):
        stories.add(3 * seed + number)
    expected = reference.fold(stories.history)
    simulation = Simulation(stories.history, seed, Chaos(Random(seed), SESSION_S))
    simulation.run()
    # I01 here knows nothing of trials and changes within a period; quantities are the oracle's business.
    assert [one for one in findings(simulation, expected) if one.invariant != "I01"] == []
    invoices = [issued.invoice for issued in simulation.database.issued]
    assert stories.disagreements(invoices, simulation.database.credit) == []


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_every_planted_bug_is_seen(plant: Callable[[], AbstractContextManager[Any]]) -> None:
    assert any(seeded.run(seed, plant).wrong for seed in range(TRIES))
