"""The runner through a pipeline gives the journal the timeline's order, even where everything takes its time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from streams.conformance import Scenario, read_file, run_files
from streams.conformance.case import Action
from streams.conformance.compare import IssuedInvoice
from streams.conformance.pipeline import PASSES_BARRIER, Course, SentUsage, run_files_through
from streams.conformance.story import Story

HERE = Path(__file__).parent
STORIES = [path for path in sorted(HERE.glob("*/*.yaml")) if isinstance(read_file(path)[0], Scenario)]

USAGE_BEFORE_A_COMMAND = """
kind: scenario
cases:
- name: late usage stands on the invoice of a change of quantity that comes after it
  tenant: {currency: USD}
  catalog:
    meters: [{code: calls, event: call, aggregation: count}]
    plans:
    - code: p
      billing_period: P28D
      prices:
      - {code: fee, type: recurring, amount: '28.00'}
      - {code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '1'}
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p}}
  - {at: '2026-02-01T00:00:00Z', usage: {id: a, customer: c1, event: call, timestamp: '2026-01-20T00:00:00Z'}}
  - {at: '2026-02-12T00:00:00Z', change_quantity: {subscription: s1, price: fee, quantity: '2'}}
  expect:
    invoices:
    - {total: '28.00'}
    - {total: '28.00'}
    - {total: '15.00', lines: [{kind: adjustment, amount: '1.00'}, {amount: '-14.00'}, {amount: '28.00'}]}
"""
USAGE_AFTER_A_COMMAND = """
kind: scenario
cases:
- name: usage of a period that is closed is late
  tenant: {currency: USD}
  catalog:
    meters: [{code: calls, event: call, aggregation: count}]
    plans:
    - code: p
      billing_period: P1M
      prices: [{code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '1'}]
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p}}
  - {at: '2026-02-01T00:00:00Z', usage: {id: a, customer: c1, event: call, timestamp: '2026-01-20T00:00:00Z'}}
  - {at: '2026-02-02T00:00:00Z', cancel: {subscription: s1}}
  expect:
    invoices:
    - {total: '0.00'}
    - {total: '1.00', lines: [{adjustment: true, quantity: '1'}, {quantity: '0'}]}
"""


class SlowTenant:
    """Works as late as a pipeline may, in memory: usage arrives when it must, and commands when they are waited for."""

    def __init__(self, scenario: Scenario) -> None:
        self.story = Story(scenario)
        self.on_the_way: list[SentUsage] = []
        self.accepted: list[tuple[Action, datetime]] = []
        self.clock: datetime | None = None

    async def send(self, usage: Sequence[SentUsage]) -> None:
        """Takes it on its way."""
        self.on_the_way += usage

    async def arrived(self) -> None:
        """Lets all of it arrive."""
        for one in self.on_the_way:
            self.story._act(msgspec.structs.replace(one.usage, timestamp=one.occurred_at), one.occurred_at)
        self.on_the_way = []

    async def act(self, action: Action, at: datetime) -> None:
        """Takes a command, which acts later."""
        self.accepted.append((action, at))

    async def advance(self, at: datetime) -> None:
        """Moves the clock; what is due falls due later."""
        self.clock = at

    async def settled(self) -> datetime | None:
        """Does all that was taken, commands without a barrier before the usage that is still on its way."""
        if self.clock is not None and self.story._next(self.clock) is not None:
            await SlowTenant.arrived(self)  # the barrier of a close
            self.story._fall_due(self.clock)
        for action, at in self.accepted:
            if isinstance(action, PASSES_BARRIER):
                await SlowTenant.arrived(self)
            self.story._act(action, at)
        self.accepted = []
        return min((running.due.at for running in self.story._running.values() if running.due), default=None)

    async def invoices(self) -> Sequence[IssuedInvoice]:
        """As the port says."""
        return self.story.invoices

    async def credit(self) -> Mapping[str, str]:
        """As the port says."""
        return self.story.credit()


class Overtaken(SlowTenant):
    """Plants a runner that does not wait until usage has arrived."""

    async def arrived(self) -> None:
        """Leaves it on the way."""


class Unsettled(SlowTenant):
    """Plants a runner that does not wait until what fell due is invoiced."""

    async def send(self, usage: Sequence[SentUsage]) -> None:
        """Lets it arrive before what was taken earlier."""
        await super().send(usage)
        await SlowTenant.arrived(self)

    async def settled(self) -> datetime | None:
        """Settles behind the runner's back, when the next thing comes."""
        due = min((running.due.at for running in self.story._running.values() if running.due), default=None)
        if self.clock is None or due is None or due > self.clock:
            return await super().settled()
        return due


