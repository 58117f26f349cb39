"""Usage that came before its subscription: kept in order, within bounds, until one starts."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from billing.account.items import VERSION, Items, check_version, parked_key
from billing.entry import Usage
from billing.statement import Parked, Refused

MOST_PARKED: Final = 1_000
LARGEST_PARKED_BYTES: Final = 64 * 1024


class Waiting(NamedTuple):
    """One parked usage."""

    number: int
    position: int
    usage: Usage


class _Record(msgspec.Struct, array_like=True, frozen=True):
    version: int
    position: int
    usage: Usage


class ParkingRecord(msgspec.Struct, array_like=True, frozen=True):
    """What the head keeps: the numbers from `first` up to `after`, `count` of which are still parked."""

    first: int = 0
    after: int = 0
    count: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Record).decode


class Parking:
    """The parked usage of an account."""

    __slots__ = ("_items", "record")

    def __init__(self, record: ParkingRecord, items: Items) -> None:
        self.record = record
        self._items = items

    def park(self, usage: Usage, position: int) -> Parked | Refused:
        """Keeps usage at the end of the row, or refuses it where the bounds are reached."""
        if self.record.count >= MOST_PARKED:
            detail = f"{MOST_PARKED} events wait for a subscription already; start it, then send this again"
            return Refused("parked-full", detail)
        written = _encode(_Record(VERSION, position, usage))
        if len(written) > LARGEST_PARKED_BYTES:
            detail = f"{len(written)} bytes, at most {LARGEST_PARKED_BYTES} wait for a subscription; start it first"
            return Refused("parked-too-large", detail)
        first, after, count = self.record.first, self.record.after, self.record.count
        self._items.put(parked_key(after), written)
        self._keep(ParkingRecord(first, after + 1, count + 1))
        return Parked()

    def waiting(self) -> Iterator[Waiting]:
        """Yields what is parked, in order of arrival."""
        for number in range(self.record.first, self.record.after) if self.record.count else ():
            stored = self._items.get(parked_key(number))
            if stored is not None:
                record = _decode(stored)
                check_version(record.version, "parked usage")
                yield Waiting(number, record.position, record.usage)

    def remove(self, number: int) -> None:
        """Lets one go."""
        self._items.put(parked_key(number), None)
        count = self.record.count - 1
        first = self.record.first if count else self.record.after
        self._keep(ParkingRecord(first, self.record.after, count))

    def _keep(self, record: ParkingRecord) -> None:
        self.record = record
        self._items.head_changed = True
