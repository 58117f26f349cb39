"""A redrive from its first look to its last commit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol

from schemas.letters import LetterId
from schemas.records import DeadLetter, DeadLetterRedriven
from streams.redrive.topic import LetterTopic
from streams.redrive.verdict import Candidate, Judge, Kept, PutBack

BATCH_LETTERS: Final = 500
BATCH_BYTES: Final = 4 << 20
"""A transaction is small, so that whoever reads `beaas.usage` never waits long for it."""


class Writer(Protocol):
    """Puts letters back, each with its marker, all of a batch or none."""

    def put_back(self, batch: list[PutBack], /) -> list[DeadLetterRedriven]:
        """Returns the markers once they are committed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the topic says of the letters that were asked for."""

    there: frozenset[LetterId]
    already: Mapping[LetterId, DeadLetterRedriven]
    """Those that were put back."""

    @property
    def waiting(self) -> frozenset[LetterId]:
        """Those that were not."""
        return self.there - self.already.keys()


@dataclass(slots=True)
class Report:
    """What became of the letters so far."""

    put_back: list[DeadLetterRedriven] = field(default_factory=list)
    would_go: list[PutBack] = field(default_factory=list)
    """On a dry run."""
    kept: list[Kept] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Letters of which all is said."""
        return len(self.put_back) + len(self.would_go) + len(self.kept)


def look(topic: LetterTopic, wanted: Iterable[LetterId]) -> Seen:
    """Returns which of the letters exist and which were put back, as of now.

    A marker stands in its letter's partition behind it, so the way from the first letter to the end passes all of them.

    Raises:
        LettersUnreadable: as the topic says.
    """
    asked = frozenset(wanted)
    there: set[LetterId] = set()
    already: dict[LetterId, DeadLetterRedriven] = {}
    for at, record in topic.records(_starts(asked)):
        match record:
            case DeadLetter() if at in asked:
                there.add(at)
            case DeadLetterRedriven():
                named = LetterId(record.letter_partition, record.letter_offset)
                if named in asked:
                    already.setdefault(named, record)
    return Seen(frozenset(there), already)


async def redrive(  # noqa: PLR0913 - what a run is given
    topic: LetterTopic,
    judge: Judge,
    writer: Writer | None,
    waiting: frozenset[LetterId],
    *,
    edited: Mapping[LetterId, bytes],
    report: Report,
    progress: Callable[[Report], None] = lambda _: None,
) -> None:
    """Every letter that may go back is back, batch by batch; `report` tells of what is committed, also where it raises.

    Args:
        topic: where the letters stand.
        judge: which of them may go.
        writer: who puts them back; None on a dry run.
        waiting: the letters; none of them has a marker, and nobody but this writer can make one.
        edited: values to put back in place of what the letters hold.
        report: is added to.
        progress: is told after each batch.

    Raises:
        RedriveFenced: another redrive began.
        RedriveFailed: Kafka refused a batch.
        LettersUnreadable: as the topic says.
    """
    for batch in _batches(topic, waiting):
        verdicts = await judge.verdicts([Candidate(at, letter, edited.get(at)) for at, letter in batch])
        going = [one for one in verdicts if isinstance(one, PutBack)]
        if writer is None:
            report.would_go += going
        elif going:
            report.put_back += writer.put_back(going)
        report.kept += [one for one in verdicts if isinstance(one, Kept)]
        progress(report)


def _batches(topic: LetterTopic, waiting: frozenset[LetterId]) -> Iterator[list[tuple[LetterId, DeadLetter]]]:
    batch: list[tuple[LetterId, DeadLetter]] = []
    size_bytes, left = 0, len(waiting)
    with closing(topic.records(_starts(waiting))) as records:
        for at, record in records:
            if at not in waiting or not isinstance(record, DeadLetter):
                continue
            letter_bytes = _size_bytes(record)
            if batch and (len(batch) >= BATCH_LETTERS or size_bytes + letter_bytes > BATCH_BYTES):
                yield batch
                batch, size_bytes = [], 0
            batch.append((at, record))
            size_bytes, left = size_bytes + letter_bytes, left - 1
            if not left:
                break
    if batch:  # also where a letter that was chosen is not there any more
        yield batch


def _size_bytes(letter: DeadLetter) -> int:
    headers = sum(len(one.key) + len(one.value or b"") for one in letter.headers)
    return len(letter.key or b"") + len(letter.value or b"") + headers


def _starts(asked: frozenset[LetterId]) -> dict[int, int]:
    starts: dict[int, int] = {}
    for partition, offset in asked:
        starts[partition] = min(offset, starts.get(partition, offset))
    return starts
