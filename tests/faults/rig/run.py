"""One run: faults under load, then everything is healed, everything has to settle, and the auditor judges."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from billing.invariants import Finding
from connectors.embedded.errors import ServerError
from tests.faults.levers.catalogue import Fault
from tests.faults.levers.lever import NotStruck
from tests.faults.levers.processes import KillRole
from tests.faults.rig.load import Audit, Load
from tests.faults.rig.plan import Plan, Strike
from tests.faults.rig.recovery import Recovery, measure, partitions_of
from tests.faults.rig.report import Report, Struck
from tests.faults.rig.site import Site
from tests.faults.rig.standing import LOOK_AGAIN_S, UNANSWERED, Watch

_RESTARTS_COUNTED_S: Final = 60.0
_MORE_S: Final = 0.5
_STARTS_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long things may take, and how often a process may end by itself within 60 s after the last heal."""

    catches_up_s: float = 60.0
    converges_s: float = 60.0
    finishes_s: float = 180.0
    restarts: int = 3


PATIENT: Final = Bounds(catches_up_s=240.0, converges_s=240.0, finishes_s=420.0, restarts=20)
"""On a machine of which nothing is known: that it is slow is no finding."""
_WRONG: Final = (NotStruck, AssertionError, ServerError, *UNANSWERED)
"""What a lever may end with: the run goes on, heals, and reports it."""


