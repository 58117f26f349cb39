"""Runs on one set of servers: each with a fleet, topics and a database of its own."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.history.generator import Generator
from tests.faults.levers.catalogue import Fault
from tests.faults.rig.fleet import Size
from tests.faults.rig.judge import judge
from tests.faults.rig.links import Links
from tests.faults.rig.plan import Plan
from tests.faults.rig.report import Report
from tests.faults.rig.run import Bounds, Run
from tests.faults.rig.servers import ServersWithDoors
from tests.faults.rig.site import servers_with_links, site


@dataclass(frozen=True, slots=True)
class Session:
    """Servers and links that several runs may use, one after the other."""

    servers: ServersWithDoors
    links: Links
    size: Size
    directory: Path

    async def run(  # noqa: PLR0913 - what a run is made of, each named at the call
        self,
        plan: Plan,
        faults: Sequence[Fault],
        *,
        rate_per_s: float,
        plant: str = "",
        tell: Callable[[str], None] = lambda _: None,
        bounds: Bounds | None = None,
    ) -> Report:
        """Carries a plan out and returns what was seen."""
        name = f"faults-{plan.seed}{'-' * bool(plant)}{plant}"
        directory = self.directory / name
        directory.mkdir(parents=True)
        history = directory / "history.jsonl"
        async with site(self.servers, self.links, self.size, directory, f"{name}.", plant=plant) as place:
            tell("all roles are ready")
            load = Generator(place.environment.variables, history, seed=plan.seed, rate=rate_per_s)
            try:
                run = Run(plan, faults, place, load, judge, history, rate_per_s, tell, bounds or Bounds())
                return await run()
            finally:
                await load.close()


@asynccontextmanager
async def session(directory: Path, size: Size) -> AsyncIterator[Session]:
    """The servers run while the block does."""
    async with servers_with_links(directory / "servers", size) as (servers, links):
        yield Session(servers, links, size, directory)
