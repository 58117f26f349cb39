"""The faults that the bench knows, each with how it draws its targets; numbers as in the fault plan."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults.levers.database import (
    CutSessions,
    ExhaustConnections,
    FillPostgresDisk,
    KillPostmaster,
    LockTable,
    StopPostgres,
)
from tests.faults.levers.lever import Lever
from tests.faults.levers.network import CutRelayAfterPublish, Hurt, ResetStorm
from tests.faults.levers.processes import CrashAt, KillRole, LeaderStalled, MoveClocks, RollingRestart, Scale, Zombie
from tests.faults.levers.servers import FillKafkaDisk, FreezeBroker, KillBroker, KillRegistry
from tests.faults.rig.fleet import Size, role_of
from tests.faults.rig.points import OFTEN, POINTS
from tests.faults.rig.proxy import Mode, Way

AWAY_S: Final = 12.0
"""Longer than a session (6 s) and the rebalance after it: the survivors have taken over by then."""
_HOUR_S: Final = 3600
_SMALL_DISK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Drawn:
    """From what a strike draws its targets; its number is its place among the strikes of its fault."""

    seed: int
    random: Random
    size: Size
    number: int

    def member(self, *roles: str) -> str:
        """One member of these roles."""
        return self.random.choice([name for name in self.size.members() if role_of(name) in roles])

    def every(self, *roles: str) -> tuple[str, ...]:
        """All members of these roles."""
        return tuple(name for name in self.size.members() if role_of(name) in roles)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: how often it strikes in a run that names it once, and how long each strike lasts before it is healed."""

    id: str
    title: str
    lever: Callable[[Drawn], Lever] | None
    """None: it is in the load all the time."""
    hold_s: float = 0.0
    strikes: int = 1


def _crash_points(drawn: Drawn) -> Lever:
    """Point by point: as many strikes as the longest life has points pass each point of each role once."""
    offset = Random(f"{drawn.seed} {drawn.number // _MOST_POINTS}").randrange(_MOST_POINTS)
    chosen = ((role, points[(drawn.number + offset) % len(points)]) for role, points in POINTS.items())
    return CrashAt(tuple((role, point, drawn.random.randrange(3) * (point in OFTEN)) for role, point in chosen))


_MOST_POINTS: Final = max(map(len, POINTS.values()))


def _kill(drawn: Drawn) -> Lever:
    """In turn: started again at once, and kept away until others have taken over."""
    role = ("rating", "rating", "intake", "sinks", "relay", "scheduler")[drawn.number % 6]
    return KillRole(drawn.member(role), away_s=AWAY_S if drawn.number % 2 else 0.0)


def _clocks(drawn: Drawn) -> Lever:
    offset_s = (600, -600, 26 * _HOUR_S)[drawn.number % 3]
    roles = ("rating", "intake", "sinks", "relay", "scheduler")
    return MoveClocks(drawn.every(*drawn.random.sample(roles, 3)), offset_s)


def _slow_links(drawn: Drawn) -> Lever:
    match drawn.number % 3:
        case 0:
            return ResetStorm(each_s=3.0)
        case 1:
            return Hurt(
                ("kafka/", "postgres/"), Mode.DELAY, delay_s=0.3, jitter_s=0.05, seed=drawn.random.getrandbits(32)
            )
        case _:
            return Hurt(("kafka/", "postgres/"), Mode.SLICE, seed=drawn.random.getrandbits(32))


def _cut_one_side(drawn: Drawn) -> Lever:
    """A worker that sees one server and not the other, and links of which one half is dead."""
    member = drawn.member("sinks", "scheduler", "relay")
    match drawn.number % 4:
        case 0:
            return Hurt((f"kafka/{member}",), Mode.STALL)
        case 1:
            return Hurt((f"postgres/{member}",), Mode.STALL)
        case 2:
            return Hurt((f"kafka/{drawn.member('rating', 'intake')}",), Mode.STALL, Way.DOWN)
        case _:
            return Hurt((f"kafka/{drawn.member('rating', 'intake')}",), Mode.REFUSE)


FAULTS: Final = (
    Fault("F01", "kill -9 a role at random", _kill, strikes=4),
    Fault("F02", "kill -9 at each named crash point", _crash_points, strikes=_MOST_POINTS),
    Fault(
        "F03",
        "SIGSTOP beyond the session, then SIGCONT",
        lambda d: Zombie(d.member("rating", "intake", "sinks")),
        12.0,
        2,
    ),
    Fault("F04", "rolling restart of every role", lambda _: RollingRestart(tuple(POINTS))),
    Fault("F05", "scale 3 to 1 to 3 workers", lambda d: Scale(("rating", "intake", "sinks")[d.number % 3]), 10.0, 2),
    Fault("F06", "broker kill -9, back after 5 s", lambda _: KillBroker(), 5.0, 5),
    Fault("F07", "broker SIGSTOP 20 s", lambda _: FreezeBroker(), 20.0),
    Fault("F08", "broker's disk full", lambda _: FillKafkaDisk(_SMALL_DISK_BYTES), 10.0),
    Fault("F09", "PostgreSQL stop -m immediate", lambda _: StopPostgres(), 2.0, 5),
    Fault("F10", "SIGKILL of the postmaster while invoices are written", lambda _: KillPostmaster(), 1.0),
    Fault("F11", "a session terminated every 200 ms", lambda d: CutSessions(0.2, d.random.getrandbits(32)), 15.0),
    Fault("F12", "ACCESS EXCLUSIVE lock on invoices 30 s", lambda _: LockTable("beaas.invoices"), 30.0),
    Fault("F13", "connections exhausted", lambda _: ExhaustConnections(), 15.0),
    Fault("F14", "PostgreSQL's disk full", lambda _: FillPostgresDisk(_SMALL_DISK_BYTES), 10.0),
    Fault(
        "F15",
        "worker and broker stalled 30 s",
        lambda d: Hurt((f"kafka/{d.member('rating', 'intake')}",), Mode.STALL),
        30.0,
    ),
    Fault("F16", "relay cut off after the produce", lambda _: CutRelayAfterPublish(), 5.0, 2),
    Fault("F17", "reset storm; 300 ± 50 ms; single bytes", _slow_links, 15.0, 3),
    Fault("F18", "asymmetric cuts", _cut_one_side, 15.0, 4),
    Fault("F19", "two schedulers, the leader stalled", lambda _: LeaderStalled(), 5.0),
    Fault("F20", "clocks +10 min, -10 min, +26 h", _clocks, 8.0, 3),
    Fault("F21", "duplicates", None),
    Fault("F22", "shuffled and late usage", None),
    Fault("F23", "poison", None),
    Fault("F25", "registry down 60 s", lambda d: KillRegistry(d.member("rating", "intake")), 60.0),
)
"""All of them; F24 and F26 to F34 belong to tests of their own or to what does not exist yet (docs/faults.md)."""

BY_ID: Final = {fault.id: fault for fault in FAULTS}
