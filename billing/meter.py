"""Meters: which usage counts, what is read from it, and which accumulator makes a quantity of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, assert_never

from billing.accumulator import (
    Accumulator,
    Average,
    Count,
    EventValues,
    Latest,
    Maximum,
    Minimum,
    Percentile,
    State,
    Sum,
    Unique,
    Value,
    WeightedSum,
)
from billing.definition import Fields
from billing.errors import RefusedUsage
from billing.quantity import parse_quantity

__all__ = [
    "CARRYING",
    "KEEPING",
    "Accumulator",
    "Aggregation",
    "EventValues",
    "Meter",
    "State",
    "Value",
    "load_accumulator",
    "new_accumulator",
    "parse_meter",
]

LONGEST_VALUE: Final = 1_024
_LONGEST_KEPT: Final = 16  # longer texts are kept as their digests, so that values of whatever length take 70 bytes


class Aggregation(StrEnum):
    """How the values of a window become one quantity."""

    COUNT = "count"
    SUM = "sum"
    MAX = "max"
    MIN = "min"
    AVG = "avg"
    UNIQUE = "unique"
    LATEST = "latest"
    WEIGHTED_SUM = "weighted_sum"
    PERCENTILE = "percentile"


_UNIQUE: Final = Aggregation.UNIQUE  # an enum's member is looked up in 50 ns, and here for each event and meter
CARRYING: Final = frozenset({Aggregation.LATEST, Aggregation.WEIGHTED_SUM})
"""The aggregations whose last value or level may live on in the next window."""
KEEPING: Final = frozenset(
    {Aggregation.MAX, Aggregation.MIN, Aggregation.UNIQUE, Aggregation.LATEST, Aggregation.PERCENTILE}
)
"""The aggregations that keep values one by one, so that a cell grows with them."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured: usage of the type `event` that passes every filter, by its `property`, for each group."""

    code: str
    event: str
    aggregation: Aggregation
    property: str | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    percentile: Decimal | None = None
    carry_over: bool = False
    group_by: tuple[str, ...] = ()

    def matches(self, properties: Mapping[str, str]) -> bool:
        """Whether every filtered property has one of its values; one that is absent has none."""
        for name, allowed in self.filters.items():  # noqa: SIM110 - a generator costs as much as all else of an event
            if properties.get(name) not in allowed:
                return False
        return True

    def group(self, properties: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the values of the `group_by` properties in their order, `''` for one that is absent."""
        return tuple([properties.get(name, "") for name in self.group_by]) if self.group_by else ()

    def value(self, properties: Mapping[str, str]) -> Value:
        """Returns what this meter reads from one event.

        Raises:
            RefusedUsage: `missing-property`, `not-a-decimal` or `out-of-range`.
        """
        if self.property is None:
            return None
        text = properties.get(self.property)
        if text is None:
            raise RefusedUsage("missing-property", f"meter {self.code!r} reads {self.property!r}, which is absent")
        if self.aggregation is not _UNIQUE:
            return parse_quantity(text)
        if len(text) > LONGEST_VALUE:
            raise RefusedUsage("out-of-range", f"a unique value has at most {LONGEST_VALUE} characters")
        return text if len(text) <= _LONGEST_KEPT else _digest(text)


def _digest(text: str) -> str:
    # No text from outside has a NUL, so none can pass for the digest of another.
    return "\0" + blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def parse_meter(raw: Mapping[str, object], where: str) -> Meter:
    """Returns the meter that `raw` defines; `where` is the path that errors begin with, such as `meters[0]`.

    Raises:
        InvalidDefinition: a field is unknown, missing, of the wrong type, out of its bounds, or contradicts another.
    """
    fields = Fields(raw, where)
    aggregation = fields.word("aggregation", Aggregation)
    meter = Meter(
        code=fields.text("code"),
        event=fields.text("event"),
        aggregation=aggregation,
        property=_property(fields, aggregation),
        filters=_filters(fields),
        percentile=_percentile(fields, aggregation),
        carry_over=fields.flag("carry_over", default=False),
        group_by=fields.optional_names("group_by"),
    )
    if meter.carry_over and aggregation not in CARRYING:
        raise fields.refusal("carry_over", f"{aggregation} has no level to carry; latest and weighted_sum have")
    fields.close("a meter")
    return meter


def _property(fields: Fields, aggregation: Aggregation) -> str | None:
    if aggregation is not Aggregation.COUNT:
        return fields.text("property")
    if fields.has("property"):
        raise fields.refusal("property", "count reads no property; sum, unique and the others do")
    return None


def _percentile(fields: Fields, aggregation: Aggregation) -> Decimal | None:
    if aggregation is Aggregation.PERCENTILE:
        return fields.decimal("percentile", most=100, above=True)
    if fields.has("percentile"):
        raise fields.refusal("percentile", f"{aggregation} has none; the aggregation percentile has")
    return None


def _filters(fields: Fields) -> Mapping[str, tuple[str, ...]]:
    inner = fields.optional_inner("filters")
    if inner is None:
        return MappingProxyType({})
    return MappingProxyType({name: inner.names(name) for name in inner.fields()})


def new_accumulator(meter: Meter) -> Accumulator:  # noqa: PLR0911 - one for each aggregation
    """Returns the empty accumulator of a meter, for one window and one group."""
    match meter.aggregation:
        case Aggregation.COUNT:
            return Count()
        case Aggregation.SUM:
            return Sum()
        case Aggregation.MAX:
            return Maximum()
        case Aggregation.MIN:
            return Minimum()
        case Aggregation.AVG:
            return Average()
        case Aggregation.UNIQUE:
            return Unique()
        case Aggregation.LATEST:
            return Latest(carries=meter.carry_over)
        case Aggregation.WEIGHTED_SUM:
            return WeightedSum(carries=meter.carry_over)
        case Aggregation.PERCENTILE:
            assert meter.percentile is not None
            return Percentile(meter.percentile)
        case _:
            assert_never(meter.aggregation)


def load_accumulator(meter: Meter, dumped: State) -> Accumulator:
    """Returns the accumulator that `dump` was taken of.

    Raises:
        Defect: the dump is of a version that this code does not know.
    """
    accumulator = new_accumulator(meter)
    accumulator.load(dumped)
    return accumulator
