"""A replay judges what rating has applied, says so where that is not all, and passes nothing by that nobody made."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.convert import statement_from_domain
from streams.cli.failures import FAILED, status_of
from streams.refold.difference import Difference, Kind
from streams.refold.replay import Found, Replay, Wire
from streams.refold.scope import NotRated, Positions, Scope, Stretch
from tests.postgres.builders import line, statement
from tests.schemas.samples import codec

SCOPE = Scope("acme", "c1", 1, 1)
CODEC = codec()
JOURNAL, STATEMENTS, INVOICE = "beaas.journal", "beaas.statements", "beaas.invoice"


@dataclass(slots=True)
class Broker(Positions):
    """Knows how far partitions reach, and how far rating is: further each time that it is asked."""

    journal: Sequence[int]
    """The ends of its partitions."""
    rated: Sequence[Mapping[int, int]]
    others: Mapping[str, int] = field(default_factory=dict)
    """The ends of other topics that have anything, in each of their partitions."""
    asked: int = 0

    async def stretches(self, topic: str, partitions: Iterable[int]) -> dict[int, Stretch]:
        """As was given."""
        return {
            one: Stretch(one, 0, self.journal[one] if topic == JOURNAL else self.others.get(topic, 0))
            for one in partitions
        }

    async def committed(self, topic: str, group: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """What it was the first, the second time …; from then on as the last time."""
        assert list(partitions) == list(range(len(self.journal)))
        if (topic, group) != (JOURNAL, "beaas.rating"):
            assert (topic, group) == (STATEMENTS, "beaas.sink-statements")
            return {}
        self.asked += 1
        return self.rated[min(self.asked, len(self.rated)) - 1]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads these records."""

    stands: Sequence[Any] = ()

    async def records(self, partition: int, start: int, end: int) -> AsyncGenerator[Any, None]:
        """Those between."""
        for one in self.stands:
            if one.partition == partition and start <= one.offset < end:
                yield one

    async def stop(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """One that was issued of the entry at a position."""

    position: int
    number: str = "INV-000001"
    customer: str = "c1"


@dataclass(frozen=True, slots=True)
class Books:
    """These invoices were issued."""

    issued: tuple[Invoice, ...]

    async def invoices(self, _tenant: str, _customer: str | None) -> AsyncIterator[Any]:
        """All of them."""
        for one in self.issued:
            yield one


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.refold.replay._MARKED_WITHIN_S", 0.0)


def stands(topic: str, key: bytes | None, value: bytes | None, offset: int = 0) -> Any:
    """A record as the client hands it over."""
    return SimpleNamespace(topic=topic, partition=0, offset=offset, key=key, value=value, headers=(), timestamp=0)


async def replayed(
    directory: Path, broker: Broker, *issued: Invoice, scope: Scope = SCOPE, records: Sequence[Any] = ()
) -> tuple[list[Difference], Found]:
    nothing: Any = None  # none of these replays folds an entry
    readers: Any = {topic: Reader([one for one in records if one.topic == topic]) for topic in (STATEMENTS, INVOICE)}
    wire = Wire(CODEC, "beaas.", broker, readers.__getitem__)
    replay = Replay(nothing, wire, scope, directory, lambda _what, _done, _whole: None)
    try:
        differences = await replay.refold()
        differences += [one async for one in replay.compare(Books(issued))]
        return differences, replay.found
    finally:
        await replay.close()


async def test_a_journal_that_rating_has_committed_nothing_of_is_refused_and_not_passed(tmp_path: Path) -> None:
    with pytest.raises(NotRated) as refused:
        await replayed(tmp_path, Broker([7], [{}]), Invoice(position=3))
    assert str(refused.value) == (
        "group beaas.rating has committed nothing on beaas.journal, partition 0, which has entries: does rating run,"
        " are its offsets gone, and is BEAAS_TOPIC_PREFIX its prefix? Nothing can be compared before it has"
    )
    assert status_of(refused.value) == FAILED


async def test_a_partition_that_rating_has_committed_nothing_of_is_refused_where_others_are_rated(
    tmp_path: Path,
) -> None:
    everywhere = Scope("acme", None, 4, 4)
    with pytest.raises(NotRated, match=r"beaas\.journal, partition 1, 3, which has entries"):
        await replayed(tmp_path, Broker([7, 7, 0, 1], [{0: 0}]), scope=everywhere)


async def test_an_empty_journal_has_nothing_to_be_rated(tmp_path: Path) -> None:
    assert await replayed(tmp_path, Broker([0], [{}])) == ([], Found())


@pytest.mark.parametrize("passed", [[{0: 6}], [{0: 0}, {0: 6}]], ids=["at once", "once its mark has arrived"])
async def test_an_invoice_of_what_was_not_rated_is_under_way_where_rating_has_passed_it_by_now(
    tmp_path: Path, passed: list[dict[int, int]]
) -> None:
    differences, found = await replayed(tmp_path, Broker([7], [{0: 0}, *passed]), Invoice(3), Invoice(5))
    assert differences == []
    assert (found.not_rated, found.invoices.compared, found.invoices.pending) == (7, 0, 2)


async def test_an_invoice_of_what_rating_has_still_not_passed_is_one_that_nobody_drew(tmp_path: Path) -> None:
    broker = Broker([7], [{0: 0}, {0: 5}])
    differences, found = await replayed(tmp_path, broker, Invoice(4), Invoice(5, "INV-000002"), Invoice(10**12))
    note = "of position {} of the journal, which rating has not applied"
    assert differences == [
        Difference(Kind.UNEXPECTED, "INV-000002 of c1", "beaas.invoices", issued=note.format(5)),
        Difference(Kind.UNEXPECTED, "INV-000001 of c1", "beaas.invoices", issued=note.format(10**12)),
    ]
    assert found.invoices.pending == 1


async def test_what_is_ahead_is_asked_for_by_the_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.refold.replay._AHEAD_AT_ONCE", 2)
    broker = Broker([7], [{0: 0}, {0: 7}])
    _, found = await replayed(tmp_path, broker, *map(Invoice, range(7)))
    assert (found.invoices.pending, broker.asked) == (7, 1 + 3)


async def test_a_statement_of_what_rating_has_still_not_passed_is_one_that_nobody_made(tmp_path: Path) -> None:
    closed = statement_from_domain(statement(line(100)), journal_partition=0)
    record = stands(STATEMENTS, b"acme/c1", CODEC.encode(STATEMENTS, closed))
    broker = Broker([closed.journal_offset + 1], [{0: 0}], {STATEMENTS: 1})
    [difference], found = await replayed(tmp_path, broker, records=[record])
    assert (difference.kind, difference.where) == (Kind.UNEXPECTED, "beaas.statements/0/0")
    assert found.statements.pending == 0
    broker = Broker([closed.journal_offset + 1], [{0: 0}, {0: closed.journal_offset + 1}], {STATEMENTS: 1})
    (tmp_path / "again").mkdir()
    differences, found = await replayed(tmp_path / "again", broker, records=[record])
    assert (differences, found.statements.pending) == ([], 1)


FOREIGN = {
    "a statement without a value": (stands(STATEMENTS, b"acme/c1", None), "acme/c1", "tombstone"),
    "a statement with neither key nor value": (stands(STATEMENTS, None, None), "a record without a key", "tombstone"),
    "bytes without a key": (stands(STATEMENTS, None, b"?"), "a record without a key", "no-framing"),
    "an event without a value": (stands(INVOICE, b"acme/i1", None), "i1", "tombstone"),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_a_foreign_record_is_a_difference_and_no_crash(tmp_path: Path, what: str) -> None:
    record, subject, reason = FOREIGN[what]
    broker = Broker([0], [{}], {record.topic: 1})
    [difference], _ = await replayed(tmp_path, broker, records=[record])
    assert difference.issued.startswith(f"{reason}: ")
    assert (difference.kind, difference.subject, difference.where) == (Kind.UNEXPECTED, subject, f"{record.topic}/0/0")


async def test_foreign_records_of_other_accounts_and_events_without_a_key_are_not_of_this_tenant(
    tmp_path: Path,
) -> None:
    records = [stands(STATEMENTS, b"other/c1", None), stands(INVOICE, None, None)]
    assert await replayed(tmp_path, Broker([0], [{}], {STATEMENTS: 1, INVOICE: 1}), records=records) == ([], Found())
