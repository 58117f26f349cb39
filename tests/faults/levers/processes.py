"""Roles that die, stand still, come and go."""

import asyncio
from dataclasses import dataclass, field

from tests.faults.levers.lever import Lever, NotStruck, until
from tests.faults.rig.points import TAKEOVER, Action, Armed
from tests.faults.rig.site import Site

_REACHED_WITHIN_S = 180.0
_READY_WITHIN_S = 240.0

_LEADER = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('beaas.scheduler', 0)
"""


@dataclass(slots=True)
class KillRole(Lever):
    """kill -9 of a member, which is started again at once, or only after its partitions have gone to others."""

    member: str
    away_s: float
    _starts: int = field(default=0, repr=False)

    async def strike(self, site: Site) -> None:
        """It is dead."""
        self._starts = site.fleet.members[self.member].starts
        if self.away_s:
            site.fleet.forbid(self.member)
        site.fleet.kill(self.member)
        await asyncio.sleep(self.away_s)

    async def heal(self, site: Site) -> None:
        """It is back."""
        site.fleet.allow(self.member)
        await site.fleet.ready_again(self.member, self._starts, _READY_WITHIN_S)


@dataclass(slots=True)
class CrashAt(Lever):
    """Each role dies at one named point of its life, all roles at about the same time."""

    points: tuple[tuple[str, str, int], ...]
    """Role, point, and how often it is passed before."""

    async def strike(self, site: Site) -> None:
        """One member of each role has died exactly there."""
        await asyncio.gather(*(self._strike_one(site, *one) for one in self.points))

    async def _strike_one(self, site: Site, role: str, point: str, passages: int) -> None:
        members = site.fleet.of(role)
        for name in members:
            site.fleet.members[name].trigger.arm(Armed(point, Action.KILL, passages))
        if point in TAKEOVER:
            site.fleet.kill(members[0])
        try:
            await until(
                lambda: any(site.fleet.members[name].trigger.struck for name in members),
                f"{role} to reach {point}",
                _REACHED_WITHIN_S,
            )
        finally:
            for name in members:
                if not site.fleet.members[name].trigger.struck:
                    site.fleet.members[name].trigger.disarm()

    async def heal(self, site: Site) -> None:
        """Everybody is back."""
        for role, _, _ in self.points:
            for name in site.fleet.of(role):
                site.fleet.members[name].trigger.disarm()
        await site.fleet.ready(within_s=_READY_WITHIN_S)


@dataclass(slots=True)
class Zombie(Lever):
    """A member stands still for longer than its session lives, and then goes on as if nothing had been."""

    member: str

    async def strike(self, site: Site) -> None:
        """It stands still."""
        site.fleet.pause(self.member)

    async def heal(self, site: Site) -> None:
        """It has gone on, and found out or not."""
        site.fleet.resume(self.member)


@dataclass(slots=True)
class LeaderStalled(Lever):
    """The leading scheduler stands still, its session with the lock is cut, another leads, and then it goes on."""

    _stalled: str = field(default="", repr=False)

    async def strike(self, site: Site) -> None:
        """The other one leads."""
        leaders = [name for name in site.fleet.of("scheduler") if await self._leads(site, name)]
        if len(leaders) != 1:
            raise NotStruck(f"{len(leaders)} schedulers lead, not one")
        [self._stalled] = leaders
        site.fleet.pause(self._stalled)
        with site.postgres() as connection:
            if connection.execute(_LEADER).fetchone() is None:
                raise NotStruck("no session holds the scheduler's lock")
        others = [name for name in site.fleet.of("scheduler") if name != self._stalled]

        async def another_leads() -> bool:
            return any([await self._leads(site, name) for name in others])

        await until(another_leads, "another scheduler to lead", _REACHED_WITHIN_S)

    async def heal(self, site: Site) -> None:
        """The former leader goes on."""
        site.fleet.resume(self._stalled)

    @staticmethod
    async def _leads(site: Site, name: str) -> bool:
        return await site.fleet.metric(name, "beaas_scheduler_leads") == 1.0


@dataclass(slots=True)
class MoveClocks(Lever):
    """The wall clocks of processes jump, and later jump back."""

    members: tuple[str, ...]
    offset_s: int

    async def strike(self, site: Site) -> None:
        """Their clocks are off."""
        for name in self.members:
            directory = site.fleet.members[name].directory / "points"
            (directory / "clock").write_text(str(self.offset_s), encoding="ascii")

    async def heal(self, site: Site) -> None:
        """Their clocks are right."""
        for name in self.members:
            (site.fleet.members[name].directory / "points" / "clock").unlink(missing_ok=True)


@dataclass(slots=True)
class Scale(Lever):
    """All members of a role but one drain and stay away; then all come back."""

    role: str
    _away: list[str] = field(default_factory=list, repr=False)

    async def strike(self, site: Site) -> None:
        """One is left."""
        _, *self._away = site.fleet.of(self.role)
        await asyncio.gather(*(site.fleet.retire(name) for name in self._away))

    async def heal(self, site: Site) -> None:
        """All of them work."""
        for name in self._away:
            site.fleet.allow(name)
        await site.fleet.ready(self._away, _READY_WITHIN_S)


@dataclass(slots=True)
class RollingRestart(Lever):
    """Every member drains and is started again, one after the other of each role."""

    roles: tuple[str, ...]
    statuses: dict[str, int] = field(default_factory=dict, repr=False)

    async def strike(self, site: Site) -> None:
        """Every member has been restarted."""
        await asyncio.gather(*(self._roll(site, role) for role in self.roles))
        if badly := {name: status for name, status in self.statuses.items() if status}:
            raise AssertionError(f"did not drain when asked to: {badly}")

    async def _roll(self, site: Site, role: str) -> None:
        for name in site.fleet.of(role):
            starts = site.fleet.members[name].starts
            self.statuses[name] = await site.fleet.retire(name)
            site.fleet.allow(name)
            await site.fleet.ready_again(name, starts, _READY_WITHIN_S)
