"""`make bench`: what the worker roles carry, beside the raw loops that bound them, all in one run.

Real embedded servers on a directory that is deleted afterwards; every topic is filled before anything is measured, and
every measured thing is a process of its own. It reports and judges nothing: the machine may be busy, so only the ratios
of one run mean something.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import report, workload
from benchmarks.fill import fill
from benchmarks.measured import Measured
from benchmarks.worker import measure_worker
from benchmarks.workload import Keyed
from billing.entry import Terms, Usage
from connectors.embedded.child import Command, run_to_end
from connectors.embedded.cluster import EmbeddedServers
from connectors.embedded.postgres_place import remove_files_elsewhere
from schemas import topics
from schemas.codec import Codec
from streams.app import codec_of
from streams.cli.setup import create_topics, register_schemas
from streams.settings import Settings, load_settings

RUNS = 1
QUARTER = 3
RAW_WITHIN_S = 120.0


@dataclass(slots=True)
class Scene:
    """Topics under a prefix of their own, filled, and what is run on them."""

    settings: Settings
    environment: dict[str, str]
    records: int = 0


@dataclass(slots=True)
class Bench:
    """The servers and what was measured so far."""

    directory: Path
    servers: EmbeddedServers
    bar: Progress
    runs: int
    results: dict[str, list[Measured]] = field(default_factory=dict)

    def scene(self, name: str) -> Scene:
        """A scene with its topics and schemas made."""
        environment = self.servers.environment() | {
            "BEAAS_TOPIC_PREFIX": f"{name}.",
            "BEAAS_DATA_DIR": str(self.directory / "workers" / name),
        }
        settings = load_settings(environment)
        create_topics(settings)
        register_schemas(settings)
        return Scene(settings, {**os.environ, **environment})

    def usage(self, name: str, months: list[list[Usage]]) -> Scene:
        """A scene whose usage topic holds these months."""
        return self._filled(name, topics.USAGE, months, lambda _, codec: workload.usage_records(months, codec))

    def journal(self, name: str, months: list[list[Usage]], terms: Terms) -> Scene:
        """A scene whose journal holds these months of accounts with these terms."""
        return self._filled(
            name,
            topics.JOURNAL,
            months,
            lambda settings, codec: workload.journal_records(months, terms, codec, settings),
        )

    def _filled(
        self,
        name: str,
        topic: topics.Topic,
        months: list[list[Usage]],
        records: Callable[[Settings, Codec], Iterator[Keyed]],
    ) -> Scene:
        scene = self.scene(name)
        task = self.bar.add_task(f"filling {name}", total=sum(map(len, months)))
        scene.records = fill(
            scene.settings.kafka_bootstrap_servers,
            topic.full_name(scene.settings.topic_prefix),
            records(scene.settings, codec_of(scene.settings)),
            lambda done: self.bar.update(task, completed=done),
        )
        self.bar.remove_task(task)
        return scene

    async def raw(self, name: str, mode: str, scene: Scene) -> None:
        """One run of a raw loop."""
        task = self.bar.add_task(name, total=None)
        output = self.directory / f"{mode}.json"
        output.unlink(missing_ok=True)
        argv = (sys.executable, "-m", "benchmarks.raw", mode)
        await run_to_end(Command(mode, argv, output, scene.environment), self.directory / "children", RAW_WITHIN_S)
        self._add(name, msgspec.json.decode(output.read_bytes().splitlines()[-1], type=Measured))
        self.bar.remove_task(task)

    async def worker(self, name: str, role: str, scene: Scene) -> None:
        """One run of a worker."""
        task = self.bar.add_task(name, total=scene.records)
        measured = await measure_worker(
            role, scene.settings, scene.environment, scene.records, lambda done: self.bar.update(task, completed=done)
        )
        self._add(name, measured)
        self.bar.remove_task(task)

    def _add(self, name: str, measured: Measured) -> None:
        self.results.setdefault(name, []).append(measured)


async def measure(bench: Bench) -> None:
    """All rows in turn, the raw loops between the others, so that a machine that gets slower slows all of them."""
    year = workload.year(workload.by_airline)
    usage = bench.usage("intake", year)
    simple = bench.journal("three-meters", year, workload.three_meters())
    tariff = bench.journal("flights-tariff", year, workload.flights_tariff())
    quarter = workload.year(workload.by_flight_number)[:QUARTER]
    many = bench.journal("many-accounts", quarter, workload.three_meters())
    for _ in range(bench.runs):
        await bench.raw(report.CONSUME, "consume", usage)
        await bench.worker(report.RATING_SIMPLE, "rating", simple)
        await bench.raw(report.CONSUME, "consume", usage)
        await bench.worker(report.RATING_TARIFF, "rating", tariff)
        await bench.raw(report.PIPE, "pipe", usage)
        await bench.worker(report.INTAKE, "intake", usage)
        await bench.raw(report.PIPE, "pipe", usage)
        await bench.worker(report.RATING_MANY, "rating", many)
        await bench.raw(report.CONSUME, "consume", usage)


async def main(runs: int, write: Path | None) -> None:
    """Measure, print the table, write its copy."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with directory_for_servers() as directory, progress() as bar:
        async with EmbeddedServers(directory / "servers") as servers:
            bench = Bench(directory, servers, bar, runs)
            await measure(bench)
    console.print(report.table(bench.results))
    if write is not None:
        write.write_text(report.markdown(bench.results), encoding="utf-8")
        console.print(f"written to {write}")


@contextmanager
def directory_for_servers() -> Iterator[Path]:
    """A directory that PostgreSQL's own account can pass through; it goes afterwards."""
    path = Path(tempfile.mkdtemp(prefix="beaas-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        remove_files_elsewhere(path / "servers" / "postgres")
        shutil.rmtree(path, ignore_errors=True)


def progress() -> Progress:
    """Bars on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--runs",
        type=int,
        default=RUNS,
        help="runs of each worker; raw loops have two or three for each (default: %(default)s)",
    )
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=report.DOCUMENT,
        help="also write the table (default: docs/benchmarks.md)",
    )
    asked = parser.parse_args()
    asyncio.run(main(asked.runs, asked.write))
