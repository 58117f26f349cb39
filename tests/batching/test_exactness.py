"""Every record counts exactly once, whatever happens to the workers."""

import hashlib
import os
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batching.harness import PARTITIONS, RESTART_ME, Lane

LONG = int(os.environ.get("BEAAS_LONG_TESTS", "0"))
"""Multiplies the kills; the suite runs them in small."""

KILLS = 4 * (1 + 3 * LONG)
RATE = 4_000
SHORTEST_SESSION_S = 6.0
"""A broker grants no shorter one."""
OFFSET_KEY, POSITION_KEY = b"\0changelog-offset", b"\0position"
"""Where a store says how far it has come in its changelog, and that of counts how far in the source."""


@pytest.fixture
def lane(servers: Any, tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(servers.kafka_bootstrap_servers, tmp_path)
    yield lane
    lane.close()


class Filling:
    """The source is filled at a steady rate until `stop`."""

    def __init__(self, lane: Lane) -> None:
        self._lane, self._stopped = lane, threading.Event()
        self._thread = threading.Thread(target=self._fill)
        self._thread.start()

    def _fill(self) -> None:
        first = 0
        while not self._stopped.is_set():
            self._lane.fill(RATE // 4, first=first, rate=RATE)
            first += RATE // 4

    def stop(self) -> None:
        """The last record is acknowledged."""
        self._stopped.set()
        self._thread.join()


@pytest.fixture
def filling(lane: Lane) -> Iterator[Filling]:
    filling = Filling(lane)
    yield filling
    filling.stop()


@pytest.mark.parametrize("store", ["rocksdb://", *["memory://"] * bool(LONG)])
def test_nothing_is_lost_or_doubled_when_static_members_are_killed(lane: Lane, filling: Filling, store: str) -> None:
    """Worker a comes back to its own disk, worker b to an empty one."""
    for instance in ("a", "b"):
        lane.start(instance, store=store)
    for kill in range(KILLS):
        lane.wait_until_any_moves()
        victim = "ab"[kill % 2]
        lane.end(victim)
        if victim == "b":
            lane.wipe(victim)
        lane.start(victim, store=store)
    filling.stop()
    lane.wait_until_folded(store=store)
    assert lane.differences() == []


def _sleep_through_the_session(lane: Lane, **options: object) -> None:
    """Worker a stops for longer than its session, in the middle of folding, and wakes when b has all partitions."""
    lane.start("a", session_timeout_s=SHORTEST_SESSION_S, **options)
    lane.start("b", **options)
    lane.wait_until_shared("a", "b")
    lane.wait_until_moving()
    lane.send("a", signal.SIGSTOP)
    lane.wait_until_shared("b")  # what a had under way when it stopped moves its partitions too
    lane.wait_until_moving()
    lane.send("a", signal.SIGCONT)


def test_a_worker_that_wakes_after_its_session_leaves_without_doubling_anything(lane: Lane, filling: Filling) -> None:
    _sleep_through_the_session(lane)
    assert lane.reap("a") == RESTART_ME
    assert "Fenced" in lane.log("a")
    filling.stop()
    lane.wait_until_folded()
    assert lane.differences() == []


@pytest.mark.skipif(not LONG, reason="set BEAAS_LONG_TESTS=1")
def test_the_check_sees_a_worker_that_nobody_fenced(lane: Lane, filling: Filling) -> None:
    _sleep_through_the_session(lane, planted="no fence")
    filling.stop()
    lane.wait_until_folded(planted="no fence")
    assert lane.differences() != []


def test_scaling_up_and_gracefully_down_loses_and_doubles_nothing(lane: Lane, filling: Filling) -> None:
    lane.start("a")
    lane.wait_until_moving()
    lane.start("b")
    lane.start("c")
    lane.wait_until_shared("a", "b", "c")
    lane.wait_until_moving()
    filling.stop()
    assert [lane.end(instance, signal.SIGTERM) for instance in ("a", "b")] == [0, 0]
    lane.fill(2_000, first=10_000_000)
    lane.wait_until_folded()
    assert lane.end("c", signal.SIGTERM) == 0
    assert lane.differences() == []


def test_deliveries_lost_inside_the_worker_are_fetched_again(lane: Lane) -> None:
    """Also the very last one, after which no other comes to show the gap."""
    lane.fill(8_000)
    lane.start("a", lose_every=3)
    lane.wait_until_folded()
    assert "a delivery was lost inside the worker" in lane.log("a")
    assert lane.end("a", signal.SIGTERM) == 0
    assert lane.differences() == []


def test_flushes_that_are_cut_off_at_any_point_count_once(lane: Lane) -> None:
    """Of four partitions some have flushed when the worker dies, and the next one goes on where it left."""
    for step, point in enumerate(["before commit", "before store", "between stores"]):
        lane.fill(2_000, first=step * 1_000_000)
        lane.start("a", die_at=point, die_in_flush=3)
        assert lane.reap("a") == -signal.SIGKILL
    lane.start("a")
    lane.wait_until_folded()
    assert lane.differences() == []


def _cut_off_between_stores(lane: Lane, planted: str = "") -> None:
    """The last flush of one partition is in its store of counts and not in that of ids; then the worker is back."""
    lane.fill(2_000)
    lane.start("a")
    lane.wait_until_folded()
    assert lane.end("a", signal.SIGTERM) == 0
    lane.fill(2_000, first=1_000_000)
    lane.start("a", die_at="between stores", die_in_flush=1)
    assert lane.reap("a") == -signal.SIGKILL
    missed = {table: _missed(lane, table) for table in ("counts", "ids")}
    assert len(missed["ids"] - missed["counts"]) == 1, missed
    lane.start("a", planted=planted)
    lane.wait_until_folded(planted=planted)
    assert lane.end("a", signal.SIGTERM) == 0


def _missed(lane: Lane, table: str) -> set[int]:
    """The partitions whose store, which holds something, lacks the newest record of its changelog."""
    newest = {one.partition(): one.offset() or 0 for one in lane.read(f"{lane.name}-{table}-changelog")}
    offsets = {at: items.get(OFFSET_KEY) for at, items in lane.held("a", table).items()}
    return {at for at, raw in offsets.items() if raw is not None and int.from_bytes(raw, "big") < newest[at]}


def _stored(lane: Lane) -> dict[str, dict[int, dict[bytes, bytes]]]:
    """What the stores hold, but for how far each has come in its changelog."""
    held = {table: lane.held("a", table) for table in ("counts", "ids")}
    for items in (*held["counts"].values(), *held["ids"].values()):
        del items[OFFSET_KEY]
    return held


def _folded(lane: Lane) -> dict[str, dict[int, dict[bytes, bytes]]]:
    """What they ought to hold: a fold of the whole source, which shares no code with the worker's."""
    counts: dict[int, dict[bytes, bytes]] = {at: {} for at in range(PARTITIONS)}
    ids: dict[int, dict[bytes, bytes]] = {at: {} for at in range(PARTITIONS)}
    for at, offset, key, value in lane.source_records():
        name = hashlib.blake2b(value, digest_size=16).digest()
        if name not in ids[at]:
            ids[at][name] = struct.pack(">Q", offset) + name[:8]
            counts[at][key] = str(int(counts[at].get(key, b"0")) + 1).encode()
    for at, end in lane.ends().items():
        counts[at][POSITION_KEY] = struct.pack(">Q", end)
    return {"counts": counts, "ids": ids}


def test_a_flush_that_only_one_of_two_stores_has_is_in_both_after_the_next_start(lane: Lane) -> None:
    _cut_off_between_stores(lane)
    assert _stored(lane) == _folded(lane)
    assert lane.differences() == []


def test_the_check_sees_a_store_that_is_not_brought_level(lane: Lane) -> None:
    _cut_off_between_stores(lane, planted="ids not restored")
    assert _stored(lane)["ids"] != _folded(lane)["ids"]


@pytest.mark.parametrize("planted", ["two transactions", "position ahead"])
def test_the_check_sees_a_flush_that_is_not_one_transaction(lane: Lane, planted: str) -> None:
    lane.fill(4_000)
    lane.start("a", die_at="between halves", planted=planted)
    assert lane.reap("a") == -signal.SIGKILL
    lane.start("a", planted=planted)
    lane.wait_until_folded()
    assert lane.differences() != []
