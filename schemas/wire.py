"""What every record has, and how its values become the plain ones that Avro's writer takes.

The writer sees no logical types: instants are integers of microseconds and amounts are bytes before it gets them. It
would read a naive instant in the machine's time zone, and lets 1E+20 pass a decimal of twelve digits.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Self

import msgspec

from billing import instant as calendar
from schemas.errors import UndecodableRecord, Unencodable

_LONGEST_SHOWN: Final = 80


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it stands on the wire: one class for each Avro record, made by `tools/generate_records.py`."""

    FULL_NAME: ClassVar[str]

    @abstractmethod
    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them.

        Raises:
            Unencodable: a field holds what its schema does not allow.
        """

    @classmethod
    @abstractmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of fields that Avro's reader resolved to this record's schema.

        Raises:
            UndecodableRecord: an instant beyond the years 1 to 9999, an amount beyond its precision.
        """


def text(value: object, field: str) -> str:
    """Returns a string that UTF-8 can write."""
    if type(value) is not str:
        raise _refused(value, field, "a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _refused(value, field, "a string without lone surrogates") from None
    return value


def texts(value: object, field: str) -> dict[str, str]:
    """Returns a map of strings."""
    if type(value) is not dict:
        raise _refused(value, field, "a map of strings")
    return {text(key, field): text(item, field) for key, item in value.items()}


def strings(value: object, field: str) -> list[str]:
    """Returns the wire form of a tuple of strings."""
    if type(value) is not tuple:
        raise _refused(value, field, "a tuple of strings")
    return [text(item, field) for item in value]


def octets(value: object, field: str) -> bytes:
    """Returns bytes."""
    if type(value) is not bytes:
        raise _refused(value, field, "bytes")
    return value


def octets_read(value: bytes | str) -> bytes:
    """Returns bytes that were read, or a text in their place: so Avro's reader gives a default."""
    return value.encode("latin-1") if isinstance(value, str) else value


def truth(value: object, field: str) -> bool:
    """Returns a boolean."""
    if type(value) is not bool:
        raise _refused(value, field, "a boolean")
    return value


def whole(value: object, field: str, bits: int) -> int:
    """Returns an integer of so many bits, one of them its sign."""
    if type(value) is not int or value.bit_length() >= bits + (value == -(1 << bits - 1)):
        raise _refused(value, field, f"an integer of {bits} bits")
    return value


def micros(value: object, field: str) -> int:
    """Returns an aware instant as microseconds since 1970-01-01 UTC."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise _refused(value, field, "an instant with a time zone (a naive one would mean the machine's)")
    return calendar.micros(value)


def instant(value: int, field: str) -> datetime:
    """Returns microseconds since 1970-01-01 UTC as an aware instant."""
    try:
        return calendar.instant(value)
    except OverflowError:
        detail = f"{field}: {value} microseconds since 1970 lie beyond the years 1 to 9999"
        raise UndecodableRecord("instant-out-of-range", detail) from None


def minor(value: object, field: str, precision: int) -> bytes:
    """Returns an amount of minor units as the big-endian two's complement of a decimal without fraction."""
    if type(value) is not int or abs(value) >= 10**precision:
        raise _refused(value, field, f"an integer of at most {precision} digits")
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True)


def amount(value: bytes | str, field: str, precision: int) -> int:
    """Returns the minor units that such bytes write, or a text in their place: so Avro's reader gives a default."""
    octets_of_amount = value.encode("latin-1") if isinstance(value, str) else value
    number = int.from_bytes(octets_of_amount, "big", signed=True)
    if abs(number) >= 10**precision:
        raise UndecodableRecord("amount-out-of-range", f"{field}: more than {precision} digits")
    return number


def records(value: object, field: str, kind: type[Record]) -> list[dict[str, object]]:
    """Returns the wire form of a tuple of records."""
    if type(value) is not tuple:
        raise _refused(value, field, f"a tuple of {kind.__name__}")
    return [nested(item, field, kind) for item in value]


def nested(value: object, field: str, kind: type[Record]) -> dict[str, object]:
    """Returns the wire form of one record inside another."""
    if type(value) is not kind:
        raise _refused(value, field, f"a {kind.__name__}")
    return value.to_wire()


def symbol(value: object, field: str, kind: type[str]) -> str:
    """Returns an enum's symbol."""
    if type(value) is not kind:
        raise _refused(value, field, f"a {kind.__name__}")
    return str(value)


def _refused(value: object, field: str, allowed: str) -> Unencodable:
    return Unencodable(f"{field} takes {allowed}, not {repr(value)[:_LONGEST_SHOWN]} ({type(value).__name__})")
