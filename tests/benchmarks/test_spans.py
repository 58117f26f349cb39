from typing import cast

import pytest

from benchmarks.bench import Scene
from benchmarks.load import Load, Pace, Seen
from benchmarks.measured import Measured, Recovery
from benchmarks.plan import NoSuchStep, selected
from benchmarks.steps.path import Moment, between, late, waits
from benchmarks.steps.recovery import recovered
from benchmarks.worker import Reading, span
from schemas.topics import JOURNAL
from streams.settings import Settings


def reading(at_s: float, folded: int, flushes: int, cpu_s: float, memory_bytes: int = 0) -> Reading:
    return Reading(at_s, folded, flushes, cpu_s, memory_bytes, frozenset())


def load() -> Load:
    return Load(Scene(Settings(), {}, cast("object", None)), JOURNAL, Pace(1))  # type: ignore[arg-type]  # nothing is sent


def test_start_up_the_skipped_records_and_idling_are_in_no_figure() -> None:
    readings = [
        reading(0.0, 0, 0, 5.0, 100),
        reading(1.0, 40, 1, 6.0, 110),  # not yet beyond what is skipped
        reading(2.0, 60, 2, 7.0, 120),
        reading(4.0, 160, 3, 9.0, 150),  # the last flush
        reading(5.0, 160, 3, 9.5, 155),
    ]
    assert span(readings, 50) == Measured(records=100, wall_s=2.0, cpu_s=2.0, memory_bytes=150, grown_bytes=30)


def test_the_path_carries_what_got_into_totals_and_its_cpu_is_that_of_both_workers() -> None:
    first = Moment(10.0, 1_000, (reading(9.9, 5_000, 7, 2.0), reading(9.9, 4_000, 7, 3.0)))
    last = Moment(30.0, 5_000, (reading(29.9, 9_900, 9, 4.0, 100), reading(29.9, 9_000, 9, 9.0, 200)))
    assert between(first, last) == Measured(records=4_000, wall_s=20.0, cpu_s=8.0, memory_bytes=300)


def test_an_event_waits_for_the_first_total_that_has_it_in() -> None:
    planted = load()
    planted.sent = {"t/a": [1.0, 2.0, 3.0], "t/b": [2.5]}
    planted.seen = [Seen(2.2, 0, "t/a", 2, 1), Seen(3.0, 0, "t/b", 1, 2), Seen(3.5, 0, "t/a", 3, 3)]
    assert waits(planted, 0.0, 10.0) == pytest.approx([1.2, 0.2, 0.5, 0.5])
    assert waits(planted, 1.5, 3.0) == pytest.approx([0.2, 0.5])


def test_an_event_that_no_total_has_is_late_and_not_left_out_silently() -> None:
    planted = load()
    planted.sent = {"t/a": [1.0, 2.0], "t/b": [1.5]}
    planted.seen = [Seen(2.2, 0, "t/a", 1, 1)]
    assert [late(planted, 1.2), late(planted, 1.6), late(planted, 10.0)] == [0, 1, 2]


def test_recovery_counts_only_what_the_dead_worker_cannot_have_folded() -> None:
    planted = load()
    planted.positions = {(1, 10): 99.0, (1, 11): 100.5, (2, 20): 100.5, (2, 21): 108.0}
    planted.seen = [
        Seen(100.1, 1, "t/a", 1, 10),  # its last flush, seen after the kill
        Seen(106.0, 2, "t/b", 1, 20),  # moves again, 5.5 s behind
        Seen(107.0, 0, "t/c", 1, 7),  # another's partition
    ]
    assert recovered(planted, frozenset({1, 2}), 100.0) is None
    planted.seen += [Seen(108.25, 2, "t/b", 2, 21), Seen(101.0, 1, "t/a", 2, 11)]
    assert recovered(planted, frozenset({1, 2}), 100.0) == Recovery(1.0, 8.25, 2)


def test_only_takes_a_steps_name_or_what_it_begins_with() -> None:
    assert [step.name for step in selected(["rating-sum", "peers"])] == [
        "rating-sum",
        "peers-kafka-streams",
        "peers-quix",
        "peers-faust",
    ]
    with pytest.raises(NoSuchStep, match=r"--only rating-s: there are rating-sum, "):
        selected(["rating-s"])
