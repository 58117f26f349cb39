from dataclasses import replace
from random import Random

from tests.faults.levers.catalogue import BY_ID, FAULTS, Drawn
from tests.faults.levers.processes import CrashAt
from tests.faults.rig.fleet import Size
from tests.faults.rig.plan import Plan, draw_plan
from tests.faults.rig.points import POINTS

SIZE = Size()


def drawn(seed: int, *, budget_s: float | None = None, swarm: bool = False) -> Plan:
    return draw_plan(seed, FAULTS, size=SIZE, rate_per_s=400, budget_s=budget_s, swarm=swarm)


def test_the_same_seed_strikes_the_same_targets_at_the_same_points_of_progress() -> None:
    for options in ({}, {"budget_s": 900.0}, {"swarm": True}):
        assert repr(drawn(7, **options)) == repr(drawn(7, **options))


def test_another_seed_strikes_otherwise() -> None:
    assert repr(drawn(7).strikes) != repr(drawn(8).strikes)


def test_by_default_every_fault_with_a_lever_strikes_as_often_as_it_says() -> None:
    struck = [strike.fault for strike in drawn(1).strikes]
    assert {fault.id: struck.count(fault.id) for fault in FAULTS if fault.lever} == {
        fault.id: fault.strikes for fault in FAULTS if fault.lever
    }


def test_points_of_progress_rise_and_leave_time_for_what_is_held() -> None:
    plan = drawn(3)
    ends = [*(strike.at for strike in plan.strikes[1:]), plan.events]
    for strike, end in zip(plan.strikes, ends, strict=True):
        assert end - strike.at >= 400 * strike.hold_s


def test_a_budget_repeats_faults_and_bounds_the_load() -> None:
    plan = draw_plan(5, [BY_ID["F09"]], size=SIZE, rate_per_s=100, budget_s=120)
    assert len(plan.strikes) > BY_ID["F09"].strikes
    assert plan.events <= 120 * 100


def test_a_swarm_draws_a_subset() -> None:
    everything = {strike.fault for strike in drawn(1).strikes}
    subsets = [frozenset(strike.fault for strike in drawn(seed, swarm=True).strikes) for seed in range(5)]
    assert all(subset < everything for subset in subsets)
    assert len(set(subsets)) > 1


def test_one_run_of_the_crash_points_passes_each_point_of_each_role() -> None:
    fault = BY_ID["F02"]
    plan = draw_plan(9, [fault], size=SIZE, rate_per_s=400)
    levers = [strike.lever for strike in plan.strikes]
    struck = {(role, point) for lever in levers if isinstance(lever, CrashAt) for role, point, _ in lever.points}
    assert struck == {(role, point) for role, points in POINTS.items() for point in points}


def test_every_fault_can_draw_its_targets_from_any_fleet_that_has_all_roles() -> None:
    smallest = Size(intake=1, rating=1, sinks=1, relay=1, scheduler=1)
    for fault in FAULTS:
        if fault.lever is not None:
            for number in range(8):
                assert repr(fault.lever(Drawn(1, Random(number), smallest, number)))


def test_a_shorter_hold_is_a_shorter_run() -> None:
    short = [replace(BY_ID["F15"], hold_s=1.0)]
    assert draw_plan(1, short, size=SIZE, rate_per_s=400).events < drawn_alone("F15").events


def drawn_alone(fault: str) -> Plan:
    return draw_plan(1, [BY_ID[fault]], size=SIZE, rate_per_s=400)
