"""Runs files of cases in process."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from billing.errors import BillingError
from streams.conformance.case import Case, InvalidCase, MeterCase, PeriodCase, PriceCase, Scenario, read_file
from streams.conformance.compare import compare
from streams.conformance.leaf import meter_differences, period_differences, price_differences
from streams.conformance.story import Story


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case; it passed if there are no differences."""

    file: Path
    name: str
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every expected field is as expected."""
        return not self.differences

    def __str__(self) -> str:
        """One line for the case, and one below it for each difference."""
        verdict = "ok" if self.passed else "FAILED"
        return "\n".join(
            [f"{verdict:<6} {self.file.name}: {self.name}", *(f"       {one}" for one in self.differences)]
        )


@dataclass(frozen=True, slots=True)
class Results:
    """What became of all cases, in the order of the files."""

    results: tuple[Result, ...]

    @property
    def passed(self) -> int:
        """How many passed."""
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> int:
        """How many did not."""
        return len(self.results) - self.passed

    def __str__(self) -> str:
        """One line a case, then the sums."""
        return "\n".join([*map(str, self.results), f"{self.passed} passed, {self.failed} failed"])


def run_files(paths: Iterable[Path]) -> Results:
    """Returns the results of every case of the files; all of them are read before the first runs.

    Raises:
        InvalidCase: a file cannot be read; the text names file, case and field.
    """
    files = [(path, read_file(path)) for path in paths]
    cases = [(path, case) for path, read in files for case in read]
    return Results(tuple(Result(path, case.name, tuple(differences(case))) for path, case in cases))


def differences(case: Case) -> Iterator[str]:
    """Yields what a case came to otherwise than it expects; a refusal of billing is one such text."""
    try:
        yield from _run(case)
    except (BillingError, InvalidCase) as error:
        yield f"refused: {error}"


def _run(case: Case) -> Iterator[str]:
    match case:
        case PriceCase():
            yield from price_differences(case)
        case MeterCase():
            yield from meter_differences(case)
        case PeriodCase():
            yield from period_differences(case)
        case Scenario():
            story = Story(case)
            story.run()
            yield from compare(case.expect, story.invoices, story.credit())
        case _:
            assert_never(case)
