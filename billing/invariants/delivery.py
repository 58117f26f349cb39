"""I07, I08, I13, I18 and I19: what is written arrives, in order, readable, and soon."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from billing.invariants.finding import Finding

PUBLISHED_WITHIN_S: Final = 30
SETTLED_WITHIN_S: Final = 60
MOST_RESTARTS: Final = 3


class OutboxFact(NamedTuple):
    """An event by its id, in the outbox and on its topic."""

    tenant: str
    topic: str
    event: str
    in_outbox: bool
    published: int
    """How often it stands on its topic; a relay that crashed may repeat."""
    age_s: int
    """Since it was committed, or since the last fault was healed if that is later."""


def outbox_is_published(events: Iterable[OutboxFact], *, within_s: int = PUBLISHED_WITHIN_S) -> Iterator[Finding]:
    """I07: the outbox and the topics have the same ids; none waits for longer than `within_s`."""
    for event in events:
        subject = f"{event.topic} event {event.event}"
        if event.in_outbox and not event.published and event.age_s > within_s:
            detail = f"in the outbox for {event.age_s} s and not on the topic: is the relay running? See its slot"
            yield Finding("I07", event.tenant, subject, detail)
        if not event.in_outbox and event.published:
            detail = f"on the topic {event.published} times and never in the outbox: who else writes there?"
            yield Finding("I07", event.tenant, subject, detail)


class SequenceFact(NamedTuple):
    """A record of an aggregate; `sequence` is its place among the aggregate's events as they were written, from 1."""

    tenant: str
    topic: str
    aggregate: str
    event: str
    sequence: int


def aggregates_are_in_order(records: Iterable[SequenceFact]) -> Iterator[Finding]:
    """I08: of each aggregate the events stand in the order in which they were written, but for repeats.

    Args:
        records: those of one aggregate stand together, in the order of their topic.
    """
    for (tenant, topic, aggregate), found in groupby(records, key=itemgetter(0, 1, 2)):
        reached = 0
        for record in found:
            if record.sequence > reached + 1:
                detail = (
                    f"event {record.event} is number {record.sequence} of its aggregate and follows number {reached}: "
                    "what is between is lost or came later. Stop its consumers and rebuild the relay's slot"
                )
                yield Finding("I08", tenant, f"{topic} {aggregate}", detail)
            reached = max(reached, record.sequence)


class PositionFact(NamedTuple):
    """How far a consumer says that it is, and how far what it does has come."""

    consumer: str
    topic: str
    partition: int
    committed: int
    """The offset that it would go on with."""
    applied: int
    """The offset of the last record up to which every effect is there; -1 where there is none."""


def commits_follow_effects(positions: Iterable[PositionFact]) -> Iterator[Finding]:
    """I13: nobody's committed offset is beyond what he has done."""
    for position in positions:
        if position.committed > position.applied + 1:
            yield Finding(
                "I13",
                "",
                f"{position.consumer} on {position.topic}/{position.partition}",
                f"committed offset {position.committed}, and what offset {position.applied + 1} should have done is "
                "not there. Where PostgreSQL was restored to before Kafka, set the consumer back to that offset",
            )


class ReadFact(NamedTuple):
    """A record, whether it can be read, and the dead letter that names it, if there is one."""

    topic: str
    partition: int
    offset: int
    problem: str
    """Why it can't be read by its writer's schema; empty where it can."""
    cause: str | None
    """The dead letter's reason; None where there is no dead letter."""
    keeps_bytes: bool
    """Whether the dead letter holds the record's bytes as they were."""


def records_decode(records: Iterable[ReadFact]) -> Iterator[Finding]:
    """I18: a record can be read by its writer's schema, or is a dead letter with a cause, its place and its bytes."""
    for record in records:
        subject = f"{record.topic}/{record.partition}/{record.offset}"
        if record.cause is None:
            if record.problem:
                detail = f"can't be read ({record.problem}) and is no dead letter: whoever reads the topic stands still"
                yield Finding("I18", "", subject, detail)
            continue
        if not record.cause:
            yield Finding("I18", "", subject, "its dead letter gives no cause")
        if not record.keeps_bytes:
            yield Finding("I18", "", subject, f"its dead letter ({record.cause}) does not hold the bytes that it had")


class LagFact(NamedTuple):
    """Something that should catch up."""

    name: str
    behind: int
    unit: str
    """Of what it is behind: records, commands, bytes, ticks."""
    waited_s: int
    """How long the oldest has waited, or since the last fault was healed if that is later."""
    allowed_s: int = SETTLED_WITHIN_S


class RestartFact(NamedTuple):
    """A start of a process other than its first."""

    process: str
    at_s: int


def everything_settles(lags: Iterable[LagFact], restarts: Iterable[RestartFact] = ()) -> Iterator[Finding]:
    """I19: nothing is behind for longer than allowed, and no process is started more than 3 times in 60 s.

    Args:
        lags: as they are now.
        restarts: those of one process stand together, in their order.
    """
    for lag in lags:
        if lag.behind and lag.waited_s > lag.allowed_s:
            detail = f"{lag.behind} {lag.unit} behind, the oldest for {lag.waited_s} s: does its process run?"
            yield Finding("I19", "", lag.name, detail)
    for process, starts in groupby(restarts, key=itemgetter(0)):
        recent: deque[int] = deque()
        for start in starts:
            recent.append(start.at_s)
            while start.at_s - recent[0] >= SETTLED_WITHIN_S:
                recent.popleft()
            if len(recent) > MOST_RESTARTS:
                detail = f"started {len(recent)} times within {SETTLED_WITHIN_S} s: see its log for the first error"
                yield Finding("I19", "", process, detail)
                break
