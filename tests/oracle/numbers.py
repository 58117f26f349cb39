"""Exact numbers: fractions in, fractions or whole minor units out, every rounding by name."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any, Final, TypeAlias

Raw: TypeAlias = Mapping[str, Any]
"""A part of a case, as its file writes it."""
DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("JPY", "KRW"), 0),
    **dict.fromkeys(("USD", "EUR", "GBP"), 2),
    **dict.fromkeys(("KWD", "TND", "BHD"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""ISO 4217's minor units of the currencies that the tests use."""


def half_away(value: Fraction) -> int:
    """Rounds to a whole number, half away from zero."""
    whole = floor(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def twelve(value: Fraction) -> Fraction:
    """Rounds to twelve decimals."""
    return Fraction(half_away(value * 10**12), 10**12)


def minor(value: Fraction, digits: int) -> int:
    """Rounds an amount in major units to whole minor units, once."""
    return half_away(value * 10**digits)


@lru_cache(maxsize=200_000)
def exact(text: str) -> Fraction:
    """A decimal string."""
    return Fraction(text)


def number(raw: Raw, name: str, default: str = "0") -> Fraction:
    """A decimal field."""
    return exact(str(raw.get(name, default)))


def decimal(value: Fraction, digits: int) -> Decimal:
    """A fraction that has at most so many decimals, as a decimal with just as many."""
    scaled = value * 10**digits
    assert scaled.denominator == 1, value
    return Decimal(f"{scaled.numerator}E-{digits}")  # exact, where an operation would round to 28 digits


def amount_text(units: int, digits: int) -> str:
    """Minor units, written in major ones."""
    return f"{decimal(Fraction(units, 10**digits), digits):f}"


def quantity_text(value: Fraction) -> str:
    """A quantity of at most twelve decimals, trailing zeros cut."""
    text = f"{decimal(value, 12):f}"
    return text.rstrip("0").rstrip(".")


def spread(amount: int, weights: Sequence[Fraction]) -> list[int]:
    """Shares an amount in proportion to the weights by largest remainder, ties to the earlier; no weight: the first."""
    total = sum(weights, Fraction(0))
    if total == 0:
        return [amount, *[0] * (len(weights) - 1)]
    shares = [abs(amount) * weight / total for weight in weights]
    given = [floor(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: given[place] - shares[place])  # sorted() keeps ties
    for place in by_remainder[: abs(amount) - sum(given)]:
        given[place] += 1
    return given if amount >= 0 else [-share for share in given]


def seconds(start: datetime, end: datetime) -> Fraction:
    """Real seconds between two instants."""
    return Fraction((end - start) // timedelta(microseconds=1), 10**6)


def instant(text: str) -> datetime:
    """An RFC 3339 text."""
    return datetime.fromisoformat(text).astimezone(UTC)


def instant_text(at: datetime) -> str:
    """The same instant as a text."""
    return at.isoformat().replace("+00:00", "Z")
