"""Who is behind, and for how long (I13, I19): consumer groups, the relay's slots, commands, the scheduler."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from billing.invariants import LagFact, PositionFact
from connectors.audit.verdicts import Examination
from connectors.kafka.scan import Kafka, Place, Span
from connectors.postgres.pool import Pool
from connectors.postgres.queries import audit as queries
from connectors.relay.errors import SlotBusy
from connectors.relay.slots import SlotHealth, SlotState, connect, inspect_slot, oldest_unconfirmed_s, shard_of

_POSITION_KEY: Final = b"\x00position"  # as the batch transport writes it, last in every flush
_TAIL: Final = 4  # a flush ends with its position and the mark of its transaction


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group of ours: the topic that it reads, and the changelog that names its position."""

    name: str
    source: str
    changelog: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a group is, by its own changelog and by what it has committed; a partition that is missing: nowhere."""

    group: Group
    positions: Mapping[Place, int]
    committed: Mapping[Place, int]

    def position(self, partition: int) -> int:
        """Returns the offset that it goes on with; 0 where it has not begun."""
        return self.positions.get(Place(self.group.source, partition), 0)


def standing(kafka: Kafka, group: Group) -> Standing:
    """Returns how far the group is; what it has committed is asked for first, as it may only stay behind."""
    known = kafka.partitions()
    sources = [Place(group.source, partition) for partition in known.get(group.source, [])]
    changelogs = [Place(group.changelog, partition) for partition in known.get(group.changelog, [])]
    committed = kafka.committed(group.name, sources) if sources else {}
    positions = {Place(group.source, at): position for at, position in _last_positions(kafka, changelogs).items()}
    return Standing(group, positions, committed)


def _last_positions(kafka: Kafka, changelogs: Sequence[Place]) -> dict[int, int]:
    """The position that each partition of a changelog ends with.

    Behind it there may be flushes of any length that were aborted, so ever longer stretches are looked at, back to the
    beginning.
    """
    found: dict[int, int] = {}
    left = list(kafka.spans(changelogs).values()) if changelogs else []
    length = _TAIL
    while left:
        stretches = [Span(place, max(start, end - length), end) for place, start, end in left]
        for records in kafka.scan(stretches):
            for record in records:
                value = record.value()
                if record.key() == _POSITION_KEY and isinstance(value, bytes):
                    found[record.partition() or 0] = int.from_bytes(value, "big")
        left = [
            Span(whole.place, whole.start, stretch.start)
            for whole, stretch in zip(left, stretches, strict=True)
            if whole.place.partition not in found and whole.start < stretch.start
        ]
        length *= 2
    return found


def position_facts(one: Standing) -> Iterator[PositionFact]:
    """Yields what a group has committed beside the position that its state names."""
    for place, offset in one.committed.items():
        applied = one.position(place.partition) - 1
        yield PositionFact(one.group.name, place.topic, place.partition, offset, applied)


def group_lag(kafka: Kafka, one: Standing, ends: Mapping[Place, Span], now: datetime) -> LagFact:
    """Returns how far a group is behind the end of its source; ends of transactions are nothing to read.

    What a transaction that does not end keeps from the group is not before the ends that it sees, and counts too.
    """
    sources = [span for place, span in ends.items() if place.topic == one.group.source]
    behind = [Span(span.place, max(span.start, one.committed.get(span.place, 0)), span.end) for span in sources]
    held = kafka.held_back([span.place for span in sources])
    readable_ms, held_ms = kafka.first_ms(behind), kafka.first_ms(held.values(), committed=False)
    late = [span for span in behind if span.place in readable_ms] + [held[place] for place in held_ms]
    first_ms = [*readable_ms.values(), *held_ms.values()]
    waited_s = int(now.timestamp()) - min(first_ms, default=0) // 1000
    records = sum(span.end - span.start for span in late)
    name = f"group {one.group.name} on {one.group.source}{_held_at([held[place] for place in held_ms])}"
    return LagFact(name, records, "records", waited_s if records else 0)


def allowed(lags: Iterable[LagFact], within_s: int | None) -> list[LagFact]:
    """Returns the lags with the time that was given, or with their own where none was.

    What may not be behind at all, since it does not catch up by itself, still may not.
    """
    if within_s is None:
        return list(lags)
    return [lag._replace(allowed_s=within_s if lag.allowed_s else 0) for lag in lags]


def missing_topics(known: Mapping[str, Sequence[int]], names: Iterable[str]) -> list[LagFact]:
    """Returns the topics that are not there: by what stands on them nobody would be behind."""
    hint = "which Kafka does not have: restore it, or if it was never made, run beaas setup"
    return [LagFact(f"topic {name}, {hint}", 1, "topics", 1, allowed_s=0) for name in names if name not in known]


def missing_changelogs(known: Mapping[str, Sequence[int]], standings: Iterable[Standing]) -> list[LagFact]:
    """Returns the changelogs that are not there of groups that have committed something; the others make them yet."""
    hint = "which Kafka does not have: restore it before its worker starts again"
    return [
        LagFact(f"changelog {one.group.changelog} of group {one.group.name}, {hint}", 1, "topics", 1, allowed_s=0)
        for one in standings
        if one.committed and one.group.changelog not in known
    ]


def _held_at(held: Sequence[Span]) -> str:
    if not held:
        return ""
    places = ", ".join(f"{span.place.partition}/{span.start}" for span in sorted(held))
    return f" (an open or unfinished transaction holds readers back at {places})"


async def slot_lags(url: str, prefix: str, shards: int, now: datetime, examination: Examination) -> None:
    """The relay's slots are among the lags; one that is lost or missing has lost its place for ever."""
    async with await connect(url) as connection:
        for number in range(shards):
            shard = shard_of(prefix, number)
            health = await inspect_slot(connection, shard)
            waited_s = 0
            if health.state is SlotState.IDLE:
                try:
                    oldest_s = await oldest_unconfirmed_s(connection, shard)
                    waited_s = 0 if oldest_s is None else int(now.timestamp() - oldest_s)
                except SlotBusy:
                    pass  # a relay took it this moment
            examination.lags.append(_slot_lag(health, waited_s))
            if health.safe_wal_size_bytes is not None:
                examination.notes.append(
                    f"slot {health.slot}: in danger once {health.safe_wal_size_bytes} more bytes of log are written"
                )


