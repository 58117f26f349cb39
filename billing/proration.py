"""The part of an amount that falls to a part of its period."""

from decimal import Decimal
from fractions import Fraction

from billing.errors import Defect
from billing.period import Span


def prorated(amount: Decimal, served: Span, full: Span) -> Fraction:
    """Returns amount x time served / time of the full period, exact to the microsecond and not rounded.

    The parts of a period that is cut anywhere sum to `amount`.

    Raises:
        Defect: `served` is not inside `full`, or `full` is empty.
    """
    inside = full.start <= served.start <= served.end <= full.end
    if not inside or not full.length_us:
        raise Defect(f"{served} cannot be prorated by {full}: it must lie inside of it")
    return Fraction(amount) * served.length_us / full.length_us
