"""How soon a killed worker's partitions are folded again, measured from beside it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from tests.faults.rig.fleet import role_of
from tests.faults.rig.standing import Watch

_LOOK_AGAIN_S: Final = 0.1
_WITHIN_S: Final = 60.0
_IDLE_S: Final = 15.0
_GROUPS: Final = {"rating": "rating", "intake": "intake", "sinks": "sink-usage-totals"}


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the kill until the partitions of the killed go on, and until their backlog is gone."""

    first_s: float | None
    caught_up_s: float | None

    def __str__(self) -> str:
        first = "no event of its partitions" if self.first_s is None else f"first event after {self.first_s:.1f} s"
        return f"{first}, " + (
            "never caught up" if self.caught_up_s is None else f"caught up after {self.caught_up_s:.1f} s"
        )


async def partitions_of(watch: Watch, member: str) -> tuple[str, set[int]]:
    """The group that a worker's role is measured by, and the partitions that it has there now."""
    group = _GROUPS.get(role_of(member), "")
    return group, (await watch.owned(group)).get(member, set()) if group else set()


async def measure(watch: Watch, group: str, partitions: set[int], began: float, rate_per_s: float) -> Recovery | None:
    """Watches the partitions of a worker that was killed at `began`; None: it had none, or only idle ones.

    Caught up means: behind by no more than a second's load.
    """
    before: dict[int, int] | None = None
    first_s: float | None = None
    while partitions and time.monotonic() - began < _WITHIN_S:
        await asyncio.sleep(_LOOK_AGAIN_S)
        if (found := await watch.lag(group)) is None:
            continue
        lag, now = found
        before = before or now  # nothing of a dead process comes any more
        if first_s is None and any(now.get(one, 0) > before.get(one, 0) for one in partitions):
            first_s = time.monotonic() - began
        if first_s is not None and sum(lag[one] for one in partitions) <= rate_per_s:
            return Recovery(first_s, time.monotonic() - began)
        if first_s is None and time.monotonic() - began > _IDLE_S and not any(lag[one] for one in partitions):
            return None  # no account of its partitions uses anything now
    return Recovery(first_s, None) if partitions else None