def _slot_lag(health: SlotHealth, waited_s: int) -> LagFact:
    name = f"relay slot {health.slot} ({health.state.value}"
    name += f", {health.reason})" if health.reason else ")"
    if not health.is_usable:
        return LagFact(name, 1, "slot", 1, allowed_s=0)
    # A slot that is read may hold a little log of other tables; an event in it that waits is found by I07.
    return LagFact(name, health.lag_bytes if waited_s else 0, "bytes", waited_s)


async def command_lags(pool: Pool, now: datetime, close_grace: timedelta, examination: Examination) -> None:
    """Waiting commands and what is due are among the lags."""
    async with pool.connection() as connection:
        found = await queries.audited_commands(connection, real_now=now - close_grace)
    assert found is not None
    lags = [
        LagFact(
            "commands that wait for intake or the scheduler",
            found.unreleased,
            "commands",
            _age_s(found.unreleased_at, now),
        ),
        LagFact("commands released and not invoiced", found.unsettled, "commands", _age_s(found.unsettled_at, now)),
        # Of test clocks nobody knows since when something is due: it is, once nobody works at it.
        LagFact(
            "subscriptions with something due", found.due, "subscriptions", _age_s(found.due_at, now + close_grace)
        ),
    ]
    if (found.due or found.unreleased) and not found.leads:
        lags.append(LagFact("scheduler: none leads", found.due + found.unreleased, "things", 1, allowed_s=0))
    examination.lags += lags
    if found.ticked_at is not None:
        examination.notes.append(f"the scheduler's last tick is {_age_s(found.ticked_at, now)} s old")
    examination.notes.append("a scheduler leads" if found.leads else "no scheduler leads: nothing will fall due")


def _age_s(at: datetime | None, now: datetime) -> int:
    return 0 if at is None else max(0, (now - at.astimezone(UTC)) // timedelta(seconds=1))
