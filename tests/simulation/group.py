"""A consumer group's coordinator: who owns which partition, and who has been silent for too long."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.world import Process, World


@dataclass(slots=True, eq=False)
class Member:
    """One instance in the group: its process, in which incarnation, and what tells it that it has to join again."""

    process: Process
    start: int
    rebalance: Callable[[], None]

    @property
    def lives(self) -> bool:
        """Whether this incarnation runs (a stalled one does)."""
        return self.process.alive and self.process.starts == self.start


@dataclass(slots=True)
class Group:
    """The members of one application, by their static names.

    Members ask to join at their start and after each call of their `rebalance`, having given up what they had. When all
    have asked, or too much time is over, everyone who has gets his part. Who has not is out, and knows nothing of it.
    """

    world: World
    partitions: int
    session_s: float
    rebalance_s: float
    generation: int = 0
    assignment: dict[str, list[int]] = field(default_factory=dict)
    _members: dict[str, Member] = field(default_factory=dict)
    _joined: dict[str, Member] = field(default_factory=dict)
    _changing: bool = False

    def join(self, name: str, member: Member) -> int:
        """The instance wants a part; returns the generation that it waits to see passed.

        One that comes back before its silence was noticed gets its part back, and nobody else is disturbed.
        """
        known = self._members.get(name)
        is_back = known is not None and not known.lives
        if is_back and not self._changing and name in self.assignment:
            self._members[name] = member
            return self.generation - 1
        self._joined[name] = member
        self._change()
        return self.generation

    def is_member(self, name: str, generation: int) -> bool:
        """Whether the instance belongs to the group as it is now."""
        return generation == self.generation and name in self._members

    def leave(self, name: str) -> None:
        """The instance has gone in good order."""
        self._members.pop(name, None)
        self._joined.pop(name, None)
        self.assignment.pop(name, None)
        self._change()

    def silent(self, name: str, process: Process) -> None:
        """Nothing is heard of an instance from now on: after the session's time it is out."""
        since = process.silences

        def expire() -> None:
            member = self._members.get(name)
            if process.silences == since and process.is_silent and member is not None:
                self.world.note(f"{name} is out of its group")
                self.leave(name)
                self._tell_removed(member)

        self.world.after(self.session_s, expire)

    def _tell_removed(self, member: Member) -> None:
        """A zombie hears that it is out from the answer to a heartbeat, some time after it wakes up."""
        if not member.lives:
            return
        if member.process.awake:
            member.rebalance()
        else:
            self.world.after(self.session_s / 4, lambda: self._tell_removed(member))

    def shake(self) -> None:
        """A rebalance for no reason, as there are some in practice."""
        if self._members and not self._changing:
            self._change()

    def _change(self) -> None:
        if not self._changing:
            self._changing = True
            generation = self.generation
            self.world.after(self.rebalance_s, lambda: self._finish(generation))
            for name, member in list(self._members.items()):
                if name not in self._joined:
                    self.world.after(0.0, member.rebalance)
        if all(name in self._joined for name in self._members):
            self.world.after(0.0, lambda generation=self.generation: self._finish(generation))  # type: ignore[misc]

    def _finish(self, generation: int) -> None:
        if not self._changing or generation != self.generation:
            return
        waiting = {name: member for name, member in self._joined.items() if member.lives}
        self._changing, self._members, self._joined = False, waiting, {}
        self.generation += 1
        names = sorted(waiting)
        if self.world.shuffled:
            self.world.random.shuffle(names)
        self.assignment = {name: [] for name in names}
        for partition in range(self.partitions if names else 0):
            self.assignment[names[partition % len(names)]].append(partition)
        self.world.note(f"generation {self.generation}: {self.assignment}")
