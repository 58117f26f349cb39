"""What a replay finds: something is not as the journal says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from schemas.wire import Record


class Kind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    """The journal says it, and it is not there."""
    UNEXPECTED = "unexpected"
    """It is there, and the journal does not say it."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the journal says."""

    kind: Kind
    subject: str
    """What it is about: an invoice's number with its customer, or a statement."""
    where: str
    """Where what was issued stands: a table, or a topic with partition and offset."""
    field: str = ""
    refolded: str = ""
    issued: str = ""

    def __str__(self) -> str:
        """One line for a person."""
        who, where = self.subject, self.where
        match self.kind:
            case Kind.MISSING:
                return f"missing     {who}: the journal says it, and {where} has none"
            case Kind.UNEXPECTED:
                return f"unexpected  {who}: {where} has it, and the journal does not say it{self._note}"
            case Kind.DIFFERENT:
                return f"different   {who}: in {where} {self.field} is {self.issued}, refolded {self.refolded}"

    @property
    def _note(self) -> str:
        return f" ({self.issued})" if self.issued else ""


def fields_that_differ(refolded: Record, issued: Record) -> Iterator[tuple[str, str, str]]:
    """Yields each field that differs: its path, what it ought to be, what it is."""
    if refolded.FULL_NAME != issued.FULL_NAME:
        yield "record", refolded.FULL_NAME, issued.FULL_NAME
        return
    yield from _differ("", refolded, issued)


def _differ(path: str, refolded: object, issued: object) -> Iterator[tuple[str, str, str]]:
    if isinstance(refolded, Record) and isinstance(issued, Record):
        yield from _differ(path, msgspec.structs.asdict(refolded), msgspec.structs.asdict(issued))
    elif isinstance(refolded, Mapping) and isinstance(issued, Mapping):
        for name in sorted(refolded.keys() | issued.keys()):
            yield from _differ(f"{path}.{name}" if path else str(name), refolded.get(name), issued.get(name))
    elif isinstance(refolded, list | tuple) and isinstance(issued, list | tuple):
        for place in range(max(len(refolded), len(issued))):
            yield from _differ(f"{path}[{place + 1}]", _at(refolded, place), _at(issued, place))
    elif refolded != issued:
        yield path, _shown(refolded), _shown(issued)


def _at(items: list[object] | tuple[object, ...], place: int) -> object:
    return items[place] if place < len(items) else None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return value.hex() if isinstance(value, bytes) else str(value)[:200]
