"""How an amount came about: the steps of the very calculation that priced it, noted as it went."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from billing.quantity import ZERO

Exact: TypeAlias = Decimal | Fraction
"""A number that was not rounded."""


class StepKind(StrEnum):
    """What a step does."""

    CONVERTED = "converted"
    """The quantity becomes `units`: metered ones times `rate`, or divided by it, `size` says which."""
    FREE_UNITS = "free_units"
    """So many `units` cost nothing."""
    UNITS = "units"
    """Each of the `units` costs the `rate`."""
    TIER = "tier"
    """The `units` above `above`, up to `up_to`, cost the `rate` each, and the tier its `flat` amount."""
    ONE_TIER = "one_tier"
    """All `units` cost what the tier up to `up_to` says."""
    NOTHING_USED = "nothing_used"
    """Without units the first tier's `flat` amount is owed, or waived."""
    PACKAGES = "packages"
    """So many packages of `size`, each `rate`."""
    PERCENT = "percent"
    """The `rate`, in per cent, of `units`, which are an amount."""
    EVENT = "event"
    """One event: the `rate` in per cent of `units`, the part of its value that is not free, and `flat` on top."""
    DISCOUNT = "discount"
    """The `rate`, in per cent, is taken off."""
    MAXIMUM = "maximum"
    """What is above `flat` is not owed."""
    MINIMUM = "minimum"
    """What is missing up to `flat` is owed."""


class Step(NamedTuple):
    """One step. `amount` is what it adds, in major units: the amounts of all steps sum to what is owed, exactly."""

    kind: StepKind
    amount: Exact = ZERO
    units: Exact = ZERO
    rate: Decimal = ZERO
    flat: Decimal = ZERO
    above: Exact | None = None
    up_to: Decimal | None = None
    size: Decimal | None = None
    number: int = 0
    """Of an event: its place among the events."""


Note: TypeAlias = Callable[[Step], None]
"""Takes the steps in their order."""
