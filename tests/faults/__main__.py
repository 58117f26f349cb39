"""`make faults`: strike everything that can be struck, under load, and see whether every bill is exact."""

import asyncio
import logging
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cyclopts
from rich.console import Console

from connectors.embedded.postgres_place import remove_files_elsewhere
from tests.faults.levers.catalogue import BY_ID, FAULTS, Fault
from tests.faults.rig.fleet import Size
from tests.faults.rig.plan import Plan, draw_plan
from tests.faults.rig.planted import BUGS
from tests.faults.rig.report import Report, commit
from tests.faults.rig.session import session

RATE_PER_S: Final = 400.0
_WELL, _FOUND, _WRONG_USE = 0, 1, 2

app = cyclopts.App(name="faults", help=__doc__)
out = Console(highlight=False, soft_wrap=True)


@app.default
def faults(  # noqa: PLR0913 - the options of a command
    *,
    seed: int | None = None,
    faults: str = "",
    minutes: float | None = None,
    swarm: bool = False,
    rate: float = RATE_PER_S,
    workers: int = 3,
    plant: str = "",
    list: bool = False,  # noqa: A002 - the option's name
    keep: bool = False,
) -> int:
    """Run faults under load, heal everything, and judge; exit status 1 if anything was found.

    Args:
        seed: of the load and of what strikes when and whom; default: a fresh one, which is printed.
        faults: which of them, such as F01,F09; default: all, each as often as the list says.
        minutes: strike again and again until the load has taken about so long.
        swarm: draw a subset of the faults from the seed.
        rate: usage events a second.
        workers: rating workers; of intake and sinks there are one less, but at least one.
        plant: run every role with this bug, to see the bench find it.
        list: show the faults and end.
        keep: leave logs, history and what the servers kept.
    """
    if list:
        for fault in FAULTS:
            out.print(f"{fault.id}  {fault.strikes if fault.lever else '-':>2}x  {fault.title}")
        return _WELL
    chosen = [BY_ID.get(name.strip().upper()) for name in faults.split(",")] if faults else FAULTS
    known = [fault for fault in chosen if fault is not None]
    if len(known) < len(chosen) or (plant and plant not in BUGS):
        out.print(f"no such fault or bug: --faults takes {','.join(BY_ID)}; --plant takes {', '.join(BUGS)}")
        return _WRONG_USE
    seed = secrets.randbelow(2**31) if seed is None else seed
    size = Size(intake=max(1, workers - 1), rating=workers, sinks=max(1, workers - 1))
    plan = draw_plan(
        seed,
        known,
        size=size,
        rate_per_s=rate,
        budget_s=None if minutes is None else 60 * minutes,
        swarm=swarm,
    )
    out.print(f"seed {seed}: {len(plan.strikes)} strikes, {plan.events} events")
    directory = Path(tempfile.mkdtemp(prefix="beaas-faults-"))
    again = _again(seed, sys.argv[1:])
    try:
        report = asyncio.run(_run(plan, known, size, directory, rate=rate, plant=plant))
    except BaseException:
        out.print(f"the run was given up: seed {seed}, commit {commit()}; again: {again}")
        out.print(f"logs and history: {directory}")
        raise
    report.show(out, again)
    if report.well and not keep:
        remove_files_elsewhere(directory / "servers" / "postgres")
        shutil.rmtree(directory, ignore_errors=True)
    else:
        out.print(f"logs and history: {directory}")
    return _WELL if report.well else _FOUND


async def _run(  # noqa: PLR0913 - the options of a command
    plan: Plan, faults: Sequence[Fault], size: Size, directory: Path, *, rate: float, plant: str
) -> Report:
    # clients complain of every server that is struck
    logging.basicConfig(filename=directory / "bench.log", level=logging.WARNING)
    directory.chmod(0o711)  # PostgreSQL's account passes through, where root runs this
    async with session(directory, size) as one:
        return await one.run(plan, faults, rate_per_s=rate, plant=plant, tell=_tell)


def _tell(line: str) -> None:
    out.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {line}")


def _again(seed: int, arguments: Sequence[str]) -> str:
    """The command that does the same again."""
    words = [word for word in arguments if not word.startswith("--seed=")]
    if "--seed" in words:
        at = words.index("--seed")
        del words[at : at + 2]
    return f"make faults ARGS={shlex.quote(shlex.join(['--seed', str(seed), *words]))}"


if __name__ == "__main__":
    sys.exit(app())
