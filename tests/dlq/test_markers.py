"""A record that may be a marker ends a redrive where it can't be read: passed by, its letter would go back twice."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer

from schemas.letters import LetterId
from schemas.records import CustomerSaved, DeadLetter, DeadLetterRedriven
from streams.cli.failures import UNREACHABLE, status_of
from streams.redrive.errors import LettersUnreadable
from streams.redrive.run import look
from streams.redrive.topic import LetterTopic
from tests.schemas.samples import codec

CODEC = codec()
TOPIC = "beaas.dead-letters"
AT = datetime(2026, 1, 2, tzinfo=UTC)
LETTER = CODEC.encode(
    TOPIC,
    DeadLetter(
        reason="paused",
        detail="",
        source_topic="beaas.journal",
        source_partition=0,
        source_offset=1,
        key=b"a/c",
        value=b"{}",
        headers=(),
        received_at=AT,
    ),
)
MARKER = CODEC.encode(
    TOPIC,
    DeadLetterRedriven(
        letter_partition=0,
        letter_offset=0,
        reason="paused",
        target_topic="beaas.usage",
        target_partition=0,
        target_offset=5,
        run_id="r",
        redriven_at=AT,
    ),
)
LOST = b"\0\0\x0f\xff\xff" + MARKER[5:]  # as where the registry has lost the schema of this id


class Stands(LetterTopic):
    """A topic of one partition with these values."""

    def __init__(self, *values: bytes | None) -> None:
        super().__init__("127.0.0.1:1", TOPIC, CODEC)
        self._values = values

    def _ends(self, starts: Mapping[int, int]) -> dict[int, int]:
        return dict.fromkeys(starts, len(self._values))

    def _messages(self, _consumer: Consumer, ends: Mapping[int, int], unread: set[int]) -> Iterator[Any]:
        assert unread == ends.keys()
        for at, value in enumerate(self._values):
            yield SimpleNamespace(value=lambda of=value: of, partition=lambda: 0, offset=lambda of=at: of)


def test_a_letter_with_its_marker_has_gone_back_and_what_has_no_value_marks_nothing() -> None:
    seen = look(Stands(LETTER, MARKER, None), [LetterId(0, 0)])
    assert seen.there == {LetterId(0, 0)}
    assert not seen.waiting
    assert look(Stands(LETTER, None), [LetterId(0, 0)]).waiting == {LetterId(0, 0)}


OTHER = CODEC.encode("beaas.customer", CustomerSaved(tenant_id="a", customer_id="c", name="n"))


@pytest.mark.parametrize(
    "foreign", [OTHER, b"noise", b"", MARKER[:-1]], ids=["another record", "noise", "empty", "cut"]
)
def test_nothing_else_that_stands_there_is_passed_by_either(foreign: bytes) -> None:
    with pytest.raises(LettersUnreadable, match=r"beaas\.dead-letters/0/1 can't be read"):
        look(Stands(LETTER, foreign, MARKER), [LetterId(0, 0)])


def test_a_marker_that_cannot_be_read_is_not_passed_by() -> None:
    with pytest.raises(LettersUnreadable) as ended:
        look(Stands(LETTER, LOST), [LetterId(0, 0)])
    assert str(ended.value).startswith(
        "beaas.dead-letters/0/1 can't be read (unknown-schema: the registry has no schema 1048575): it may mark a"
        " letter before it as put back, which must not go twice. Restore its schema in the registry"
    )
    assert status_of(ended.value) == UNREACHABLE
