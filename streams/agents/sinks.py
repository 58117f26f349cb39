"""The sinks: statements, totals and dead letters -> PostgreSQL, a batch a transaction.

A batch is written before its position is flushed, and every write is idempotent: after a crash the last batch is
written again and changes nothing. The batch transport carries them, not Faust's own streams, since those can lose an
event in a rebalance, and a lost statement would be a lost invoice (ADR 0004).
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from schemas.errors import UndecodableRecord
from streams.agents.deadletters import DeadLetters
from streams.batching.batch import Flush, Outgoing, Record

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """A place where facts stay; writing one again changes nothing."""

    async def write(self, facts: Sequence[T_contra], /) -> None:
        """All of them are committed, or none."""


class SinkFold(Generic[T]):
    """Writes each batch of one partition to a sink."""

    def __init__(self, read: Callable[[Record], T], sink: Sink[T], dead_letters: DeadLetters | None) -> None:
        self._read, self._sink, self._dead_letters = read, sink, dead_letters
        self._outgoing: list[Outgoing] = []

    async def fold(self, records: Sequence[Record]) -> None:
        """The batch is committed in the sink; a record that can't be read is a dead letter."""
        facts: list[T] = []
        for record in records:
            try:
                facts.append(self._read(record))
            except UndecodableRecord as error:
                if self._dead_letters is None:  # an unreadable dead letter stays in its topic: nothing would hold it
                    continue
                self._outgoing.append(self._dead_letters.of_record(record, error.reason, error.detail))
        if facts:
            await self._sink.write(facts)

    def flush(self) -> Flush:
        """Only dead letters go out: the facts are in the sink already."""
        outgoing, self._outgoing = self._outgoing, []
        return Flush(outcomes=outgoing)

    def flushed(self) -> None:
        """Nothing is kept."""
