"""Rating and intake beside the loops that bound them, and the same fold in other engines."""

import sys
from typing import Final

from benchmarks import minimal, workload
from benchmarks.bench import Bench, Scene, skipped
from benchmarks.measured import Measured
from benchmarks.worker import measure_worker, with_settings
from billing.entry import Terms, Usage
from schemas.topics import JOURNAL, USAGE, Topic

QUARTER: Final = 3
FLIGHT_PROPERTY: Final = "distance_miles"
MEMORY: Final = {"BEAAS_TABLE_STORE": "memory://"}


async def one_sum_meter(bench: Bench) -> None:
    """The target's row: RocksDB and dedupe."""
    scene = minimal_journal(bench, bench.events)
    await _raw(bench, "raw-minimal", scene, JOURNAL, ("sum", minimal.PROPERTY))
    await _rating(bench, "rating-sum", scene)


async def one_sum_meter_in_memory(bench: Bench) -> None:
    """The same with tables in memory: restored whole at each start."""
    await _rating(bench, "rating-sum-memory", with_settings(minimal_journal(bench, bench.events), MEMORY))


async def three_meters(bench: Bench) -> None:
    """Count, sum and maximum of flights, closes included."""
    scene = _flights_journal(bench, "three-meters", workload.three_meters())
    await _raw(bench, "raw-flights", scene, JOURNAL, ("sum", FLIGHT_PROPERTY))
    await _rating(bench, "rating-three-meters", scene)


async def flights_tariff(bench: Bench) -> None:
    """The demo's tariff."""
    scene = _flights_journal(bench, "tariff", workload.flights_tariff())
    await _raw(bench, "raw-flights", scene, JOURNAL, ("sum", FLIGHT_PROPERTY))
    await _rating(bench, "rating-flights", scene)


async def small_accounts(bench: Bench) -> None:
    """Thousands of accounts with some thirty events a month each."""

    def fill(scene: Scene) -> None:
        quarter = workload.year(workload.by_flight_number)[:QUARTER]
        _fill_flights(bench, scene, quarter, workload.three_meters())

    await _rating(bench, "rating-small-accounts", bench.kept("small-accounts", fill))


async def open_accounts(bench: Bench) -> None:
    """What memory a hundred thousand accounts take that have all had an event."""

    def fill(scene: Scene) -> None:
        accounts = bench.events // 10
        records = minimal.journal_records(accounts, scene.codec, scene.settings, accounts)
        bench.fill(scene, JOURNAL, records, 2 * accounts)

    scene = bench.kept("accounts", fill)
    await _rating(bench, "accounts", scene)
    await _rating(bench, "accounts-memory", with_settings(scene, MEMORY))


async def intake(bench: Bench) -> None:
    """Usage as producers send it, minimal and flights."""

    def fill_minimal(scene: Scene) -> None:
        bench.fill(scene, USAGE, minimal.usage_records(bench.events, scene.codec), bench.events)

    def fill_flights(scene: Scene) -> None:
        year = workload.year(workload.by_airline)
        bench.fill(scene, USAGE, workload.usage_records(year, scene.codec), _count(year))

    for kind, fill in (("minimal", fill_minimal), ("flights", fill_flights)):
        scene = bench.kept(f"intake-{kind}", fill)
        await _raw(bench, f"raw-pipe-{kind}", scene, USAGE, ("pipe", ""))
        await _measured(bench, f"intake-{kind}", "intake", scene, USAGE)


def minimal_journal(bench: Bench, events: int) -> Scene:
    """The journal of `benchmarks.minimal`, with so many events."""

    def fill(scene: Scene) -> None:
        records = minimal.journal_records(events, scene.codec, scene.settings)
        bench.fill(scene, JOURNAL, records, events + minimal.ACCOUNTS)

    return bench.kept(f"minimal-{events}", fill)


def _flights_journal(bench: Bench, name: str, terms: Terms) -> Scene:
    return bench.kept(name, lambda scene: _fill_flights(bench, scene, workload.year(workload.by_airline), terms))


def _fill_flights(bench: Bench, scene: Scene, months: list[list[Usage]], terms: Terms) -> None:
    bench.fill(scene, JOURNAL, workload.journal_records(months, terms, scene.codec, scene.settings), _count(months))


def _count(months: list[list[Usage]]) -> int:
    return sum(map(len, months))


async def _raw(bench: Bench, row: str, scene: Scene, topic: Topic, loop: tuple[str, str]) -> None:
    """Runs a loop of `benchmarks.raw`: its mode and the property it adds up."""
    skip = str(skipped(scene.records[topic]))
    mode, measured = loop
    argv = (sys.executable, "-m", "benchmarks.raw", mode, scene.topic(topic), measured, skip)
    await bench.program(row, argv, scene.environment)


async def _rating(bench: Bench, row: str, scene: Scene) -> None:
    await _measured(bench, row, "rating", scene, JOURNAL)


async def _measured(bench: Bench, row: str, role: str, scene: Scene, topic: Topic) -> Measured:
    records = scene.records[topic]
    with bench.shown(row, records) as show:
        measured = await measure_worker(role, scene, records, skipped(records), show)
    bench.keep(row, measured)
    return measured
