"""The tables, for the terminal and as `docs/benchmarks.md`."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from rich import box
from rich.table import Table

from benchmarks import rows
from benchmarks.measured import Latency, Measured, Recovery
from benchmarks.peers import supply
from benchmarks.rows import Row
from benchmarks.targets import Results, judged, per_cpu_s, per_wall_s
from connectors.embedded.artifacts import KAFKA_PINS, read_pins

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PLOT: Final = DOCUMENT.with_suffix(".svg")
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table as it is shown: the first column is text, the others are numbers."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def sheets(results: Results) -> list[Sheet]:
    """Every table that has a line."""
    found = [
        Sheet(
            "Throughput",
            ("", "records", "records/s", "records/CPU s", "min to max", "of bound", "of bound, CPU", "RSS, MB"),
            tuple(_throughput(row, results) for row in rows.THROUGHPUT if row.key in results),
        ),
        Sheet(
            "Latency",
            ("", "events/s", "samples", "p50, ms", "p99, ms", "p99, min to max", "longest, ms"),
            tuple(_latency(row, results) for row in rows.LATENCY if row.key in results),
        ),
        Sheet(
            "Recovery",
            ("", "partitions lost", "first event, s", "min to max", "caught up, s"),
            tuple(_recovery(row, results) for row in rows.RECOVERY if row.key in results),
        ),
        Sheet(
            "Memory, rating",
            ("", "measured over", "MB a million", "RSS at the end, MB"),
            tuple(_memory(row, results) for row in rows.MEMORY if row.key in results),
        ),
    ]
    return [sheet for sheet in found if sheet.lines]


def verdicts(results: Results) -> Sheet:
    """The targets and what became of them."""
    words = {True: "yes", False: "NO", None: "-"}
    lines = tuple((one.target, one.figure, words[one.met]) for one in judged(results))
    return Sheet("Targets", ("target", "figure", "met"), lines)


def table(sheet: Sheet) -> Table:
    """For the terminal."""
    shown = Table(title=sheet.title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(sheet.headings):
        shown.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for line in sheet.lines:
        shown.add_row(*line)
    return shown


def markdown(results: Results, missing: Mapping[str, str], command: str) -> str:
    """The whole page."""
    shown = [f"## {sheet.title}\n\n{_pipes(sheet)}" for sheet in sheets(results)]
    lacking = "".join(f"- {rows.TITLES.get(row, row)}: {_short(reason)}\n" for row, reason in missing.items())
    return _PAGE.format(
        targets=_pipes(verdicts(results)),
        sheets="\n\n".join(shown),
        missing=f"\n## Not measured\n\n{lacking}" if lacking else "",
        machine=machine(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        command=command,
        runs=max(map(len, results.values())),
        says=_pipes(Sheet("", ("row", "what it does"), tuple(_meaning(results)))),
    )


def machine() -> str:
    """What the figures depend on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    packages = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "rocksdict", "psycopg"))
    peers = f"Quix Streams {_quix_version()}, Debezium {_pinned(supply.DEBEZIUM_PINS, 'debezium-connector-postgres')}"
    kafka = _pinned(KAFKA_PINS, "kafka-clients")
    return (
        f"{os.cpu_count()} cores of {_cpu_model()}, {memory_gib:.0f} GiB, {platform.system()};"
        f" Python {platform.python_version()}, Kafka and Kafka Streams {kafka}, {packages}, {peers}"
    )


def _throughput(row: Row, results: Results) -> tuple[str, ...]:
    runs = [run for run in results[row.key] if isinstance(run, Measured)]
    by_cpu = [run.per_cpu_s for run in runs]
    memory = max(run.memory_bytes for run in runs)
    ratios = ("", "")
    if row.bound is not None and row.bound in results:
        ratios = (
            f"{per_wall_s(results, row.key) / per_wall_s(results, row.bound):.2f}",
            f"{per_cpu_s(results, row.key) / per_cpu_s(results, row.bound):.2f}",
        )
    return (
        row.title,
        f"{median(run.records for run in runs):,.0f}",
        f"{median(run.per_wall_s for run in runs):,.0f}",
        f"{median(by_cpu):,.0f}",
        f"{min(by_cpu):,.0f} to {max(by_cpu):,.0f}",
        *ratios,
        f"{memory / MILLION:,.0f}" if memory else "",
    )


