"""A process whose wall clock can be moved from outside; its monotonic clock goes on as always."""

import datetime as dt
import time
from pathlib import Path
from types import ModuleType
from typing import Self

_LOOK_EACH_S = 0.2


class ShiftedClock:
    """Seconds by which this process's wall clock is off: what the file says, looked up a few times a second."""

    def __init__(self, file: Path) -> None:
        self._file, self._offset_s, self._looked_at = file, 0.0, float("-inf")
        self._true_time = time.time

    @property
    def offset_s(self) -> float:
        """How far off it is now."""
        if time.monotonic() - self._looked_at > _LOOK_EACH_S:
            self._looked_at = time.monotonic()
            try:
                self._offset_s = float(self._file.read_text(encoding="ascii"))
            except (FileNotFoundError, ValueError):
                self._offset_s = 0.0
        return self._offset_s

    def time(self) -> float:
        """As `time.time`."""
        return self._true_time() + self.offset_s

    def install(self, *modules: ModuleType) -> None:
        """`time.time`, and `datetime.now` as these modules know it, are off from now on."""
        clock = self

        class ShiftedDatetime(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Self:
                return super().now(tz) + dt.timedelta(seconds=clock.offset_s)

        vars(time)["time"] = self.time
        for module in modules:
            vars(module)["datetime"] = ShiftedDatetime
