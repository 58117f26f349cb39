"""Scenarios through a running pipeline, each as a tenant of its own, so that many stories go side by side.

A story's journal gets its entries in the order of the timeline, whatever the pipeline's pace:

- what falls due at or before an entry is rated and invoiced before the entry arrives, and so is every command before
  the next entry: usage that the story sends later then stands later
- usage that was sent stands before a command: those of `PASSES_BARRIER` wait in the pipeline until it does, and before
  all others the runner waits for it
- usage alone waits for nothing: it is kept until a command or a due moment follows, and sent as one batch
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from billing.errors import BillingError
from streams.conformance.case import (
    Action,
    Cancel,
    Case,
    ChangePlan,
    InvalidCase,
    Moment,
    Pause,
    ReportUsage,
    Scenario,
    read_file,
)
from streams.conformance.compare import IssuedInvoice, compare
from streams.conformance.run import Result, Results, differences

PASSES_BARRIER: Final = (ChangePlan, Pause, Cancel)
"""Commands that end a usage window: the pipeline itself lets all usage that was sent before go first."""


class NotSettled(Exception):
    """The pipeline did not finish what a story gave it within the time allowed; the text says what it waited for."""


@dataclass(frozen=True, slots=True)
class SentUsage:
    """Usage of a story on its way, and when it occurred."""

    usage: ReportUsage
    occurred_at: datetime


class StoryTenant(Protocol):
    """The tenant of one story in a running pipeline, on a test clock.

    Every method may raise `BillingError` or `InvalidCase` where the story asks for what is refused, and `NotSettled`;
    any other error means that the pipeline can't be worked with, and ends the whole run.
    """

    async def send(self, usage: Sequence[SentUsage]) -> None:
        """Sends usage in this order, and returns once all of it is acknowledged."""

    async def arrived(self) -> None:
        """Returns once everything sent stands in the journal."""

    async def act(self, action: Action, at: datetime) -> None:
        """Moves the clock to `at`, where nothing is due any more, and does what the timeline says there."""

    async def advance(self, at: datetime) -> None:
        """Moves the clock to `at`."""

    async def settled(self) -> datetime | None:
        """Returns once nothing is due and every command is invoiced; what is told is when something falls due next."""

    async def invoices(self) -> Sequence[IssuedInvoice]:
        """Returns every invoice so far, in the order of their numbers."""

    async def credit(self) -> Mapping[str, str]:
        """Returns what credit customers have left, in major units."""


class Pipeline(Protocol):
    """A running pipeline."""

    async def tenant(self, code: str, scenario: Scenario) -> StoryTenant:
        """Makes a tenant with the story's catalogue and customers; its clock stands at the story's beginning."""


async def _nothing_refused(_tenant: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Course:
    """How the cases are run.

    Args:
        run: stands in every tenant's code, so that the same files can be run again.
        at_once: so many stories run side by side at most.
        progress: is called with the number of stories that are through, and of all of them.
        refusals: tells why the journal refused commands of a tenant, by its code, once they are all settled.
    """

    run: str
    at_once: int
    progress: Callable[[int, int], None] = lambda _done, _all: None
    refusals: Callable[[str], Awaitable[Sequence[str]]] = _nothing_refused


async def run_files_through(pipeline: Pipeline, paths: Sequence[Path], course: Course) -> Results:
    """Returns the results of every case of the files, in their order; all of them are read before the first runs.

    Scenarios run through the pipeline; cases of other kinds have no way through it, and run in process.

    Raises:
        InvalidCase: a file cannot be read; the text names file, case and field.
    """
    cases = [(path, case) for path in paths for case in read_file(path)]
    stories = [case for _, case in cases if isinstance(case, Scenario)]
    told = iter(await _run_all(pipeline, stories, course))

    def outcome(case: Case) -> tuple[str, ...]:
        return next(told) if isinstance(case, Scenario) else tuple(differences(case))

    return Results(tuple(Result(path, case.name, outcome(case)) for path, case in cases))


async def _run_all(pipeline: Pipeline, stories: Sequence[Scenario], course: Course) -> list[tuple[str, ...]]:
    places, through = asyncio.Semaphore(course.at_once), 0

    async def run(number: int, scenario: Scenario) -> tuple[str, ...]:
        nonlocal through
        async with places:
            found = await _differences(pipeline, course, f"conformance-{course.run}-{number}", scenario)
        through += 1
        course.progress(through, len(stories))
        return found

    course.progress(0, len(stories))
    tasks = [asyncio.create_task(run(number, scenario)) for number, scenario in enumerate(stories, 1)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _differences(pipeline: Pipeline, course: Course, code: str, scenario: Scenario) -> tuple[str, ...]:
    try:
        story = _Story(await pipeline.tenant(code, scenario))
        await story.run(scenario.timeline)
        if refused := await course.refusals(code):  # as in process, where the story ends there
            return tuple(f"refused: {why}" for why in refused)
        return tuple(compare(scenario.expect, story.invoices, await story.tenant.credit()))
    except (BillingError, InvalidCase) as error:
        return (f"refused: {error}",)
    except NotSettled as error:
        return (f"not settled: {error}",)


@dataclass(slots=True)
class _Story:
    """One timeline on its way through the pipeline. `invoices` are in the order of issue."""

    tenant: StoryTenant
    invoices: list[IssuedInvoice] = field(default_factory=list)
    _kept: list[SentUsage] = field(default_factory=list)
    _next_due: datetime | None = None

    async def run(self, timeline: Sequence[Moment]) -> None:
        for moment in timeline:
            if self._next_due is not None and self._next_due <= moment.at:
                await self._fall_due(moment.at)
            match moment.action:
                case None:
                    pass
                case ReportUsage() as usage:
                    self._kept.append(SentUsage(usage, usage.timestamp or moment.at))
                case command:
                    await self._act(command, moment.at)
        await self._send()
        if timeline:
            await self.tenant.advance(timeline[-1].at)  # credit is what it is worth at the story's end

    async def _fall_due(self, until: datetime) -> None:
        await self._send()
        await self.tenant.advance(until)
        await self._settle()

    async def _act(self, command: Action, at: datetime) -> None:
        await self._send()
        if not isinstance(command, PASSES_BARRIER):
            await self.tenant.arrived()
        await self.tenant.act(command, at)
        await self._settle()

    async def _send(self) -> None:
        if self._kept:
            await self.tenant.send(self._kept)
            self._kept = []

    async def _settle(self) -> None:
        """Takes the new invoices: what fell due at one instant is in the order of the subscriptions.

        Their numbers are not, where they are of several customers.
        """
        self._next_due = await self.tenant.settled()
        new = (await self.tenant.invoices())[len(self.invoices) :]
        self.invoices += sorted(new, key=lambda invoice: (invoice.issued_at, invoice.subscription))
