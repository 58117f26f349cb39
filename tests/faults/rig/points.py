"""Named points in a role's life: the one that is armed is where its process dies, or stands still until it is let go.

The product has no hook for this. The role runs through `role.py`, which wraps the product's own seams. What is armed
stands in a file, so that a point can be armed while the role runs, and a restarted role is not struck again.
"""

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn, assert_never

import msgspec

DIRECTORY: Final = "BEAAS_FAULTS_DIR"
_LOOK_AGAIN_S: Final = 0.02


class Action(StrEnum):
    """What happens at an armed point."""

    KILL = "kill"
    HOLD = "hold"


class Armed(msgspec.Struct, frozen=True):
    """A point, what happens there, and how often it is passed before."""

    point: str
    action: Action = Action.KILL
    passages: int = 0


TAKEOVER: Final = ("takeover.fenced", "takeover.restored")
"""Passed only when partitions are taken over: whoever arms one makes the role start."""
OFTEN: Final = ("flush.begun", "flush.sent", "flush.committed", "store.written", "group.committed")
"""Passed many times a second under load, so that any passage may be the one."""
POINTS: Final = {
    "intake": (*TAKEOVER, *OFTEN),
    "rating": (*TAKEOVER, *OFTEN),
    "sinks": (*TAKEOVER, *OFTEN, "sink.before-commit", "sink.committed"),
    "relay": ("relay.read", "relay.published", "relay.confirmed"),
    "scheduler": ("due.before-commit", "due.committed", "noted", "release.before-commit", "release.committed"),
}
"""Every point by role, in the order in which one life passes them."""


class Points:
    """The points of this process, as its directory arms them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._armed_at, self._armed, self._passed = 0, Armed(""), 0

    async def reach(self, point: str) -> None:
        """Goes on, unless this is the armed point."""
        armed = self._look()
        if armed is None or armed.point != point:
            return
        self._passed += 1
        if self._passed <= armed.passages:
            return
        (self._directory / "armed").rename(self._directory / "struck")
        match armed.action:
            case Action.KILL:
                _die()
            case Action.HOLD:
                await self._released()
            case _:
                assert_never(armed.action)

    def _look(self) -> Armed | None:
        file = self._directory / "armed"
        try:
            changed_at = file.stat().st_mtime_ns
            if changed_at != self._armed_at:
                self._armed, self._passed = msgspec.json.decode(file.read_bytes(), type=Armed), 0
                self._armed_at = changed_at
        except FileNotFoundError:
            return None
        return self._armed

    async def _released(self) -> None:
        go = self._directory / "go"
        while not go.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(_LOOK_AGAIN_S)
        go.unlink()


class Trigger:
    """Arms the points of another process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def arm(self, armed: Armed) -> None:
        """The next process that passes the point is struck there, once."""
        self.disarm()
        staged = self._directory / "armed.new"
        staged.write_bytes(msgspec.json.encode(armed))
        staged.replace(self._directory / "armed")

    def disarm(self) -> None:
        """No point is armed, and nobody is held."""
        for name in ("armed", "struck", "go"):
            (self._directory / name).unlink(missing_ok=True)

    @property
    def struck(self) -> bool:
        """Whether the point was reached."""
        return (self._directory / "struck").exists()

    def let_go(self) -> None:
        """Whoever stands at the point goes on."""
        (self._directory / "go").touch()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes on")
