"""Every record counts exactly once, whatever happens to the workers."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batching.harness import RESTART_ME, Lane, wait_until

LONG = int(os.environ.get("BEAAS_LONG_TESTS", "0"))
"""Multiplies kills and records; the suite runs them in small."""

KILLS = 4 * (1 + 3 * LONG)
RATE = 4_000


@pytest.fixture
def lane(servers: Any, tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(servers.kafka_bootstrap_servers, tmp_path)
    yield lane
    lane.close()


@pytest.fixture
def filling(lane: Lane) -> Iterator[threading.Thread]:
    """The source is being filled at a steady rate meanwhile."""
    thread = threading.Thread(target=lane.fill, args=(RATE * KILLS * 2,), kwargs={"rate": RATE})
    thread.start()
    yield thread
    thread.join()


@pytest.mark.parametrize("disks", ["kept", "wiped", "memory"])
def test_nothing_is_lost_or_doubled_when_static_members_are_killed(
    lane: Lane, filling: threading.Thread, disks: str
) -> None:
    options = {"store": "memory://" if disks == "memory" else "rocksdb://"}
    for instance in ("a", "b"):
        lane.start(instance, **options)
    for kill in range(KILLS):
        before = lane.committed()
        wait_until(lambda seen=before: lane.committed() != seen, "progress before the next kill")
        victim = "ab"[kill % 2]
        lane.end(victim)
        if disks == "wiped":
            lane.wipe(victim)
        lane.start(victim, **options)
    filling.join()
    lane.wait_until_folded(**options)
    assert lane.differences() == []


def test_a_worker_that_wakes_after_its_session_leaves_without_doubling_anything(
    lane: Lane, filling: threading.Thread
) -> None:
    lane.start("a")
    lane.start("b")
    lane.wait_until_shared("a", "b")
    lane.wait_until_moving()
    lane.send("a", signal.SIGSTOP)
    stuck = lane.committed()
    wait_until(
        lambda: all(now > then for now, then in zip(lane.committed().values(), stuck.values(), strict=True)),
        "the survivor to take all partitions over",
    )
    lane.send("a", signal.SIGCONT)
    assert lane.reap("a") == RESTART_ME
    assert "Fenced" in lane.log("a")
    filling.join()
    lane.wait_until_folded()
    assert lane.differences() == []


def test_scaling_up_and_gracefully_down_loses_and_doubles_nothing(lane: Lane, filling: threading.Thread) -> None:
    lane.start("a")
    lane.wait_until_moving()
    lane.start("b")
    lane.start("c")
    lane.wait_until_shared("a", "b", "c")
    lane.wait_until_moving()
    filling.join()
    assert [lane.end(instance, signal.SIGTERM) for instance in ("a", "b")] == [0, 0]
    lane.fill(2_000, first=10_000_000)
    lane.wait_until_folded()
    assert lane.end("c", signal.SIGTERM) == 0
    assert lane.differences() == []


POINTS = ["before commit", "before store", "between stores"]


@pytest.mark.parametrize("point", POINTS)
def test_a_flush_that_is_cut_off_at_any_point_counts_once(lane: Lane, point: str) -> None:
    assert _cut_off(lane, die_at=point, die_in_flush=3) == []


@pytest.mark.parametrize("planted", ["two transactions", "position ahead"])
def test_the_check_sees_a_flush_that_is_not_one_transaction(lane: Lane, planted: str) -> None:
    assert _cut_off(lane, die_at="before commit", die_in_flush=6, planted=planted) != []


def _cut_off(lane: Lane, **options: object) -> list[str]:
    """A worker dies at a point of a flush, and another goes on where it left; of four partitions some had flushed."""
    lane.fill(4_000)
    lane.start("a", **options)
    assert lane.reap("a") == -signal.SIGKILL
    lane.start("a", planted=options.get("planted", ""))
    lane.wait_until_folded()
    return lane.differences()
