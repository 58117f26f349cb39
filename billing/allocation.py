"""Spreading a whole amount over parts, so that nothing of it is lost."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


def spread(amount: int, weights: Sequence[Decimal | int]) -> list[int]:
    """Returns a share of `amount` for each weight, in proportion to it; they sum to `amount`, whatever its sign.

    The method of the largest remainder (Hamilton): each share is cut to whole units, toward zero, and the units left
    over go one each to the shares that lost the most; of equal losses the first wins. Where all weights are 0 the first
    has all.

    Args:
        amount: minor units.
        weights: none of them negative; at least one.
    """
    total = Fraction(sum(map(Fraction, weights)))
    if not total:
        return [amount, *[0 for _ in weights[1:]]]
    sign = -1 if amount < 0 else 1
    exact = [abs(amount) * Fraction(weight) / total for weight in weights]
    shares = [share.numerator // share.denominator for share in exact]
    by_loss = sorted(range(len(shares)), key=lambda place: shares[place] - exact[place])
    for place in by_loss[: abs(amount) - sum(shares)]:
        shares[place] += 1
    return [sign * share for share in shares]
