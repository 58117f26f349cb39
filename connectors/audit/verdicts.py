"""What was found: the verdict on each invariant, and what is told beside it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from billing.invariants import INVARIANTS, DeadLetterFact, Finding, Invariant, LagFact

FINDINGS_KEPT: Final = 100
"""Of each invariant; a system that is wrong everywhere is told so without filling the memory."""
T = TypeVar("T")


@dataclass(slots=True)
class Verdict:
    """What one invariant found in the facts that there were."""

    invariant: Invariant
    facts: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    """The first ones."""
    unjudged: str = ""
    """Why it was not, or not wholly, judged here."""

    def judge(
        self, facts: Iterable[object], *more: Iterable[object], judge: Callable[..., Iterator[Finding]] | None = None
    ) -> None:
        """Takes the facts into the verdict."""
        for finding in (judge or self.invariant.judge)(self._counted(facts), *map(self._counted, more)):
            self.found += 1
            if len(self.findings) < FINDINGS_KEPT:
                self.findings.append(finding)

    def _counted(self, facts: Iterable[T]) -> Iterator[T]:
        for fact in facts:
            self.facts += 1
            yield fact


@dataclass(slots=True)
class Examination:
    """All verdicts, and what an operator wants to see beside them."""

    verdicts: dict[str, Verdict] = field(default_factory=lambda: {one.id: Verdict(one) for one in INVARIANTS})
    lags: list[LagFact] = field(default_factory=list)
    letters: list[DeadLetterFact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __getitem__(self, invariant: str) -> Verdict:
        return self.verdicts[invariant]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not any(verdict.found for verdict in self.verdicts.values())
