"""A replay judges what rating has applied, and says so where that is nothing, or not all."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.cli.failures import FAILED, status_of
from streams.refold.difference import Difference
from streams.refold.replay import Found, Replay, Wire
from streams.refold.scope import NotRated, Positions, Scope, Stretch

SCOPE = Scope("acme", "c1", 1, 1)


@dataclass(frozen=True, slots=True)
class Broker(Positions):
    """Knows how far the journal reaches, and how far groups are."""

    journal: int
    groups: Mapping[str, int]

    async def stretches(self, topic: str, partitions: Iterable[int]) -> dict[int, Stretch]:
        """The journal has its entries, no other topic has any."""
        end = self.journal if topic == "some.journal" else 0
        return {one: Stretch(one, 0, end) for one in partitions}

    async def committed(self, topic: str, group: str) -> Mapping[int, int]:
        """Of partition 0, where the group is known."""
        assert topic in {"some.journal", "some.statements"}
        return {0: self.groups[group]} if group in self.groups else {}


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


async def replayed(tmp_path: Path, broker: Broker, *issued: Invoice) -> tuple[list[Difference], Found]:
    unread: Any = None  # none of these replays reads a record
    wire = Wire(unread, "some.", broker, lambda _topic: unread)
    replay = Replay(unread, wire, SCOPE, tmp_path, lambda _what, _done, _whole: None)
    try:
        differences = await replay.refold()
        differences += [one async for one in replay.compare(Books(issued))]
        return differences, replay.found
    finally:
        await replay.close()


async def test_a_journal_that_rating_has_committed_nothing_of_is_refused_and_not_passed(tmp_path: Path) -> None:
    with pytest.raises(NotRated) as refused:
        await replayed(tmp_path, Broker(7, {"some.elsewhere": 7}), Invoice(position=3))
    assert str(refused.value) == (
        "group some.rating has committed nothing on some.journal, which has entries: does rating run, are its offsets"
        " gone, and is BEAAS_TOPIC_PREFIX its prefix? Nothing can be compared before it has"
    )
    assert status_of(refused.value) == FAILED


async def test_an_empty_journal_has_nothing_to_be_rated(tmp_path: Path) -> None:
    assert await replayed(tmp_path, Broker(0, {})) == ([], Found())


async def test_an_invoice_of_what_is_not_rated_is_counted_as_under_way(tmp_path: Path) -> None:
    differences, found = await replayed(tmp_path, Broker(7, {"some.rating": 0}), Invoice(3), Invoice(5))
    assert differences == []
    assert (found.not_rated, found.invoices.compared, found.invoices.pending) == (7, 0, 2)
