"""Reading a definition (a price, a meter) field by field: strict, bounded, and every refusal names its path."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from billing.errors import InvalidDefinition, RefusedUsage
from billing.quantity import INTEGER_DIGITS, parse_quantity, plain

LONGEST_NAME: Final = 200
LONGEST_LIST: Final = 1_000
_TOO_LARGE: Final = 10**INTEGER_DIGITS
_Word = TypeVar("_Word", bound=StrEnum)


class Fields:
    """The fields of one mapping at `where`. Read each that is known, then `close`: what was not read is unknown."""

    __slots__ = ("_raw", "_read", "where")

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, Mapping):
            raise InvalidDefinition(where or "definition", f"is {_kind(raw)}; a mapping of fields is allowed")
        self._raw = raw
        self._read: set[str] = set()
        self.where = where

    def path(self, field: str) -> str:
        """Returns the full path of a field, such as `prices[2].meter`."""
        return f"{self.where}.{field}" if self.where else field

    def refusal(self, field: str, problem: str) -> InvalidDefinition:
        """Returns the error that refuses `field`, to be raised."""
        return InvalidDefinition(self.path(field), problem)

    def has(self, field: str) -> bool:
        """Whether the field is given."""
        return field in self._raw

    def fields(self) -> tuple[str, ...]:
        """Returns the names of all fields given, for a mapping whose names are free.

        Raises:
            InvalidDefinition: one of them is no name, or there are more than 1000.
        """
        if len(self._raw) > LONGEST_LIST:
            raise InvalidDefinition(self.where, f"has {len(self._raw)} fields; at most {LONGEST_LIST} are allowed")
        return tuple(name(field, self.path(_shown(field))) for field in self._raw)

    def close(self, kind: str) -> None:
        """Refuses the first field that nobody read: `kind` has no such field.

        Raises:
            InvalidDefinition: a field is unknown.
        """
        for field in self._raw:
            if field not in self._read:
                allowed = ", ".join(sorted(self._read))
                raise self.refusal(_shown(field), f"{kind} has no such field; allowed are {allowed}")

    def value(self, field: str) -> object:
        """Returns the field as it stands.

        Raises:
            InvalidDefinition: it is missing.
        """
        self._read.add(field)
        if field not in self._raw:
            raise self.refusal(field, "is missing")
        found: object = self._raw[field]
        return found

    def text(self, field: str) -> str:
        """Returns a name: a string of 1 to 200 printable characters."""
        return name(self.value(field), self.path(field))

    def optional_text(self, field: str) -> str | None:
        """Returns a name, or None where it is not given."""
        return self.text(field) if self._given(field) else None

    def word(self, field: str, words: type[_Word], default: _Word | None = None) -> _Word:
        """Returns one of the words of an enumeration."""
        if default is not None and not self._given(field):
            return default
        found = self.value(field)
        for word in words:
            if word == found:
                return word
        raise self.refusal(field, f"is {_kind(found)}; allowed are {', '.join(words)}")

    def flag(self, field: str, *, default: bool) -> bool:
        """Returns true or false."""
        found = self.value(field) if self._given(field) else default
        if not isinstance(found, bool):
            raise self.refusal(field, f"is {_kind(found)}; true or false is allowed")
        return found

    def decimal(
        self,
        field: str,
        *,
        least: Decimal | int = 0,
        most: Decimal | int | None = None,
        above: bool = False,
    ) -> Decimal:
        """Returns an exact number of at least `least` (or `above` it) and at most `most`.

        Raises:
            InvalidDefinition: missing, no decimal string or integer, or outside these bounds.
        """
        number = decimal(self.value(field), self.path(field))
        if number < least or (above and number == least) or (most is not None and number > most):
            bounds = f"{'above' if above else 'at least'} {least}" + (f", at most {most}" if most is not None else "")
            raise self.refusal(field, f"is {plain(number)}; a decimal {bounds} is allowed")
        return number

    def optional_decimal(self, field: str, *, most: int | None = None) -> Decimal | None:
        """Returns a number of at least 0, or None where it is not given."""
        return self.decimal(field, most=most) if self._given(field) else None

    def decimal_or(self, field: str, default: Decimal, *, most: int | None = None) -> Decimal:
        """Returns a number of at least 0, or the default where it is not given."""
        return self.decimal(field, most=most) if self._given(field) else default

    def optional_count(self, field: str, *, most: int) -> int | None:
        """Returns a whole number from 0 to `most`, or None where it is not given."""
        number = self.optional_decimal(field, most=most)
        if number is not None and number != int(number):
            raise self.refusal(field, f"is {plain(number)}; a whole number is allowed")
        return None if number is None else int(number)

    def items(self, field: str) -> list[tuple[object, str]]:
        """Returns the elements of a list of 1 to 1000, each with its path."""
        found = self.value(field)
        if not isinstance(found, list | tuple) or not 1 <= len(found) <= LONGEST_LIST:
            raise self.refusal(field, f"is {_kind(found)}; a list of 1 to {LONGEST_LIST} elements is allowed")
        return [(item, f"{self.path(field)}[{position}]") for position, item in enumerate(found)]

    def names(self, field: str) -> tuple[str, ...]:
        """Returns a list of distinct names."""
        found = tuple(name(item, path) for item, path in self.items(field))
        if len(set(found)) < len(found):
            raise self.refusal(field, "names something twice; each once is allowed")
        return found

    def optional_names(self, field: str) -> tuple[str, ...]:
        """Returns a list of distinct names, empty where it is not given or given empty."""
        return self.names(field) if self._given(field) and self._raw[field] not in ([], ()) else ()

    def inner(self, field: str) -> "Fields":
        """Returns the fields of a mapping inside this one."""
        return Fields(self.value(field), self.path(field))

    def optional_inner(self, field: str) -> "Fields | None":
        """Returns the fields of a mapping inside this one, or None where it is not given."""
        return self.inner(field) if self._given(field) else None

    def _given(self, field: str) -> bool:
        self._read.add(field)
        return field in self._raw


def name(raw: object, path: str) -> str:
    """Returns `raw` if it is a name: a string of 1 to 200 printable characters.

    Raises:
        InvalidDefinition: it is not.
    """
    if not isinstance(raw, str) or not 1 <= len(raw) <= LONGEST_NAME or not raw.isprintable():
        raise InvalidDefinition(
            path, f"is {_kind(raw)}; a string of 1 to {LONGEST_NAME} printable characters is allowed"
        )
    return raw


def decimal(raw: object, path: str) -> Decimal:
    """Returns the number that a decimal string or an integer writes; a float would have lost its digits already.

    Raises:
        InvalidDefinition: anything else, or too many digits.
    """
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < _TOO_LARGE:
        return Decimal(raw)
    if not isinstance(raw, str):
        raise InvalidDefinition(path, f"is {_kind(raw)}; a decimal string such as '0.05' or an integer is allowed")
    try:
        return parse_quantity(raw)
    except RefusedUsage as refusal:
        raise InvalidDefinition(path, refusal.detail) from None


def _shown(field: object) -> str:
    """Names a field that may be anything."""
    return field[:LONGEST_NAME] if isinstance(field, str) and field.isprintable() else _kind(field)


def _kind(raw: object) -> str:
    """Names what was found, cut short: it may be anything."""
    if isinstance(raw, str):
        return repr(raw[:40]) if raw else "an empty string"
    if isinstance(raw, int) and abs(raw) >= _TOO_LARGE:
        return "a number of too many digits"
    if isinstance(raw, int | float) or raw is None:
        return repr(raw)
    return f"a {type(raw).__name__}" + (f" of {len(raw)}" if isinstance(raw, list | tuple) else "")
