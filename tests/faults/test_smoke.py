"""The bench in small, at each commit: a fixed seed, and a fresh one that a failure names.

Nothing here depends on how fast the machine is: what is waited for has bounds of minutes, and times are only printed.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from rich.console import Console

from tests.faults.levers.catalogue import BY_ID
from tests.faults.rig.fleet import Size
from tests.faults.rig.plan import draw_plan
from tests.faults.rig.planted import BUGS
from tests.faults.rig.report import Report, commit
from tests.faults.rig.run import PATIENT
from tests.faults.rig.session import Session, session
from tests.support.servers import directory_for_servers

SIZE = Size(intake=1, rating=3, sinks=1, relay=2, scheduler=1)
RATE_PER_S = 200.0
SEED = "BEAAS_FAULTS_SEED"
"""Names the variable that sets the fresh seed, to do the same again."""
FIXED, FRESH = 20130101, int(os.environ.get(SEED) or secrets.randbelow(2**31))
WITHIN_S = 1_200.0
SMOKE = (
    replace(BY_ID["F01"], strikes=1),
    replace(BY_ID["F02"], strikes=2),
    replace(BY_ID["F09"], strikes=1, hold_s=1.0),
    replace(BY_ID["F16"], strikes=1, hold_s=2.0),
    BY_ID["F21"],
    BY_ID["F22"],
    BY_ID["F23"],
)
CAUGHT_BY = {
    "sinks-confirm-first": ("F01", "F02"),
    "flush-in-two": ("F02",),
    "relay-confirms-first": ("F02",),
}
"""By which faults each planted bug has to be seen."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench() -> AsyncIterator[Session]:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains of every server that is struck
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with directory_for_servers() as path:
        async with session(path, SIZE) as running:
            yield running


async def struck(bench: Session, seed: int, *, faults: tuple[str, ...] = (), plant: str = "", again: str) -> Report:
    """What a run shows; whatever ends it, its seed and how to do the same again are told first."""
    chosen = [BY_ID[name] for name in faults] or SMOKE
    plan = draw_plan(seed, chosen, size=SIZE, rate_per_s=RATE_PER_S)
    console = Console(soft_wrap=True)
    console.print(f"seed {seed}, commit {commit()}; again: {again}")
    async with asyncio.timeout(WITHIN_S):  # well before pytest's own, which lets nothing be cleaned up in order
        report = await bench.run(plan, chosen, rate_per_s=RATE_PER_S, plant=plant, tell=console.print, bounds=PATIENT)
    report.show(console, again)
    return report


@pytest.mark.timeout(WITHIN_S + 300)
@pytest.mark.parametrize("seed", [FIXED, FRESH], ids=["fixed", "fresh"])
async def test_every_bill_is_exact_whatever_dies_while_it_is_made(bench: Session, seed: int) -> None:
    named = f"{SEED}={seed} make test ARGS='tests/faults/test_smoke.py -k fresh'"
    again = "make test ARGS='tests/faults/test_smoke.py -k fixed'" if seed == FIXED else named
    report = await struck(bench, seed, again=again)
    assert report.well, f"again: {again}; {report.wrong} {report.findings[:5]}"


@pytest.mark.skipif(not os.environ.get("BEAAS_LONG_TESTS"), reason="a minute for each bug; set BEAAS_LONG_TESTS=1")
@pytest.mark.timeout(WITHIN_S + 300)
@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_bug_turns_the_bench_red(bench: Session, bug: str) -> None:
    again = f"BEAAS_LONG_TESTS=1 make test ARGS='tests/faults/test_smoke.py -k {bug}'"
    report = await struck(bench, FIXED, faults=CAUGHT_BY[bug], plant=bug, again=again)
    assert report.findings, bug
