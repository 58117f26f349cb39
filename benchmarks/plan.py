"""The steps of a run, by the names that `--only` takes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.steps import month_end, path, peers, rating, recovery, relay


@dataclass(frozen=True, slots=True)
class Step:
    """A row with its ceiling, or a few that belong together: measured once in each run."""

    name: str
    measure: Callable[[Bench], Awaitable[None]]
    once: bool = False
    """Whether one run is enough: nothing is judged by it that a second one would change."""


STEPS: Final = (
    Step("rating-sum", rating.one_sum_meter),
    Step("peers-kafka-streams", peers.kafka_streams),
    Step("peers-quix", peers.quix),
    Step("peers-faust", peers.faust),
    Step("rating-memory", rating.one_sum_meter_in_memory),
    Step("rating-three-meters", rating.three_meters),
    Step("rating-flights", rating.flights_tariff),
    Step("rating-small-accounts", rating.small_accounts),
    Step("intake", rating.intake),
    Step("path", path.whole_path),
    Step("latency", path.latency),
    Step("recovery-dynamic", recovery.survivors_take_over),
    Step("recovery-static", recovery.restarted_at_once),
    Step("month-end", month_end.month_end),
    Step("relay", relay.both),
    Step("memory", rating.open_accounts, once=True),
)


class NoSuchStep(Exception):
    """A word names no step; the text names them all."""


def selected(words: Sequence[str]) -> list[Step]:
    """The steps whose name is one of the words or begins with it, as `rating` begins `rating-sum`; all without words.

    Raises:
        NoSuchStep: a word names none.
    """
    for word in words:
        if not any(_named(step, word) for step in STEPS):
            raise NoSuchStep(f"--only {word}: there are {', '.join(step.name for step in STEPS)}")
    return [step for step in STEPS if not words or any(_named(step, word) for word in words)]


def _named(step: Step, word: str) -> bool:
    return step.name == word or step.name.startswith(f"{word}-")
