"""I14 and I20: a command works once however often it is given, and nothing runs away unseen."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from billing.invariants.finding import Finding


class Attempt(NamedTuple):
    """One time that a command was given."""

    content: bytes
    """What it said, or a digest of it."""
    answer: bytes | None
    """What it was answered, or a digest of it; None where it was refused as a conflict."""


class CommandFact(NamedTuple):
    """All that was given under one id, and how many effects it had."""

    tenant: str
    command: str
    attempts: tuple[Attempt, ...]
    effects: int


def repeats_change_nothing(commands: Iterable[CommandFact]) -> Iterator[Finding]:
    """I14: the same command again has the same answer and no second effect; with other content it is a conflict."""
    for command in commands:
        for problem in _unlike(command):
            yield Finding("I14", command.tenant, command.command, f"{problem}. Find what gave it the second time")


def _unlike(command: CommandFact) -> Iterator[str]:
    taken = [attempt for attempt in command.attempts if attempt.answer is not None]
    if (contents := len({attempt.content for attempt in taken})) > 1:
        yield f"{contents} different contents were taken under one id, in place of one and conflicts"
    elif (answers := len({attempt.answer for attempt in taken})) > 1:
        yield f"the same content was answered in {answers} different ways"
    if command.effects != (expected := int(bool(taken))):
        yield f"it had {command.effects} effects in place of {expected}"


class SizeFact(NamedTuple):
    """Something that has a safety bound."""

    tenant: str
    name: str
    size: int
    unit: str
    bound: int
    parked: bool = False
    """Whether it was held back for a person to look at."""


class DeadLetterFact(NamedTuple):
    """Dead letters of one reason."""

    tenant: str
    reason: str
    letters: int
    planted: int | None
    """How many there should be; None where nobody planted any, and they tell of others' mistakes."""
    own_fault: bool = False
    """Whether the reason says that beaas itself is wrong."""


def nothing_runs_away(sizes: Iterable[SizeFact], letters: Iterable[DeadLetterFact] = ()) -> Iterator[Finding]:
    """I20: nothing is above its safety bound unless it is parked, and the only dead letters are those of bad usage."""
    for size in sizes:
        if size.size > size.bound and not size.parked:
            detail = f"{size.size} {size.unit}, and {size.bound} are the bound: look at it before it is paid"
            yield Finding("I20", size.tenant, size.name, detail)
    for dead in letters:
        planted = 0 if dead.own_fault and dead.planted is None else dead.planted
        if planted is not None and dead.letters != planted:
            detail = f"{dead.letters} dead letters in place of {planted}: beaas dlq list --reason {dead.reason}"
            yield Finding("I20", dead.tenant, f"dead letters: {dead.reason}", detail)