def _latency(row: Row, results: Results) -> tuple[str, ...]:
    runs = [run for run in results[row.key] if isinstance(run, Latency)]
    slow = [1_000 * run.p99_s for run in runs]
    rate = median(run.rate_per_s for run in runs)
    return (
        row.title,
        f"{rate:,.0f}" if rate else "one by one",
        f"{sum(run.samples for run in runs):,}",
        f"{1_000 * median(run.p50_s for run in runs):,.1f}",
        f"{median(slow):,.1f}",
        f"{min(slow):,.1f} to {max(slow):,.1f}",
        f"{1_000 * max(run.longest_s for run in runs):,.1f}",
    )


def _recovery(row: Row, results: Results) -> tuple[str, ...]:
    runs = [run for run in results[row.key] if isinstance(run, Recovery)]
    first = [run.first_s for run in runs]
    return (
        row.title,
        f"{median(run.partitions for run in runs):.0f}",
        f"{median(first):.1f}",
        f"{min(first):.1f} to {max(first):.1f}",
        f"{median(run.caught_up_s for run in runs):.1f}",
    )


def _memory(row: Row, results: Results) -> tuple[str, ...]:
    runs = [run for run in results[row.key] if isinstance(run, Measured)]
    # in the accounts' journal every other record is the start of one
    each = 2 if row.key.startswith("accounts") else 1
    counted = [run.records / each for run in runs]
    grown = [MILLION * run.grown_bytes / many for run, many in zip(runs, counted, strict=True)]
    return (
        row.title,
        f"{median(counted):,.0f}",
        f"{median(grown) / MILLION:,.0f}",
        f"{max(run.memory_bytes for run in runs) / MILLION:,.0f}",
    )


def _meaning(results: Results) -> list[tuple[str, ...]]:
    everything = (*rows.THROUGHPUT, *rows.LATENCY, *rows.RECOVERY, *rows.MEMORY)
    return [(row.title, row.says) for row in everything if row.key in results]


def _pipes(sheet: Sheet) -> str:
    ruler = "|---" * len(sheet.headings) if sheet.headings[0] else "|---" + "|---:" * (len(sheet.headings) - 1)
    lines: Sequence[Sequence[str]] = (sheet.headings, *sheet.lines)
    head, *body = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, f"{ruler}|", *body])


def _short(reason: str) -> str:
    """Without the end of a log: that names paths of this machine."""
    return " ".join(reason.partition(" The end of ")[0].split())[:300]


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _pinned(pins: Path, artifact: str) -> str:
    return next(pin.parts[2] for pin in read_pins(pins) if pin.parts[1] == artifact)


def _quix_version() -> str:
    lines = supply.QUIX_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    pinned = next(line for line in lines if line.startswith("quixstreams=="))
    return pinned.partition("==")[2].split()[0]


_PAGE: Final = """\
# Benchmarks

What beaas carries on one machine, beside the plain loops that bound it and the engines that one would use instead, all
in one run. Every topic is filled before anything is measured. `{command}` wrote it.

{targets}

[profile.md](profile.md) says where the time goes, and why what is not met is not.

![Records per CPU second](benchmarks.svg)

{sheets}
{missing}
## How to read it

{machine}.

Measured {date}: medians of up to {runs} runs in turn, every row beside its bound; servers, producers and consumers
shared the machine. Only rows of one run can be compared, and differences below 15 % mean nothing.

beaas and the raw loops run as its compiled wheel has them ([ADR 11](adr/0011-the-hot-rooms-are-compiled.md)), unless
the command says `--interpreted`; both read by the same decoder.

`records/CPU s` is what one core carries: all CPU time of the process itself, every thread, user and system; of a JVM
also its compiler's and collector's. Start-up and the first twentieth of the records are in no figure, for everybody
alike; the last flush or commit is. `min to max` is over the runs. `of bound` divides by the row above that bounds it
(the raw loop, the raw insert, for the relay Debezium), by the clock and by CPU time. The peers get favours: they
dedupe nothing, publish no totals, are not exactly once, and add machine integers; the decoder is ours, or by hand in
Java. Debezium writes no CloudEvents headers, the relay does.

{says}
"""
