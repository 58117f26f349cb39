"""What one run of a row came to, by the kind of its claim."""

from collections.abc import Iterable
from math import ceil
from typing import Self, TypeAlias

import msgspec


class Measured(msgspec.Struct, frozen=True, tag=True):
    """So many records in so many seconds, and how much of them the process itself was computing."""

    records: int
    wall_s: float
    cpu_s: float
    memory_bytes: int = 0
    """Resident at the end; 0 where nobody looked."""
    grown_bytes: int = 0
    """What the resident memory grew by over these records."""

    @property
    def summary(self) -> str:
        """In a line."""
        return f"{self.per_wall_s:,.0f}/s, {self.per_cpu_s:,.0f}/CPU s"

    @property
    def per_wall_s(self) -> float:
        """Records per second."""
        return self.records / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Records per second of the process's CPU time, all its threads, user and system."""
        return self.records / self.cpu_s


class Latency(msgspec.Struct, frozen=True, tag=True):
    """How long single records took, in seconds."""

    rate_per_s: float
    """How many were sent a second; 0 where each waited for the one before."""
    samples: int
    p50_s: float
    p99_s: float
    longest_s: float

    @property
    def summary(self) -> str:
        """In a line."""
        return f"p50 {1_000 * self.p50_s:,.1f} ms, p99 {1_000 * self.p99_s:,.1f} ms"

    @classmethod
    def of(cls, waits_s: Iterable[float], rate_per_s: float) -> Self:
        """Returns the order statistics (nearest rank) of the waits.

        Raises:
            ValueError: there is none.
        """
        ordered = sorted(waits_s)
        if not ordered:
            raise ValueError("no record arrived, so there is no latency")

        def rank(part: float) -> float:
            return ordered[ceil(part * len(ordered)) - 1]

        return cls(rate_per_s, len(ordered), rank(0.5), rank(0.99), ordered[-1])


class Recovery(msgspec.Struct, frozen=True, tag=True):
    """How long after a kill the dead worker's partitions moved again, in seconds."""

    first_s: float
    """Until an event sent after the kill was folded and visible, on the first partition that was lost."""
    caught_up_s: float
    """Until every lost partition was less than a second behind its producer."""
    partitions: int
    """How many were lost."""

    @property
    def summary(self) -> str:
        """In a line."""
        return f"first event after {self.first_s:.1f} s, caught up after {self.caught_up_s:.1f} s"


Run: TypeAlias = Measured | Latency | Recovery
