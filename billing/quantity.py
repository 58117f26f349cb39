"""Quantities: exact decimals, from untrusted text to the twelve digits that a bill shows.

What comes in has at most 30 digits before the point and 18 after it. A sum of 10^12 of them has at most 42 before the
point, a product with a rate of the same size at most 72 before and 36 after, and a level weighted by microseconds some
20 more: all far inside the 200 digits of `EXACT`, which raises where a digit would be lost.
"""

import re
from decimal import (
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)
from fractions import Fraction
from functools import lru_cache
from typing import Final

from billing.errors import RefusedUsage

INTEGER_DIGITS: Final = 30
FRACTION_DIGITS: Final = 18
SHOWN_DIGITS: Final = 12
LONGEST_TEXT: Final = 64  # sign, both digit groups, point and exponent, with room for leading zeros

EXACT: Final = Context(
    prec=200,
    rounding=ROUND_HALF_EVEN,
    traps=[Clamped, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow, Underflow],
)
"""The context of all arithmetic here: an operation that would round raises instead."""

ZERO: Final = Decimal(0)
add = EXACT.add
"""`add(a, b)` is the exact sum."""
subtract = EXACT.subtract
"""`subtract(a, b)` is the exact difference."""

_ROUNDING: Final = Context(prec=EXACT.prec, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])
_SHOWN: Final = Decimal(1).scaleb(-SHOWN_DIGITS)
_PLAIN: Final = re.compile(rf"-?[0-9]{{1,{INTEGER_DIGITS}}}(?:\.[0-9]{{1,{FRACTION_DIGITS}}})?")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


@lru_cache(maxsize=1 << 16)  # usage repeats its numbers: 50 ns for one seen before, 600 ns for a new one
def parse_quantity(text: str) -> Decimal:
    """Returns the number that untrusted `text` writes, exactly.

    Plain and exponent decimals of ASCII digits are numbers; blanks, underscores, NaN and infinities are not.

    Raises:
        RefusedUsage: `not-a-decimal`, or `out-of-range` beyond 30 digits before or 18 after the point.
    """
    if len(text) > LONGEST_TEXT:
        raise RefusedUsage("out-of-range", f"a number has at most {LONGEST_TEXT} characters, this has {len(text)}")
    if _PLAIN.fullmatch(text) is not None:
        number = Decimal(text)
        return number or number.copy_abs()
    if _DECIMAL.fullmatch(text) is None:
        raise RefusedUsage("not-a-decimal", f"{text!r} is no decimal number such as '12.5'")
    number = EXACT.create_decimal(text)
    if not number:
        return ZERO
    if number.adjusted() >= INTEGER_DIGITS or _fraction_digits(number) > FRACTION_DIGITS:
        raise RefusedUsage(
            "out-of-range",
            f"{text!r} has more than {INTEGER_DIGITS} digits before or {FRACTION_DIGITS} after the point",
        )
    return number


def rounded(quantity: Decimal | Fraction) -> Decimal:
    """Returns the quantity as it is billed: to twelve decimals, half away from zero, without trailing zeros."""
    if isinstance(quantity, Decimal):
        shown = quantity.quantize(_SHOWN, context=_ROUNDING)
    else:
        shown = Decimal(nearest(quantity * 10**SHOWN_DIGITS)).scaleb(-SHOWN_DIGITS, EXACT)
    short = shown.normalize(EXACT)
    return short or ZERO


def canonical(quantity: Decimal | Fraction) -> str:
    """Returns the one text of a quantity: `rounded`, without an exponent, and never `-0`."""
    return plain(rounded(quantity))


def plain(number: Decimal) -> str:
    """Returns all digits of a number without an exponent or trailing zeros: equal numbers have equal texts."""
    return format(number.normalize(EXACT), "f") if number else "0"


def nearest(number: Fraction) -> int:
    """Returns the nearest whole number, half away from zero.

    In integers, since a quotient cut by decimal division first could be rounded twice.
    """
    size = (2 * abs(number.numerator) + number.denominator) // (2 * number.denominator)
    return size if number > 0 else -size


def _fraction_digits(number: Decimal) -> int:
    exponent = number.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent
