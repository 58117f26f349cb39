"""The one table, for the terminal and as `docs/benchmarks.md`."""

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

from benchmarks.measured import Measured
from connectors.embedded.artifacts import KAFKA_PINS, read_pins

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
CONSUME: Final = "raw loop, count"
PIPE: Final = "raw loop, produce"
INTAKE: Final = "intake"
RATING_SIMPLE: Final = "rating, three meters"
RATING_TARIFF: Final = "rating, flights tariff"
RATING_MANY: Final = "rating, small accounts"
CEILINGS: Final = {
    INTAKE: PIPE,
    RATING_SIMPLE: CONSUME,
    RATING_TARIFF: CONSUME,
    RATING_MANY: CONSUME,
}
HEADINGS: Final = ("", "records", "events/s", "events/CPU s", "min to max", "of raw loop", "of raw, CPU")

_TEXT: Final = """\
# Benchmarks

What the worker roles carry on one machine with everything else on it: Kafka and the registry run beside them. Every
topic is filled before the clock starts. `python -m benchmarks --write` makes this page; it judges nothing.

{table}

Machine: {machine}. Measured {date}; medians of {runs} or more runs in turn. `events/CPU s` is what one core carries:
all CPU time of the process itself, every thread, user and system, from its own metrics. `min to max` is over the runs,
in events/CPU s. Start-up is not in it. Only rows of one run can be compared; differences below 15 % mean nothing.

| row | what it does |
|---|---|
| raw loop, count | aiokafka's `getmany`, our decoder, a dict: no dedupe, nothing durable |
| raw loop, produce | the same, then `create_batch` and `send_batch` to the journal: no validation, no transaction |
| intake | `beaas worker intake`: decode, validate, re-key, one transaction a flush |
| rating, three meters | `beaas worker rating` on RocksDB with dedupe: count, sum, maximum; closes included |
| rating, flights tariff | the same with the demo's tariff: seven meters, eight prices |
| rating, small accounts | three meters; each flight number at an airport is a customer, for a quarter of the year |

The usage is the year of flights twice over, of 35 customers but in the last row.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is shown."""

    cells: tuple[str, ...]


def rows(results: Mapping[str, Sequence[Measured]]) -> list[Row]:
    """The table's rows, in the order of the ceilings and what they bound."""
    order = [CONSUME, RATING_SIMPLE, RATING_TARIFF, RATING_MANY, PIPE, INTAKE]
    return [_row(name, results) for name in order if name in results]


def table(results: Mapping[str, Sequence[Measured]]) -> Table:
    """For the terminal."""
    shown = Table(title="Throughput", box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if number else "left", no_wrap=not number)
    for row in rows(results):
        shown.add_row(*row.cells)
    return shown


def markdown(results: Mapping[str, Sequence[Measured]]) -> str:
    """The whole page."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
    lines += ["| " + " | ".join(row.cells) + " |" for row in rows(results)]
    return _TEXT.format(
        table="\n".join(lines),
        machine=machine(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        runs=min(map(len, results.values())),
    )


def machine() -> str:
    """What the figures depend on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    packages = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "rocksdict"))
    return (
        f"{os.cpu_count()} cores of {_cpu_model()}, {memory_gib:.0f} GiB, {platform.system()};"
        f" Python {platform.python_version()}, Kafka {_kafka_version()}, {packages}"
    )


def _row(name: str, results: Mapping[str, Sequence[Measured]]) -> Row:
    runs = results[name]
    by_cpu = [run.per_cpu_s for run in runs]
    ceiling = CEILINGS.get(name)
    ratios = ("", "")
    if ceiling is not None and ceiling in results:
        bound = results[ceiling]
        ratios = (
            f"{median(run.per_wall_s for run in runs) / median(run.per_wall_s for run in bound):.2f}",
            f"{median(by_cpu) / median(run.per_cpu_s for run in bound):.2f}",
        )
    return Row(
        (
            name,
            f"{median(run.records for run in runs):,.0f}",
            f"{median(run.per_wall_s for run in runs):,.0f}",
            f"{median(by_cpu):,.0f}",
            f"{min(by_cpu):,.0f} to {max(by_cpu):,.0f}",
            *ratios,
        )
    )


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _kafka_version() -> str:
    artifacts = {pin.parts[1]: pin.parts[2] for pin in read_pins(KAFKA_PINS)}
    return artifacts["kafka-clients"]
