"""One life of a process: its pid and when it started, because a pid alone may belong to somebody else by now."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Self

import msgspec


class Incarnation(msgspec.Struct, frozen=True):
    """A process that is told apart from every later one with the same pid."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Returns the life that the pid has now; None if there is no such process or it is only waiting to be reaped.

        On Linux the start is read from /proc, in clock ticks of this boot. Elsewhere `ps` tells it to the second.
        """
        started = _started_on_linux(pid) if sys.platform == "linux" else _started_by_ps(pid)
        return cls(pid, started) if started else None

    @classmethod
    def mine(cls) -> Self:
        """Returns the life of this process."""
        alive = cls.of(os.getpid())
        assert alive is not None
        return alive

    @property
    def is_alive(self) -> bool:
        """Tells whether this very process still runs."""
        return Incarnation.of(self.pid) == self


def _started_on_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{_boot_id()}:{start_ticks}"


def _started_by_ps(pid: int) -> str | None:
    shown = subprocess.run(  # noqa: S603 - a number is all that varies
        ["/bin/ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    *started, state = shown.stdout.split() or [""]
    return None if not started or state.startswith("Z") else " ".join(started)


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
