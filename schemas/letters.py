"""Dead letters by name: where a letter stands on its topic is what people call it, and what a redrive tells of."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from schemas.records import DeadLetter, DeadLetterRedriven

REDRIVE_OF: Final = "beaas-redrive-of"
"""The header of a record that was put back: the id of the letter that it was."""

_ID: Final = re.compile(rb"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,17})")


class LetterId(NamedTuple):
    """A letter's partition and offset on the dead-letter topic, written `3-1042`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


class PlacedRecord(NamedTuple):
    """What stands on the dead-letter topic, and where."""

    id: LetterId
    record: DeadLetter | DeadLetterRedriven


def letter_id(text: str | bytes) -> LetterId | None:
    """Returns the id that is written so; None where it is none."""
    found = _ID.fullmatch(text.encode() if isinstance(text, str) else text)
    return None if found is None else LetterId(int(found[1]), int(found[2]))


def redrive_header(headers: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...]:
    """Returns of a record's headers the one that names the letter that it was; none where it was none."""
    before = redrive_of(headers)
    return () if before is None else ((REDRIVE_OF, str(before).encode()),)


def redrive_of(headers: Iterable[tuple[str, bytes | None]]) -> LetterId | None:
    """Returns the letter that a record was, as its headers tell; a producer may write what it likes into them."""
    told = [value for name, value in headers if name == REDRIVE_OF and value is not None]
    return letter_id(told[-1]) if told else None
