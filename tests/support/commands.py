"""Commands of this project, run to their end as an operator runs them."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEAAS: Final = (sys.executable, "-m", "streams.cli")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these variables, and with no other setting of beaas that it may have."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("BEAAS_")}
    return foreign | dict(variables)


async def run_to_end(*argv: str | Path, variables: Mapping[str, str], within_s: float) -> Ran:
    """The command has ended; it is killed where it takes longer, or nobody waits for it any more.

    Raises:
        TimeoutError: it took longer.
    """
    running = await asyncio.create_subprocess_exec(
        *map(str, argv),
        env=environment_with(variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode is not None
    return Ran(running.returncode, out.decode(), err.decode())
