"""What a history tells: which usage was acknowledged when and where, and which commands took effect in what order."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.faults.history.log import Asked, Content, Line, Sent
from tests.oracle.numbers import instant


@dataclass(slots=True)
class Attempt:
    """One record that was handed to a producer; lines are counted from 0, and say what was before what."""

    number: int
    sent: Sent
    invoked: int
    outcome: str = ""
    place: tuple[int, int] | None = None
    """Partition and offset, where they were acknowledged."""
    acknowledged: int | None = None
    """In which line."""


@dataclass(slots=True)
class Effect:
    """Something that took effect on a tenant: asked for in line `invoked`."""

    asked: Asked
    at: datetime
    invoked: int
    answers: list[str] = field(default_factory=list)
    """Of each of its twins: how the last attempt ended."""


@dataclass(slots=True)
class TenantTold:
    """One tenant's effects in their order."""

    code: str
    document: dict[str, Any]
    effects: list[Effect]


@dataclass(slots=True)
class Told:
    """A history, read."""

    seed: int = -1
    ended: bool = False
    attempts: dict[int, Attempt] = field(default_factory=dict)
    tenants: dict[str, TenantTold] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    """Usage or commands whose last attempt nobody answered."""
    twice: list[Effect] = field(default_factory=list)
    """Commands that took effect more than once, as the system's answers say."""


def tell(lines: Iterable[Line]) -> Told:
    """Reads a history."""
    told = Told()
    asked: dict[int, tuple[Asked, int, int]] = {}
    ends: dict[int, tuple[str, int]] = {}
    firsts: dict[int, int] = {}
    for place, line in enumerate(lines):
        match line.e:
            case "begin":
                told.seed = line.n
            case "end":
                told.ended = True
            case "invoke" if line.sent is not None:
                told.attempts[line.n] = Attempt(line.n, line.sent, place)
                firsts[line.n] = line.first
            case "invoke":
                assert line.asked is not None
                asked[line.n] = line.asked, line.first, place
            case _ if line.n in told.attempts:
                _answer(told.attempts[line.n], line, place)
            case _:
                ends[line.n] = line.e, place
    _check_answered(told, firsts)
    _tell_effects(told, asked, ends)
    return told


def _answer(attempt: Attempt, line: Line, place: int) -> None:
    attempt.outcome = line.e
    if line.e == "ok":
        attempt.place, attempt.acknowledged = (line.partition, line.offset), place


def _check_answered(told: Told, firsts: dict[int, int]) -> None:
    known = {first for number, first in firsts.items() if told.attempts[number].outcome == "ok"}
    told.unanswered += [f"usage attempt {first}" for first in sorted({*firsts.values()} - known)]


def _tell_effects(told: Told, asked: dict[int, tuple[Asked, int, int]], ends: dict[int, tuple[str, int]]) -> None:
    """Attempts at the same thing, and twins, are one effect where one of them was `ok`."""
    answers: dict[int, str] = {}
    for number, (_, first, _) in asked.items():
        answer = ends.get(number, ("", 0))[0]
        # Refused after nobody knew: the attempt before it may well have been the one that took effect.
        answers[first] = "info" if answer == "fail" and answers.get(first) == "info" else answer
    by_tenant: dict[str, list[Effect]] = defaultdict(list)
    for number, (what, first, place) in asked.items():
        if number != first:
            continue
        effects = by_tenant[what.tenant]
        twin = next((one for one in reversed(effects) if _same(one.asked, what)), None) if what.twin else None
        if twin is None:
            twin = Effect(what, instant(what.at), place)
            effects.append(twin)
        twin.answers.append(answers[first])
    told.unanswered += [
        f"{one.asked.what} of {code}" for code, all_ in by_tenant.items() for one in all_ if "" in one.answers
    ]
    for code, effects in by_tenant.items():
        took = [one for one in effects if "ok" in one.answers or "info" in one.answers]
        if took:
            document = took[0].asked.document
            assert document is not None, f"the first thing that {code} is asked is no apply"
            told.tenants[code] = TenantTold(code, document, took)
        told.twice += [one for one in took if one.asked.what in _ONCE and one.answers.count("ok") > 1]


_ONCE = frozenset({"pause", "resume", "cancel"})


def _same(one: Asked, other: Asked) -> bool:
    return (one.what, one.tenant, one.at, one.subscription, one.customer, one.id, one.source) == (
        other.what,
        other.tenant,
        other.at,
        other.subscription,
        other.customer,
        other.id,
        other.source,
    )


__all__ = ["Attempt", "Content", "Effect", "TenantTold", "Told", "tell"]