@dataclass(slots=True)
class Run:
    """A plan on a site.

    Attributes:
        plan: what strikes when.
        site: what it strikes.
        load: who sends meanwhile.
        audit: who judges.
        history: what the load has written down.
        rate_per_s: of the load.
        tell: called with a line for each thing that happens.
        bounds: what is too slow.
    """

    plan: Plan
    faults: Sequence[Fault]
    site: Site
    load: Load
    audit: Audit
    history: Path
    rate_per_s: float
    tell: Callable[[str], None] = lambda _: None
    bounds: Bounds = field(default_factory=Bounds)
    _report: Report = field(init=False)
    _watch: Watch = field(init=False)

    async def __call__(self) -> Report:
        """Strikes all of it, heals, waits, and judges."""
        began = time.monotonic()
        self._report, self._watch = Report(self.plan, self.faults), Watch(self.site.environment)
        try:
            healed_at = await self._safety()
            self._report.events = self.load.acknowledged
            if not self._report.findings:
                await self._settle()
        finally:
            await self._watch.close()
        self._count_restarts(healed_at)
        if self._report.converged_s is not None:
            self.tell("the auditor reads")
            self._report.findings += await self.audit(self.history, self.site.environment)
        await self._drain()
        self._report.took_s = time.monotonic() - began
        return self._report

    # Safety ---------------------------------------------------------------------------------------------------------

    async def _safety(self) -> float:
        """Strikes all of it and heals all of it; returns when, by the monotonic clock."""
        try:
            await self._strike_all()
        except TimeoutError as error:
            await self._find_left("the load", str(error))
        await self.site.links.heal()
        self.site.fleet.calm()
        return time.monotonic()

    async def _strike_all(self) -> None:
        """Each strike comes when so much is acknowledged, under the load that reaches to the next one."""
        targets = [*(strike.at for strike in self.plan.strikes[1:]), self.plan.events]
        if self.plan.strikes:
            await self.load.run_until(acknowledged=self.plan.strikes[0].at)
        for strike, target in zip(self.plan.strikes, targets, strict=False):
            healed = asyncio.Event()
            striking = asyncio.create_task(self._strike(strike, healed))
            loading = asyncio.create_task(self._send(target, healed))
            try:
                self._report.struck.append(await striking)
                await loading
            finally:
                await _ended(striking, loading)
        await self.load.run_until(acknowledged=self.plan.events)

    async def _send(self, target: int, healed: asyncio.Event) -> None:
        """Sends up to the target, and on until the strike is healed: nobody is struck at rest."""
        await self.load.run_until(acknowledged=target)
        while not healed.is_set():
            await self.load.run_until(acknowledged=self.load.acknowledged + int(self.rate_per_s * _MORE_S))

    async def _strike(self, strike: Strike, healed: asyncio.Event) -> Struck:
        self.tell(f"{self.load.acknowledged:>7} acknowledged  {strike.fault}  {strike.lever}")
        wrong, watching = "", await self._measured(strike)
        try:
            await strike.lever.strike(self.site)
            await asyncio.sleep(strike.hold_s)
        except _WRONG as error:
            wrong = _words(error)
        finally:  # also when the run is given up: the next one may be on the same servers
            not_healed = await self._heal(strike)
        wrong = wrong or not_healed
        healed_at = time.monotonic()
        healed.set()
        recovery = await watching if watching else None
        caught_up_s = await self._caught_up(healed_at)
        if caught_up_s is None:
            wrong = (
                wrong
                or f"not caught up {self.bounds.catches_up_s:g} s after it was healed: {await self._watch.standing()}"
            )
        self.tell(f"{'':>20}  {strike.fault}  {wrong or f'caught up after {caught_up_s:.1f} s'}")
        return Struck(strike, caught_up_s, wrong, recovery)

    async def _heal(self, strike: Strike) -> str:
        """It is healed, or the words say why not."""
        try:
            await strike.lever.heal(self.site)
        except _WRONG as error:
            return _words(error)
        return ""

    async def _measured(self, strike: Strike) -> "asyncio.Task[Recovery | None] | None":
        """Watches the partitions of a worker that is about to be killed."""
        if not isinstance(strike.lever, KillRole):
            return None
        try:
            group, partitions = await partitions_of(self._watch, strike.lever.member)
        except UNANSWERED:
            return None  # just after another fault: this one is not measured
        began = time.monotonic()

        async def after_the_kill() -> Recovery | None:
            await asyncio.sleep(LOOK_AGAIN_S)
            return await measure(self._watch, group, partitions, began, self.rate_per_s)

        return asyncio.create_task(after_the_kill())

    async def _caught_up(self, since: float) -> float | None:
        """Waits until all groups are behind by no more than about a second's load each; None: they never were."""
        while time.monotonic() - since < self.bounds.catches_up_s:
            standing = await self._watch.standing()
            if standing is not None and max(standing.lag.values()) <= self.rate_per_s:
                return time.monotonic() - since
            await asyncio.sleep(LOOK_AGAIN_S)
        return None

    # Liveness -------------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Nothing is left to do, a first time by what was sent under faults, a second time by all that remained."""
        self.tell("all is healed")
        took_s = await self._watch.converged(self.bounds.converges_s)
        if took_s is None:
            await self._find_left("convergence", f"{self.bounds.converges_s:g} s after the last heal")
            return
        self.tell(f"converged after {took_s:.1f} s; the load finishes")
        try:
            async with asyncio.timeout(self.bounds.finishes_s):
                await self.load.finish()
        except TimeoutError:
            await self._find_left("the load", f"cannot finish within {self.bounds.finishes_s:g} s")
            return
        if await self._watch.converged(self.bounds.converges_s) is None:
            await self._find_left("convergence", f"{self.bounds.converges_s:g} s after the last clock moved")
            return
        self._report.converged_s = took_s

    def _count_restarts(self, healed_at: float) -> None:
        for member, times in self.site.fleet.restarts_since(healed_at, _RESTARTS_COUNTED_S).items():
            if times > self.bounds.restarts:
                last = next(end for end in reversed(self.site.fleet.ends) if end.member == member)
                self._find("I19", member, f"ended {times} times by itself within 60 s after the last heal: {last.log}")

    async def _drain(self) -> None:
        """Every member has ended when asked to; who did not end well is a finding."""
        fleet = self.site.fleet
        with suppress(TimeoutError):
            await fleet.ready(within_s=_STARTS_WITHIN_S)  # a process that has just begun knows no draining yet
        for member, status in (await fleet.stop()).items():
            child = fleet.members[member].child
            log = "" if child is None else child.log_tail()
            self._find("I19", member, f"ended with {status} when it was asked to drain: {log}")

    async def _find_left(self, subject: str, detail: str) -> None:
        """What is left to do is a finding, and stands in the report."""
        self._report.left = await self._watch.standing()
        self._find("I19", subject, f"{detail}: {self._report.left or 'no server answers'}")

    def _find(self, invariant: str, subject: str, detail: str) -> None:
        self._report.findings.append(Finding(invariant, "", subject, detail))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _ended(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
