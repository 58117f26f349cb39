"""Whether a dead letter may go back, and where to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas import topics
from schemas.letters import LetterId
from schemas.records import DeadLetter
from schemas.topics import Topic
from streams.agents.intake import IntakeFold, IntakePlan
from streams.batching.batch import Record
from streams.redrive.reasons import BY_CODE, Cure

OUR_OWN: Final = (topics.STATEMENTS, topics.USAGE_TOTALS)
"""What beaas writes and its sinks could not read: writing a statement or a total again changes nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A letter, and the value that goes back in its place where one is given."""

    id: LetterId
    letter: DeadLetter
    edited: bytes | None = None

    @property
    def value(self) -> bytes | None:
        """What would go back."""
        return self.letter.value if self.edited is None else self.edited


@dataclass(frozen=True, slots=True)
class PutBack:
    """A letter that goes back to a topic; partition None: wherever its key belongs."""

    candidate: Candidate
    value: bytes
    topic: str
    partition: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that does not go back, and why."""

    id: LetterId
    why: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Says of each letter what may become of it."""

    intake: IntakePlan
    """As intake runs: what it would refuse again is not put back."""
    prefix: str
    force: bool = False

    async def verdicts(self, candidates: Sequence[Candidate]) -> list[PutBack | Kept]:
        """Returns a verdict for each candidate, in their order."""
        again = await self._refused_again([one for one in candidates if one.value is not None])
        return [self._verdict(one, again.get(one.id)) for one in candidates]

    def _verdict(self, one: Candidate, again: str | None) -> PutBack | Kept:
        source, value = one.letter.source_topic, one.value
        why = self._why_not(one, again)
        if why is not None:
            return Kept(one.id, why)
        assert value is not None
        if source in {self._name(topics.USAGE), self._name(topics.JOURNAL)}:
            return PutBack(one, value, self._name(topics.USAGE), None)
        return PutBack(one, value, source, one.letter.source_partition)

    def _why_not(self, one: Candidate, again: str | None) -> str | None:  # noqa: PLR0911 - one for each kind
        letter, value = one.letter, one.value
        family = BY_CODE.get(letter.reason)
        if value is None:
            return "it has no value: there is nothing to put back"
        if family is not None and family.cure is Cure.NEVER and one.edited is None:
            return f"{letter.reason}: {family.remedy}"
        entrance = topics.USAGE
        if letter.source_topic == self._name(topics.JOURNAL):
            if again is not None:
                return f"it is no usage ({again}); what wrote it has to be done again"
        elif letter.source_topic == self._name(topics.USAGE):
            if again is not None and not self.force:
                return f"intake would refuse it again, {again}; --force puts it back all the same"
        else:
            found = next((topic for topic in OUR_OWN if self._name(topic) == letter.source_topic), None)
            if found is None:
                return f"nothing is put back to {letter.source_topic}"
            if one.edited is not None:
                return f"only usage goes back with another value, and this is of {found.name}"
            if not self.force:
                return f"beaas wrote it to {found.name}: upgrade what could not read it, then put it back by --force"
            entrance = found
        most = entrance.largest_value_bytes
        return None if len(value) <= most else f"{len(value)} bytes; {entrance.name} takes {most}"

    async def _refused_again(self, candidates: Sequence[Candidate]) -> dict[LetterId, str]:
        """Returns why intake would refuse them: intake's own fold is asked."""
        fold = IntakeFold(self.intake)
        await fold.fold([_as_record(one) for one in candidates])
        refused = {}
        for one, outgoing in zip(candidates, fold.flush().outcomes, strict=True):
            if outgoing.topic == self.intake.dead_letters.topic:
                refused[one.id] = self._said(outgoing.value)
        return refused

    def _said(self, payload: bytes | None) -> str:
        assert payload is not None
        letter = self.intake.codec.decode(payload)
        assert isinstance(letter, DeadLetter)
        return f"{letter.reason}: {letter.detail}"

    def _name(self, topic: Topic) -> str:
        return topic.full_name(self.prefix)


def _as_record(one: Candidate) -> Record:
    """Returns the record as the transport would hand it to intake."""
    letter = one.letter
    return Record(
        topic=letter.source_topic,
        partition=letter.source_partition,
        offset=letter.source_offset,
        key=letter.key,
        value=one.value,
        timestamp=0,
    )
