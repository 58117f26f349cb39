"""The bench in small, at each commit: a fixed seed, and a fresh one that a failure names.

Nothing here depends on how fast the machine is: what is waited for has bounds of minutes, and times are only printed.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import pytest_asyncio
from rich.console import Console

from billing.invariants import Finding
from tests.faults.levers.catalogue import BY_ID, Fault
from tests.faults.levers.processes import CrashAt
from tests.faults.rig.fleet import Size
from tests.faults.rig.plan import draw_plan
from tests.faults.rig.planted import BUGS
from tests.faults.rig.report import Report, commit
from tests.faults.rig.run import PATIENT, Bounds
from tests.faults.rig.session import Session, session
from tests.faults.rig.standing import Standing
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


def dies_at(role: str, point: str) -> Fault:
    return replace(BY_ID["F02"], lever=lambda _: CrashAt(((role, point, 0),)), strikes=2)


CAUGHT_BY = {
    "sinks-confirm-first": dies_at("sinks", "sink.before-commit"),
    "flush-in-two": BY_ID["F02"],
    "relay-confirms-first": dies_at("relay", "relay.read"),
}
"""The strike that each planted bug has to be seen by: a death between what it swaps."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench() -> AsyncIterator[Session]:
    with silent("aiokafka", "psycopg.pool"), directory_for_servers() as path:
        async with session(path, SIZE) as running:
            yield running


@contextmanager
def silent(*names: str) -> Iterator[None]:
    """These loggers, which complain of every server that is struck, say nothing meanwhile."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def struck(  # noqa: PLR0913 - what a run is made of, each named at the call
    bench: Session,
    seed: int,
    *,
    chosen: Sequence[Fault] = SMOKE,
    plant: str = "",
    bounds: Bounds = PATIENT,
    again: str,
) -> Report:
    """What a run shows; whatever ends it, its seed and how to do the same again are told first."""
    plan = draw_plan(seed, chosen, size=SIZE, rate_per_s=RATE_PER_S)
    console = Console(soft_wrap=True)
    console.print(f"seed {seed}, commit {commit()}; again: {again}")
    async with asyncio.timeout(WITHIN_S):  # well before pytest's own, which lets nothing be cleaned up in order
        report = await bench.run(plan, chosen, rate_per_s=RATE_PER_S, plant=plant, tell=console.print, bounds=bounds)
    report.show(console, again)
    return report


@pytest.mark.timeout(WITHIN_S + 300)
@pytest.mark.parametrize("seed", [FIXED, FRESH], ids=["fixed", "fresh"])
async def test_every_bill_is_exact_whatever_dies_while_it_is_made(bench: Session, seed: int) -> None:
    named = f"{SEED}={seed} make test ARGS='tests/faults/test_smoke.py -k fresh'"
    again = "make test ARGS='tests/faults/test_smoke.py -k fixed'" if seed == FIXED else named
    report = await struck(bench, seed, again=again)
    assert report.well, f"again: {again}; {report.wrong} {report.findings[:5]}"


@pytest.mark.skipif(not os.environ.get("BEAAS_LONG_TESTS"), reason="minutes for each bug; set BEAAS_LONG_TESTS=1")
@pytest.mark.timeout(WITHIN_S + 300)
@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_bug_turns_the_bench_red(bench: Session, bug: str) -> None:
    again = f"BEAAS_LONG_TESTS=1 make test ARGS='tests/faults/test_smoke.py -k {bug}'"
    bounds = replace(PATIENT, converges_s=60.0)  # what is lost never comes
    report = await struck(bench, FIXED, chosen=[CAUGHT_BY[bug]], plant=bug, bounds=bounds, again=again)
    assert shows_loss(report), (bug, report.wrong, report.findings[:5])


def shows_loss(report: Report) -> bool:
    """Whether there is more than a slow machine: I19 alone says no more than that something is late."""
    waits = report.left is not None and report.left.waits_for_nobody
    return waits or any(finding.invariant != "I19" for finding in report.findings)


@pytest.mark.parametrize(
    ("lag", "unsettled", "invariants", "lost"),
    [
        (0, 3, ["I19"], True),
        (7, 3, ["I19"], False),
        (0, 0, ["I19"], False),
        (7, 0, ["I19", "I06"], True),
    ],
)
def test_a_planted_bug_counts_as_seen_where_something_is_lost_and_not_where_it_is_late(
    lag: int, unsettled: int, invariants: Sequence[str], *, lost: bool
) -> None:
    left = Standing({"intake": 0, "rating": lag}, unsettled, due=0, unrelayed_bytes=0)
    findings = [Finding(invariant, "", "convergence", "60 s after the last heal") for invariant in invariants]
    report = Report(draw_plan(FIXED, SMOKE, size=SIZE, rate_per_s=RATE_PER_S), SMOKE, findings=findings, left=left)
    assert shows_loss(report) == lost
