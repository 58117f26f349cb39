"""Links that stall, break, or are slow."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.levers.lever import Lever, until
from tests.faults.rig.points import Action, Armed
from tests.faults.rig.proxy import Mode, Setting, Way
from tests.faults.rig.site import Site

_REACHED_WITHIN_S = 180.0


@dataclass(slots=True)
class Hurt(Lever):
    """Links behave badly in one way until they are healed."""

    links: tuple[str, ...]
    """Their names, or what they begin with."""
    mode: Mode
    way: Way = Way.BOTH
    delay_s: float = 0.0
    jitter_s: float = 0.0
    seed: int = 0

    async def strike(self, site: Site) -> None:
        """They do."""
        for name in meant(site, self.links):
            await site.links.become(Setting(name, self.mode, self.way, self.delay_s, self.jitter_s, self.seed))

    async def heal(self, site: Site) -> None:
        """They pass again."""
        await site.links.heal(*meant(site, self.links))


@dataclass(slots=True)
class ResetStorm(Lever):
    """Every connection of every link is broken off, again and again."""

    each_s: float
    _storm: "asyncio.Task[None] | None" = field(default=None, repr=False)

    async def strike(self, site: Site) -> None:
        """It storms."""
        self._storm = asyncio.create_task(self._break(site))

    async def _break(self, site: Site) -> None:
        while True:
            for name in site.links.names:
                await site.links.become(Setting(name, Mode.RESET))
            await asyncio.sleep(self.each_s)

    async def heal(self, site: Site) -> None:
        """It is over."""
        if self._storm is not None:
            self._storm.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._storm
        await site.links.heal()


@dataclass(slots=True)
class CutRelayAfterPublish(Lever):
    """The relay has published and not yet confirmed when its link to PostgreSQL stalls; then the link is reset."""

    _held: str = field(default="", repr=False)

    async def strike(self, site: Site) -> None:
        """What was published can't be confirmed."""
        relays = site.fleet.of("relay")
        for name in relays:
            site.fleet.members[name].trigger.arm(Armed("relay.published", Action.HOLD))
        await until(
            lambda: any(site.fleet.members[name].trigger.struck for name in relays),
            "a relay to publish",
            _REACHED_WITHIN_S,
        )
        self._held = next(name for name in relays if site.fleet.members[name].trigger.struck)
        for name in relays:
            if name != self._held:
                site.fleet.members[name].trigger.disarm()
        await site.links.become(Setting(f"postgres/{self._held}", Mode.STALL))
        site.fleet.members[self._held].trigger.let_go()

    async def heal(self, site: Site) -> None:
        """Nothing of what stalled ever arrives."""
        await site.links.become(Setting(f"postgres/{self._held}", Mode.RESET))
        await site.links.heal(f"postgres/{self._held}")
        site.fleet.members[self._held].trigger.disarm()


def meant(site: Site, beginnings: Iterable[str]) -> list[str]:
    """The links whose names begin so, in their order."""
    return [name for name in site.links.names if name.startswith(tuple(beginnings))]