class InMemory:
    """A pipeline of tenants of one kind."""

    def __init__(self, kind: type[SlowTenant] = SlowTenant) -> None:
        self.kind = kind
        self.codes: list[str] = []

    async def tenant(self, code: str, scenario: Scenario) -> SlowTenant:
        """As the port says."""
        self.codes.append(code)
        return self.kind(scenario)


async def run(pipeline: InMemory, *paths: Path) -> str:
    return str(await run_files_through(pipeline, paths, Course(run="one", at_once=2)))


async def test_where_all_of_it_is_late_every_story_comes_to_what_it_comes_to_in_process() -> None:
    results = await run_files_through(InMemory(), STORIES, Course(run="one", at_once=3))
    assert results == run_files(STORIES)
    assert results.passed >= 50


@pytest.mark.parametrize(("text", "planted"), [(USAGE_BEFORE_A_COMMAND, Overtaken), (USAGE_AFTER_A_COMMAND, Unsettled)])
async def test_a_runner_that_does_not_wait_is_found_out(tmp_path: Path, text: str, planted: type[SlowTenant]) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(text)
    assert (await run(InMemory(), path)).endswith("1 passed, 0 failed")
    assert (await run(InMemory(planted), path)).endswith("0 passed, 1 failed")


async def test_every_story_has_a_tenant_of_its_own_and_results_stand_in_the_order_of_the_files(tmp_path: Path) -> None:
    paths = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    paths[0].write_text(USAGE_BEFORE_A_COMMAND)
    paths[1].write_text(USAGE_AFTER_A_COMMAND)
    pipeline = InMemory()
    prices = HERE / "norm" / "periods.yaml"
    told = await run(pipeline, paths[0], prices, paths[1])
    assert pipeline.codes == ["conformance-one-1", "conformance-one-2"]
    lines = told.splitlines()
    assert lines[0].startswith("ok     first.yaml: late usage")
    assert lines[-2].startswith("ok     second.yaml: usage of")
    assert lines[-1] == f"{2 + len(read_file(prices))} passed, 0 failed"


async def test_what_a_story_is_refused_fails_its_case_alone_and_a_dead_pipeline_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(USAGE_AFTER_A_COMMAND.replace("subscription: s1}", "subscription: s9}"))
    told = await run(InMemory(), path, *STORIES[:1])
    assert "refused: there is no running subscription 's9'" in told
    assert told.endswith(f"{len(read_file(STORIES[0]))} passed, 1 failed")

    class Dead(SlowTenant):
        async def settled(self) -> datetime | None:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await run(InMemory(Dead), path)


async def test_what_the_journal_refused_of_a_story_fails_its_case_with_the_reason(tmp_path: Path) -> None:
    paths = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    for path, text in zip(paths, (USAGE_BEFORE_A_COMMAND, USAGE_AFTER_A_COMMAND), strict=True):
        path.write_text(text)

    async def refusals(tenant: str) -> list[str]:
        return ["the plan has no such price"] if tenant.endswith("-2") else []

    told = str(await run_files_through(InMemory(), paths, Course(run="one", at_once=2, refusals=refusals)))
    first, second, why, count = told.splitlines()
    assert (first.split()[0], second.split()[0], count) == ("ok", "FAILED", "1 passed, 1 failed")
    assert why.strip() == "refused: the plan has no such price"
