"""A record without a value is a dead letter of whoever reads its topic, and does not end the worker."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from schemas.records import DeadLetter
from streams.agents.deadletters import DeadLetters
from streams.agents.rating import RatingFold, RatingPlan
from streams.agents.sinks import SinkFold
from streams.batching.batch import Flush, Partition
from streams.batching.stores import MemoryStore
from streams.batching.tables import FoldTable, PackedIdTable
from tests.schemas.samples import codec

CODEC = codec()
LETTERS = DeadLetters(CODEC, "beaas.dead-letters", 1, 1)


def tombstone(topic: str) -> Any:
    """As the client hands it over."""
    return SimpleNamespace(topic=topic, partition=0, offset=7, key=b"acme/c1", value=None, headers=(), timestamp=0)


def letters(flush: Flush) -> list[tuple[str, str, int, bytes | None]]:
    """Reason, topic, offset and bytes of what died."""
    read = [CODEC.decode(one.value) for one in flush.outcomes]
    return [(one.reason, one.source_topic, one.source_offset, one.value) for one in read if isinstance(one, DeadLetter)]


class Nowhere:
    """A sink that nothing is to reach."""

    async def write(self, facts: Sequence[object], /) -> None:
        """Nothing may be written."""
        raise AssertionError(facts)


async def test_rating_lets_it_die_and_folds_on() -> None:
    unread: Any = None
    accounts, ids = FoldTable("accounts", "a"), PackedIdTable("ids", "i")
    plan = RatingPlan(CODEC, unread, "beaas.statements", "beaas.usage-totals", LETTERS, accounts, ids, timedelta(1))
    fold = RatingFold(plan, Partition(0, {accounts: MemoryStore(), ids: MemoryStore()}))
    await fold.fold([tombstone("beaas.journal")])
    assert letters(fold.flush()) == [("tombstone", "beaas.journal", 7, None)]


async def test_a_sink_lets_it_die_and_writes_on() -> None:
    fold = SinkFold(lambda record: CODEC.decode(record.value), Nowhere(), LETTERS)
    await fold.fold([tombstone("beaas.statements")])
    assert letters(fold.flush()) == [("tombstone", "beaas.statements", 7, None)]
