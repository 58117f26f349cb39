"""The price models: how a billable quantity becomes an amount.

With q the billable quantity, not below 0, and amounts in major units (`tests/conformance/norm/README.md` is the norm):

| model                | f(q)                                                                                     |
|----------------------|------------------------------------------------------------------------------------------|
| per_unit             | q x unit_amount                                                                          |
| graduated            | each tier prices the part of q inside it; its flat amount is owed once the tier is entered |
| volume               | the one tier with the least up_to >= q prices all of q, plus its flat amount             |
| package              | packages x package_amount                                                                |
| percentage           | each event: rate x value + per_event_amount, within the event's minimum and maximum      |
| graduated_percentage | as graduated, with rates in per cent                                                     |
| dynamic              | q x multiplier                                                                           |

The fields of each class are the fields of its definition. Nothing here rounds: the functions work in whichever of
`Decimal` (inside `quantity.EXACT`) or `Fraction` the quantity comes in, as a division may have made a fraction of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias, TypeVar, assert_never

from billing.quantity import ZERO
from billing.step import Note, Step, StepKind

_Number = TypeVar("_Number", Decimal, Fraction)


class Model(StrEnum):
    """How a quantity becomes an amount."""

    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"
    PERCENTAGE = "percentage"
    GRADUATED_PERCENTAGE = "graduated_percentage"
    DYNAMIC = "dynamic"


class PartialPackages(StrEnum):
    """Whether a package that was begun is paid."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The quantities above the tier before, up to and with `up_to`; without end where None."""

    up_to: Decimal | None = None
    unit_amount: Decimal
    flat_amount: Decimal = ZERO

    @property
    def rate(self) -> Decimal:
        """The amount of one unit."""
        return self.unit_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentTier:
    """As `Tier`, for a quantity that is itself an amount."""

    up_to: Decimal | None = None
    rate_percent: Decimal
    flat_amount: Decimal = ZERO

    @property
    def rate(self) -> Decimal:
        """The amount of one unit."""
        return self.rate_percent.scaleb(-2)


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Every unit costs the same."""

    unit_amount: Decimal


@dataclass(frozen=True, slots=True)
class Graduated:
    """Every unit costs what the tier that it falls into says. At q = 0 tier one's flat amount is owed, or waived."""

    tiers: tuple[Tier, ...]
    flat_when_zero: bool = True


@dataclass(frozen=True, slots=True)
class Volume:
    """All units cost what the tier that q falls into says. At q = 0 tier one's flat amount is owed, or waived."""

    tiers: tuple[Tier, ...]
    flat_when_zero: bool = True


@dataclass(frozen=True, slots=True)
class Package:
    """Units are sold `package_size` at a time."""

    package_size: Decimal
    package_amount: Decimal
    partial_packages: PartialPackages = PartialPackages.UP


@dataclass(frozen=True, slots=True)
class Percentage:
    """Every event is an amount of its own, and a part of it is owed.

    An event is free while its number is at most `free_events` and the running total, itself included, at most
    `free_amount`; a limit that is None does not bind, with neither none is free.
    """

    rate_percent: Decimal
    per_event_amount: Decimal = ZERO
    free_events: int | None = None
    free_amount: Decimal | None = None
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the sum of the values decides the amount alone, so that nobody need keep the single ones."""
        return self == Percentage(self.rate_percent)


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """As `Graduated`, for a quantity that is itself an amount."""

    tiers: tuple[PercentTier, ...]
    flat_when_zero: bool = True


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The quantity is itself the amount, times a multiplier."""

    multiplier: Decimal


ByQuantity: TypeAlias = PerUnit | Graduated | Volume | Package | GraduatedPercentage | Dynamic
Pricing: TypeAlias = ByQuantity | Percentage


