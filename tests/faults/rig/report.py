"""What a run shows: a line for each strike as it happens, one table at the end, and how to do the same again."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from billing.invariants import Finding
from tests.faults.levers.catalogue import Fault
from tests.faults.rig.plan import Plan, Strike
from tests.faults.rig.recovery import Recovery
from tests.faults.rig.standing import Standing

_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Struck:
    """What became of one strike: how long the backlog of it took, and what went wrong."""

    strike: Strike
    caught_up_s: float | None
    wrong: str = ""
    recovery: Recovery | None = None


@dataclass(slots=True)
class Report:
    """All that a run has seen."""

    plan: Plan
    faults: Sequence[Fault]
    struck: list[Struck] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left: Standing | None = None
    """What was not done when the run gave up waiting for it."""
    converged_s: float | None = None
    events: int = 0
    took_s: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """Every strike that did not go as it must, in words."""
        return [f"{one.strike.fault} {one.strike.lever}: {one.wrong}" for one in self.struck if one.wrong]

    @property
    def well(self) -> bool:
        """Whether nothing was found."""
        return not self.findings and not self.wrong and self.converged_s is not None

    def show(self, console: Console, again: str) -> None:
        """Prints the table; where something was found, that too, and the command to do the same again."""
        console.print(self._table())
        for one in (one for one in self.struck if one.recovery is not None):
            console.print(f"{one.strike.fault} {one.strike.lever}: {one.recovery}")
        converged = (
            "did not converge"
            if self.converged_s is None
            else f"converged {self.converged_s:.1f} s after the last heal"
        )
        console.print(
            f"{self.events} events acknowledged, {len(self.struck)} strikes, {converged}, {self.took_s:.0f} s in all"
        )
        for text in self.wrong:
            console.print(f"[red]{text}[/red]")
        for finding in self.findings[:_MOST_SHOWN]:
            console.print(f"[red]{finding.invariant}[/red] {finding.tenant} {finding.subject}: {finding.detail}")
        if len(self.findings) > _MOST_SHOWN:
            console.print(f"… and {len(self.findings) - _MOST_SHOWN} findings more")
        if not self.well:
            console.print(f"[red]red[/red]: seed {self.plan.seed}, commit {commit()}; again: {again}")

    def _table(self) -> Table:
        table = Table("fault", "what", "struck", "verdict", "caught up after", title=f"seed {self.plan.seed}")
        for fault in self.faults:
            planned = [strike for strike in self.plan.strikes if strike.fault == fault.id]
            if planned or fault.lever is None:
                table.add_row(fault.id, fault.title, *self._row(fault, len(planned)))
        return table

    def _row(self, fault: Fault, planned: int) -> tuple[str, str, str]:
        mine = [one for one in self.struck if one.strike.fault == fault.id]
        wrong = [one.wrong for one in mine if one.wrong]
        verdict = "red" if wrong else "findings" if self.findings else "exact"
        if fault.lever is None:
            return "in the load", verdict, ""
        slowest = max((one.caught_up_s for one in mine if one.caught_up_s is not None), default=None)
        caught_up = "" if slowest is None else f"{slowest:.1f} s"
        return f"{len(mine) - len(wrong)} of {planned}", verdict, caught_up


def commit() -> str:
    """The commit of the checkout, with a plus where it was changed since."""
    root = Path(__file__).parents[3]
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
