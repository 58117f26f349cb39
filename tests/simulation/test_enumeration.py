"""One fault at every step of a small history, each in its turn: whatever happens where, the invoices are the same.

Three fates at some hundred steps take minutes. So a run of the tests tries one fate at each step, in turn, and begins
with another one each day: three days cover all. BEAAS_SIM_TURN, 0 to 2, says with which, and a failure names it;
BEAAS_LONG_TESTS=1 tries all three at once.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import pytest

from tests.simulation import canonical, reference
from tests.simulation.faults import Once
from tests.simulation.reference import content
from tests.simulation.run import SESSION_S, Scale, Simulation
from tests.simulation.verdict import findings
from tests.simulation.world import Fate

HISTORY = canonical.history()
EXPECTED = reference.fold(HISTORY)
SCALE = Scale(partitions=1, tenant_slice=1, workers=2, relays=2)
AWAY_S = {Fate.DIES_BEFORE: 0.05, Fate.DIES_AFTER: 1.5 * SESSION_S, Fate.STALLS: 0.0}
"""Who dies before a step is back before anybody noticed; who dies after it has been replaced."""

FATES = (Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.STALLS)
TURN = "BEAAS_SIM_TURN"
TODAY = int(os.environ.get(TURN) or datetime.now(UTC).toordinal()) % len(FATES)
TURNS = range(len(FATES)) if os.environ.get("BEAAS_LONG_TESTS") == "1" else [TODAY]


def run(step: int | None, fate: Fate = Fate.LIVES) -> tuple[Simulation, Once]:
    once = Once(step, fate, away_s=AWAY_S.get(fate, 0.0), asleep_s=2.5 * SESSION_S)
    simulation = Simulation(HISTORY, 0, once, scale=SCALE, shuffled=False)
    simulation.run(most_steps=10_000)
    return simulation, once


@cache
def without_fault() -> tuple[dict[tuple[str, str], bytes], int]:
    """The invoices, and how many steps it takes to them."""
    simulation, once = run(None)
    assert findings(simulation, EXPECTED) == []
    return invoices(simulation), once.count


def invoices(simulation: Simulation) -> dict[tuple[str, str], bytes]:
    return {name: content(issued.invoice) for name, issued in simulation.database.invoices.items()}


@contextmanager
def named(what: str) -> Iterator[None]:
    """A failure names this, also where a run does not end."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def test_without_a_fault_the_pipeline_comes_to_the_straight_fold() -> None:
    found, steps = without_fault()
    assert found == EXPECTED.invoices
    assert (len(found), len(EXPECTED.statements)) == (6, 6)
    assert steps > 150


@pytest.mark.parametrize("turn", TURNS)
def test_one_fault_at_any_step_changes_no_invoice(turn: int) -> None:
    expected, steps = without_fault()
    for step in range(steps):
        fate = FATES[(step + turn) % len(FATES)]
        with named(f"{TURN}={turn}, step {step}: {fate.value}"):
            simulation, once = run(step, fate)
            assert findings(simulation, EXPECTED) == [], once.label
            assert invoices(simulation) == expected, once.label


def test_every_kind_of_step_is_among_them() -> None:
    _, once = run(None)
    assert {re.sub(r"-?[0-9]+", "", label) for label in once.labels} == {
        "ask for ends",
        "ask for the ends of usage",
        "ask how far intake is",
        "be assigned",
        "commit beaas.intake-beaas.usage",
        "commit beaas.rating-beaas.journal",
        "commit beaas.sink-statements-beaas.statements",
        "commit in the database: invoices",
        "commit in the database: scheduler",
        "commit offsets beaas.intake",
        "commit offsets beaas.rating",
        "commit offsets beaas.sink-statements",
        "confirm the slot",
        "connect",
        "fetch",
        "join beaas.intake",
        "join beaas.rating",
        "join beaas.sink-statements",
        "open the slot",
        "query",
        "read",
        "read the slot",
        "see commands",
        "seek",
        "send  to beaas.dead-letters",
        "send  to beaas.intake-position-changelog",
        "send  to beaas.invoice",
        "send  to beaas.journal",
        "send  to beaas.ledger",
        "send  to beaas.rating-accounts-changelog",
        "send  to beaas.rating-ids-changelog",
        "send  to beaas.sink-statements-position-changelog",
        "send  to beaas.statements",
        "send  to beaas.usage-totals",
        "start beaas.intake-beaas.usage",
        "start beaas.rating-beaas.journal",
        "start beaas.sink-statements-beaas.statements",
    }
