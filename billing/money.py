"""Money: integer minor units of one currency, and the one place where an amount is rounded."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from billing.currency import Currency
from billing.errors import Defect, InvalidDefinition, RefusedUsage
from billing.quantity import EXACT, nearest, parse_quantity


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `minor` units (cents, fils, yen) of `currency`. Amounts of two currencies never meet."""

    minor: int
    currency: Currency

    @classmethod
    def of(cls, amount: Decimal | str, currency: Currency) -> "Money":
        """Returns the amount that is written in major units, exactly.

        Raises:
            InvalidDefinition: not a finite decimal, or it has more digits than the currency.
        """
        try:
            number = parse_quantity(amount) if isinstance(amount, str) else amount
            scaled = number.scaleb(currency.exponent, EXACT)
        except (RefusedUsage, InvalidOperation) as refusal:
            raise InvalidDefinition("amount", f"{refusal}; a decimal such as '12.50' is allowed") from None
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            problem = f"{number} is not a whole number of minor units; {currency.code} has {currency.exponent} decimals"
            raise InvalidDefinition("amount", problem)
        return cls(int(scaled), currency)

    def major(self) -> Decimal:
        """Returns the exact amount in major units, with all of the currency's digits: `Decimal('12.50')`."""
        return Decimal(self.minor).scaleb(-self.currency.exponent, EXACT)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.major():f} {self.currency.code}"

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise Defect(f"{self.currency.code} and {other.currency.code} have no sum; convert one of them first")
        return other


def round_to_minor(amount: Decimal | Fraction, currency: Currency) -> int:
    """Returns the amount in whole minor units, half away from zero: the one rounding of a line or a tax."""
    if isinstance(amount, Decimal):
        return int(amount.scaleb(currency.exponent, EXACT).to_integral_value(ROUND_HALF_UP))
    return nearest(amount * 10**currency.exponent)
