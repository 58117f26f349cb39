"""`make bench`: what beaas carries, beside what bounds it and what others carry, all in one run.

Real embedded servers on a directory that is deleted afterwards; every topic is filled before anything is measured, and
every measured thing is a process of its own. The machine may be busy, so only the ratios of one run mean something.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from benchmarks import plot, report
from benchmarks.bench import Bench, directory_for_servers, progress
from benchmarks.plan import STEPS, NoSuchStep, Step, selected
from connectors.embedded.cluster import EmbeddedServers
from tools.compile import NotCompiled, compile_into

RUNS: Final = 2
INTERRUPTED: Final = 130
EVENTS: Final = 1_000_000


async def measure(steps: Sequence[Step], runs: int, events: int, *, interpreted: bool) -> Bench:
    """All steps in turn, again and again, so that a machine that gets slower slows all of them."""
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine runs in a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # as SIGINT: nothing is left behind
    with directory_for_servers() as directory, progress() as bar:
        compiled = None if interpreted else await asyncio.to_thread(compiled_in, directory)
        task = bar.add_task("", total=sum(1 if step.once else runs for step in steps))
        async with EmbeddedServers(directory / "servers") as servers:
            bench = Bench(directory, servers, bar, events, compiled)
            for number in range(runs):
                for step in steps:
                    if step.once and number:
                        continue
                    bar.update(task, description=f"run {number + 1} of {runs}: {step.name}")
                    await _measured(step, bench)
                    bar.advance(task)
    return bench


def compiled_in(directory: Path) -> Path:
    """Where beaas stands as its wheel installs it.

    Raises:
        NotCompiled: this machine cannot build it.
    """
    compile_into(directory / "compiled")
    return directory / "compiled"


async def _measured(step: Step, bench: Bench) -> None:
    try:
        await step.measure(bench)
    except Exception as failure:  # noqa: BLE001 - one broken row must not take the others along; it is reported
        bench.lack(step.name, f"{type(failure).__name__}: {failure}")


def main(arguments: Sequence[str]) -> int:
    """Measures, prints the tables, writes their copies; 1 if a row could not be measured."""
    asked = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    try:
        steps = selected([word for word in asked.only.split(",") if word])
    except NoSuchStep as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    try:
        bench = asyncio.run(measure(steps, asked.runs, asked.events, interpreted=asked.interpreted))
    except NotCompiled as lacking:
        sys.stderr.write(f"{lacking}\n--interpreted measures the checkout as it is\n")
        return 2
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.stderr.write("interrupted; nothing was written\n")
        return INTERRUPTED
    for sheet in (*report.sheets(bench.results), report.verdicts(bench.results)):
        console.print(report.table(sheet))
    for row, reason in bench.missing.items():
        console.print(f"not measured: {row}: {reason}", markup=False)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.encode(bench.results))
    if asked.write is not None:
        command = " ".join(["python -m benchmarks", *arguments])
        asked.write.write_text(report.markdown(bench.results, bench.missing, command), encoding="utf-8")
        asked.write.with_suffix(".svg").write_text(plot.svg(bench.results), encoding="utf-8")
        console.print(f"written to {asked.write}")
    return 1 if bench.missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each row (default: %(default)s)")
    parser.add_argument("--events", type=int, default=EVENTS, help="events of a large topic (default: %(default)s)")
    names = ", ".join(step.name for step in STEPS)
    parser.add_argument(
        "--only", default="", help=f"steps to run, or what their names begin with, with commas between, of: {names}"
    )
    parser.add_argument("--interpreted", action="store_true", help="measure the checkout and not the compiled wheel")
    parser.add_argument("--json", type=Path, help="also write every run's figures")
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=report.DOCUMENT,
        help="also write the page and its plot (default: docs/benchmarks.md)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
