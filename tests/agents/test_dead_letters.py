"""A letter can be written whatever its record brought along: one that can't ends its worker at every attempt."""

from typing import Any

import pytest

from schemas import topics
from schemas.codec import Codec
from schemas.records import DeadLetter
from streams.agents.deadletters import LARGEST_HEADERS_BYTES, LARGEST_KEY_BYTES, MOST_HEADERS, DeadLetters
from streams.batching.batch import Outgoing, Record
from tests.schemas.samples import codec

LARGEST = topics.USAGE.max_message_bytes
LETTERS = DeadLetters(codec(), "beaas.dead-letters", 4, 2)
ESCAPED = "\\xff"  # how one byte of a name that is no text is written out


def letter_of(key: bytes | None = None, value: bytes | None = b"?", *headers: Any) -> tuple[Outgoing, DeadLetter]:
    outgoing = LETTERS.of_record(Record("beaas.usage", 1, 7, 1_000, key, value, headers), "no-framing", "why")
    assert isinstance(outgoing.value, bytes)
    letter = _codec().decode(outgoing.value)
    assert isinstance(letter, DeadLetter)
    return outgoing, letter


def _codec() -> Codec:
    return LETTERS.codec


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, b"?", [(ESCAPED * 4_000_000, b"")]),
        (None, b"?", [("name", b"\0" * (LARGEST - 200))]),
        (None, b"?", [("", None)] * 100_000),
        (b"k" * (LARGEST - 200), b"?", []),
        (None, b"?" * (LARGEST - 200), []),
    ],
    ids=["a name that is no text", "a long header", "many headers", "a long key", "a long value"],
)
def test_what_fits_on_the_usage_topic_has_a_letter_that_fits_on_its_own(
    key: bytes | None, value: bytes, headers: list[Any]
) -> None:
    outgoing, letter = letter_of(key, value, *headers)
    size_bytes = len(outgoing.key or b"") + len(outgoing.value or b"")
    assert size_bytes < topics.DEAD_LETTERS.largest_value_bytes
    assert (letter.key, letter.value) == (key, value)


def test_a_letter_says_how_many_headers_it_left_out() -> None:
    few = [(f"h{number}", b"x") for number in range(MOST_HEADERS)]
    assert letter_of(None, b"?", *few)[1].detail == "why"
    _, letter = letter_of(None, b"?", *few, ("one", b""), ("more", b""))
    assert (len(letter.headers), letter.detail) == (MOST_HEADERS, "why; 2 of its headers were left out")
    _, letter = letter_of(None, b"?", ("kept", b"x"), ("large", b"x" * LARGEST_HEADERS_BYTES), ("after", b""))
    assert ([one.key for one in letter.headers], letter.detail) == (["kept"], "why; 2 of its headers were left out")


def test_a_long_key_is_in_the_letter_once() -> None:
    short, _ = letter_of(b"k" * LARGEST_KEY_BYTES)
    assert short.key == b"k" * LARGEST_KEY_BYTES
    long, letter = letter_of(b"k" * (LARGEST_KEY_BYTES + 1))
    assert (len(long.key or b""), letter.key) == (16, b"k" * (LARGEST_KEY_BYTES + 1))
