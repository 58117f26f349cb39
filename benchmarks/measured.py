"""What one run came to."""

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """So many records in so many seconds, and how much of them the process itself was computing."""

    records: int
    wall_s: float
    cpu_s: float

    @property
    def per_wall_s(self) -> float:
        """Records per second."""
        return self.records / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Records per second of the process's CPU time, all its threads, user and system."""
        return self.records / self.cpu_s
