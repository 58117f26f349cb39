"""What the figures have to reach, judged from one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from benchmarks.measured import Latency, Measured, Recovery, Run

Results = Mapping[str, Sequence[Run]]


class Verdict(NamedTuple):
    """A target, what was found, and whether it was reached; None where a row it needs was not measured."""

    target: str
    figure: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """A claim about medians, and how it is judged."""

    says: str
    figure: Callable[[Results], float]
    bound: float
    below: bool = False
    unit: str = "times"

    def judged(self, results: Results) -> Verdict:
        """Whether the run reaches it."""
        try:
            found = self.figure(results)
        except (KeyError, ValueError):
            return Verdict(self.says, "not measured", None)
        return Verdict(
            self.says,
            f"{found:,.2f} {self.unit}" if found < _LARGE else f"{found:,.0f} {self.unit}",
            found < self.bound if self.below else found >= self.bound,
        )


_LARGE: Final = 100


def per_cpu_s(results: Results, row: str) -> float:
    """The row's median of records a CPU second."""
    return median(run.per_cpu_s for run in results[row] if isinstance(run, Measured))


def per_wall_s(results: Results, row: str) -> float:
    """The row's median of records a second."""
    return median(run.per_wall_s for run in results[row] if isinstance(run, Measured))


def _of_cpu(row: str, *others: str) -> Callable[[Results], float]:
    """The row's rate for a CPU second, as a multiple of the best of the others'."""
    return lambda results: per_cpu_s(results, row) / max(per_cpu_s(results, other) for other in others)


def _of_wall(row: str, other: str) -> Callable[[Results], float]:
    return lambda results: per_wall_s(results, row) / per_wall_s(results, other)


def _p99_ms(row: str) -> Callable[[Results], float]:
    return lambda results: 1_000 * median(run.p99_s for run in results[row] if isinstance(run, Latency))


def _first_s(row: str) -> Callable[[Results], float]:
    return lambda results: median(run.first_s for run in results[row] if isinstance(run, Recovery))


TARGETS: Final = (
    Target("rating one sum meter ≥ 0.4 of the raw loop, CPU", _of_cpu("rating-sum", "raw-minimal"), 0.4),
    Target(
        "… ≥ Kafka Streams, which does not dedupe, CPU",
        _of_cpu("rating-sum", "kafka-streams-100ms", "kafka-streams-1s"),
        1.0,
    ),
    Target("… ≥ 1.5 times Quix Streams, which does not dedupe, CPU", _of_cpu("rating-sum", "quix"), 1.5),
    Target("… ≥ 20 times idiomatic Faust, CPU", _of_cpu("rating-sum", "faust", "faust-memory"), 20),
    Target("rating flights tariff ≥ 0.15 of the raw loop, CPU", _of_cpu("rating-flights", "raw-flights"), 0.15),
    Target("intake, minimal usage ≥ 0.6 of the raw loop, CPU", _of_cpu("intake-minimal", "raw-pipe-minimal"), 0.6),
    Target("intake, flights ≥ 0.6 of the raw loop, CPU", _of_cpu("intake-flights", "raw-pipe-flights"), 0.6),
    Target("month end ≥ 0.5 of the raw insert, wall clock", _of_wall("month-end", "raw-insert"), 0.5),
    Target("month end ≥ 3,000 invoices/s", lambda results: per_wall_s(results, "month-end"), 3_000, unit="invoices/s"),
    Target("relay ≥ 5 times Debezium, CPU", _of_cpu("relay", "debezium"), 5),
    Target("commit → Kafka, p99 < 10 ms", _p99_ms("relay-latency"), 10, below=True, unit="ms"),
    Target("produced → flushed at half load, p99 < 500 ms", _p99_ms("latency-half"), 500, below=True, unit="ms"),
    Target("first event after kill -9, survivors, < 10 s", _first_s("recovery-dynamic"), 10, below=True, unit="s"),
    Target("first event after kill -9, restarted, < 10 s", _first_s("recovery-static"), 10, below=True, unit="s"),
)


def judged(results: Results) -> list[Verdict]:
    """Every target."""
    return [target.judged(results) for target in TARGETS]