def amount_of_quantity(pricing: ByQuantity, q: _Number, note: Note | None = None) -> _Number:
    """Returns f(q), exact, for q >= 0; `note` is told of every step."""
    match pricing:
        case PerUnit():
            return _units(q, pricing.unit_amount, note)
        case Graduated() | GraduatedPercentage():
            return _graduated(pricing.tiers, q, note) if q else _at_zero(pricing, q, note)
        case Volume():
            return _volume(pricing.tiers, q, note) if q else _at_zero(pricing, q, note)
        case Package():
            return _packages(pricing, q, note)
        case Dynamic():
            return _units(q, pricing.multiplier, note)
        case _:
            assert_never(pricing)


def amount_of_events(pricing: Percentage, values: Sequence[Decimal], note: Note | None = None) -> Decimal:
    """Returns what these events owe, exact; `values` in the order in which they use up what is free.

    `note` is told of every event that is not free.
    """
    owed = running = ZERO
    for count, value in enumerate(values, start=1):
        before, running = running, running + value
        charged = _charged_part(pricing, count, before, running)
        if charged is not None:
            amount = _event_amount(pricing, charged)
            owed += amount
            if note is not None:
                rate, flat = pricing.rate_percent, pricing.per_event_amount
                note(Step(StepKind.EVENT, amount, charged, rate, flat, size=value, number=count))
    return owed


def _units(q: _Number, rate: Decimal, note: Note | None) -> _Number:
    owed = q * type(q)(rate)
    if note is not None:
        note(Step(StepKind.UNITS, owed, q, rate))
    return owed


def _graduated(tiers: Sequence[Tier | PercentTier], q: _Number, note: Note | None) -> _Number:
    number = type(q)
    owed, lower = number(0), number(0)
    for tier in tiers:
        if q <= lower:
            break
        upper = q if tier.up_to is None else min(q, number(tier.up_to))
        amount = (upper - lower) * number(tier.rate) + number(tier.flat_amount)
        owed += amount
        if note is not None:
            note(Step(StepKind.TIER, amount, upper - lower, tier.rate, tier.flat_amount, lower, tier.up_to))
        lower = upper
    return owed


def _volume(tiers: Sequence[Tier], q: _Number, note: Note | None) -> _Number:
    place = next(place for place, tier in enumerate(tiers) if tier.up_to is None or q <= tier.up_to)
    tier = tiers[place]
    owed = q * type(q)(tier.rate) + type(q)(tier.flat_amount)
    if note is not None:
        above = tiers[place - 1].up_to if place else ZERO
        note(Step(StepKind.ONE_TIER, owed, q, tier.rate, tier.flat_amount, above, tier.up_to))
    return owed


def _at_zero(pricing: Graduated | Volume | GraduatedPercentage, q: _Number, note: Note | None) -> _Number:
    owed = type(q)(pricing.tiers[0].flat_amount if pricing.flat_when_zero else 0)
    if note is not None:
        note(Step(StepKind.NOTHING_USED, owed, flat=pricing.tiers[0].flat_amount))
    return owed


def _packages(pricing: Package, q: _Number, note: Note | None) -> _Number:
    size = type(q)(pricing.package_size)
    begun = q % size != 0 and pricing.partial_packages is PartialPackages.UP
    packages = type(q)(q // size + (1 if begun else 0))
    owed = packages * type(q)(pricing.package_amount)
    if note is not None:
        note(Step(StepKind.PACKAGES, owed, packages, pricing.package_amount, size=pricing.package_size))
    return owed


def _charged_part(pricing: Percentage, count: int, before: Decimal, running: Decimal) -> Decimal | None:
    """The part of the event of this number that the rate is taken of; None where the event is free."""
    limit = pricing.free_amount
    over = pricing.free_events is not None and count > pricing.free_events
    if over or (pricing.free_events is None and limit is None):
        return running - before
    if limit is None or running <= limit:
        return None
    return running - max(before, limit)


def _event_amount(pricing: Percentage, charged: Decimal) -> Decimal:
    owed = charged * pricing.rate_percent.scaleb(-2) + pricing.per_event_amount
    if pricing.event_minimum is not None:
        owed = max(owed, pricing.event_minimum)
    return owed if pricing.event_maximum is None else min(owed, pricing.event_maximum)
