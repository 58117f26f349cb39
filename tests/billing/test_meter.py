# ruff: noqa: ARG002 - the planted bugs take what every accumulator takes
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.accumulator import Latest, Maximum, Sum
from billing.errors import Defect, InvalidDefinition, RefusedUsage
from billing.meter import (
    Accumulator,
    Aggregation,
    EventValues,
    Meter,
    Value,
    load_accumulator,
    new_accumulator,
    parse_meter,
)
from billing.period import Span

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Span(START, datetime(2026, 4, 1, tzinfo=UTC))
START_US = int(START.timestamp()) * 10**6
COUNT: dict[str, object] = {"code": "m", "event": "e", "aggregation": "count"}
SUM: dict[str, object] = {"code": "m", "event": "e", "aggregation": "sum", "property": "n"}


@dataclass(frozen=True)
class Event:
    """One event as an accumulator takes it."""

    value: Value
    at_us: int
    position: int


def meter_of(aggregation: Aggregation, *, carry_over: bool = False, percentile: str = "90") -> Meter:
    is_percentile = aggregation is Aggregation.PERCENTILE
    return Meter(
        code="m",
        event="e",
        aggregation=aggregation,
        property=None if aggregation is Aggregation.COUNT else "n",
        percentile=Decimal(percentile) if is_percentile else None,
        carry_over=carry_over,
    )


METERS = [meter_of(aggregation) for aggregation in Aggregation] + [
    meter_of(Aggregation.LATEST, carry_over=True),
    meter_of(Aggregation.WEIGHTED_SUM, carry_over=True),
]
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-50, max_value=50, places=1)


def events_of(meter: Meter) -> st.SearchStrategy[list[Event]]:
    """Few values and few instants, so that ties and repeated values are common; positions are all different."""
    values: st.SearchStrategy[Value] = {
        Aggregation.COUNT: st.none(),
        Aggregation.UNIQUE: st.sampled_from("abcd"),
    }.get(meter.aggregation, numbers)
    times = st.integers(0, 9).map(lambda day: START_US + day * 86_400 * 10**6)
    return st.lists(st.tuples(values, times), max_size=12).map(
        lambda pairs: [Event(value, at_us, position) for position, (value, at_us) in enumerate(pairs)]
    )


meters_with_events = st.sampled_from(METERS).flatmap(lambda meter: st.tuples(st.just(meter), events_of(meter)))


def filled(accumulator: Accumulator, events: Sequence[Event]) -> Accumulator:
    for event in events:
        accumulator.add(event.value, event.at_us, event.position)
    return accumulator


def contents(accumulator: Accumulator) -> tuple[Any, ...]:
    """All that is seen of an accumulator."""
    carried = Decimal(7)
    return (
        accumulator.events,
        accumulator.entries,
        accumulator.quantity(WINDOW, carried),
        accumulator.closing_level(carried),
        accumulator.dump(),
    )


def require_exact_retraction(new: Callable[[], Accumulator], kept: Sequence[Event], gone: Sequence[Event]) -> None:
    """What was added and then retracted was never there."""
    accumulator = filled(new(), sorted([*kept, *gone], key=lambda event: event.position))
    for event in gone:
        accumulator.retract(event.value, event.at_us, event.position)
    assert contents(accumulator) == contents(filled(new(), kept))


def require_no_order(new: Callable[[], Accumulator], events: Sequence[Event], shuffled: Sequence[Event]) -> None:
    """The order in which events are added changes nothing."""
    assert contents(filled(new(), events)) == contents(filled(new(), shuffled))


@given(meters_with_events, st.sets(st.integers(0, 11)))
def test_merged_accumulators_are_one_of_all_their_events(drawn: tuple[Meter, list[Event]], chosen: set[int]) -> None:
    meter, events = drawn
    one, other = (
        filled(new_accumulator(meter), [event for event in events if (event.position in chosen) is there])
        for there in (True, False)
    )
    before = contents(other)
    one.merge(other)
    assert contents(one) == contents(filled(new_accumulator(meter), events))
    assert contents(other) == before


@given(meters_with_events, st.sets(st.integers(0, 11)))
def test_what_is_retracted_was_never_there(drawn: tuple[Meter, list[Event]], chosen: set[int]) -> None:
    meter, events = drawn
    kept = [event for event in events if event.position not in chosen]
    gone = [event for event in events if event.position in chosen]
    require_exact_retraction(lambda: new_accumulator(meter), kept, gone)


@given(meters_with_events, st.randoms(use_true_random=False))
def test_the_order_of_adding_changes_nothing(drawn: tuple[Meter, list[Event]], random: Any) -> None:
    meter, events = drawn
    shuffled = random.sample(events, len(events))
    require_no_order(lambda: new_accumulator(meter), events, shuffled)


@given(meters_with_events, events_of(meter_of(Aggregation.SUM)))
def test_an_accumulator_loaded_from_its_dump_goes_on_as_if_never_stored(
    drawn: tuple[Meter, list[Event]], numbers: list[Event]
) -> None:
    meter, events = drawn
    accumulator = filled(new_accumulator(meter), events)
    loaded = load_accumulator(meter, json.loads(json.dumps(accumulator.dump())))
    assert (type(loaded), contents(loaded)) == (type(accumulator), contents(accumulator))
    if meter.aggregation not in {Aggregation.COUNT, Aggregation.UNIQUE}:
        more = [Event(event.value, event.at_us, 100 + event.position) for event in numbers]
        assert contents(filled(loaded, more)) == contents(filled(accumulator, more))


class _KeepsOnlyTheGreatest(Maximum):
    """Planted: what is smaller than the greatest is forgotten, so that nothing is left when that one goes."""

    __slots__ = ()

    def add(self, value: Value, at_us: int, position: int) -> None:
        assert isinstance(value, Decimal)
        if value == max([value, *map(Decimal, self.counts)]):
            super().add(value, at_us, position)
        else:
            self.events += 1


class _LatestToArrive(Latest):
    """Planted: the last to arrive wins, whenever it occurred."""

    __slots__ = ("last",)

    def add(self, value: Value, at_us: int, position: int) -> None:
        super().add(value, at_us, position)
        self.last = value

    def quantity(self, window: Span, carried: Decimal | None) -> Decimal:
        assert isinstance(self.last, Decimal)
        return self.last


class _FloatSum(Sum):
    """Planted: the sum goes through a float."""

    __slots__ = ()

    def add(self, value: Value, at_us: int, position: int) -> None:
        assert isinstance(value, Decimal)
        self.events += 1
        self.total = Decimal(float(self.total) + float(value))


def test_the_laws_find_the_planted_bugs() -> None:
    low, high = Event(Decimal("0.1"), START_US, 0), Event(Decimal("0.2"), START_US + 1, 1)
    require_exact_retraction(Maximum, [low], [high])
    with pytest.raises(AssertionError):
        require_exact_retraction(_KeepsOnlyTheGreatest, [low], [Event(Decimal("0.2"), START_US, -1)])
    require_no_order(lambda: Latest(carries=False), [low, high], [high, low])
    with pytest.raises(AssertionError):
        require_no_order(lambda: _LatestToArrive(carries=False), [low, high], [high, low])
    third = Event(Decimal("0.3"), START_US, 2)
    require_no_order(Sum, [low, high, third], [third, high, low])
    with pytest.raises(AssertionError):
        require_no_order(_FloatSum, [low, high, third], [third, high, low])


@given(meters_with_events)
def test_what_was_never_added_cannot_be_retracted(drawn: tuple[Meter, list[Event]]) -> None:
    meter, events = drawn
    accumulator = new_accumulator(meter)
    for event in events[:1]:
        with pytest.raises(Defect):
            accumulator.retract(event.value, event.at_us, event.position)
        assert accumulator.events == 0


@pytest.mark.parametrize("aggregation", ["unique", "max", "min", "percentile", "latest"])
def test_a_window_with_other_events_still_knows_what_was_never_added(aggregation: str) -> None:
    meter = meter_of(Aggregation(aggregation))
    there, never = ("a", "b") if aggregation == "unique" else (Decimal(1), Decimal(2))
    accumulator = filled(new_accumulator(meter), [Event(there, START_US, 0)])
    before = contents(accumulator)
    with pytest.raises(Defect, match="never added"):
        accumulator.retract(never, START_US, 0)
    assert contents(accumulator) == before


def test_a_dump_says_its_version_and_another_one_is_a_defect() -> None:
    meter = meter_of(Aggregation.SUM)
    accumulator = filled(new_accumulator(meter), [Event(Decimal("1.50"), START_US, 0)])
    assert accumulator.dump() == [1, 1, "1.5"]
    with pytest.raises(Defect, match="version 2"):
        load_accumulator(meter, [2, 1, "1.5"])


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(1, 10_000))
def test_a_percentile_is_the_least_value_that_enough_values_do_not_exceed(values: list[Decimal], basis: int) -> None:
    percent = Decimal(basis).scaleb(-2)
    meter = meter_of(Aggregation.PERCENTILE, percentile=str(percent))
    found = filled(new_accumulator(meter), [Event(value, START_US, at) for at, value in enumerate(values)])
    enough = [value for value in values if sum(other <= value for other in values) * 100 >= percent * len(values)]
    assert found.quantity(WINDOW, None) == min(enough)


@given(events_of(meter_of(Aggregation.WEIGHTED_SUM)), st.decimals(-9, 9, places=1))
def test_a_weighted_sum_is_the_area_under_its_level(events: list[Event], carried: Decimal) -> None:
    accumulator = filled(new_accumulator(meter_of(Aggregation.WEIGHTED_SUM, carry_over=True)), events)
    area, level, since = Fraction(0), Fraction(carried), START_US
    for event in sorted(events, key=lambda event: event.at_us):
        assert isinstance(event.value, Decimal)
        area += level * (event.at_us - since)
        level, since = level + Fraction(event.value), event.at_us
    area += level * (START_US + WINDOW.length_us - since)
    assert accumulator.quantity(WINDOW, carried) == area / WINDOW.length_us
    assert accumulator.closing_level(carried) == level


@given(events_of(meter_of(Aggregation.WEIGHTED_SUM)), st.integers(1, 30))
def test_a_level_carried_over_a_cut_gives_the_same_average(events: list[Event], day: int) -> None:
    meter = meter_of(Aggregation.WEIGHTED_SUM, carry_over=True)
    cut = START + timedelta(days=day)
    cut_us = START_US + day * 86_400 * 10**6
    first = filled(new_accumulator(meter), [event for event in events if event.at_us < cut_us])
    second = filled(new_accumulator(meter), [event for event in events if event.at_us >= cut_us])
    parts = [
        Fraction(first.quantity(Span(START, cut), None)) * day,
        Fraction(second.quantity(Span(cut, WINDOW.end), first.closing_level(None))) * (31 - day),
    ]
    assert sum(parts) / 31 == filled(new_accumulator(meter), events).quantity(WINDOW, None)


def test_only_a_meter_that_carries_over_hands_on_its_last_value() -> None:
    event = Event(Decimal(5), START_US, 0)
    for aggregation in (Aggregation.LATEST, Aggregation.WEIGHTED_SUM):
        carrying = new_accumulator(meter_of(aggregation, carry_over=True))
        plain = new_accumulator(meter_of(aggregation))
        assert [a.quantity(WINDOW, Decimal(3)) for a in (carrying, plain)] == [3, 0]
        assert [a.closing_level(Decimal(3)) for a in (carrying, plain)] == [3, None]
        assert filled(plain, [event]).closing_level(Decimal(3)) is None
    latest = filled(new_accumulator(meter_of(Aggregation.LATEST, carry_over=True)), [event])
    assert (latest.quantity(WINDOW, Decimal(3)), latest.closing_level(Decimal(3))) == (Decimal(5), Decimal(5))
    filled(latest, [Event(Decimal(6), START_US + 1, 1)])
    assert (latest.quantity(WINDOW, Decimal(3)), latest.closing_level(Decimal(3))) == (Decimal(6), Decimal(6))
    assert new_accumulator(meter_of(Aggregation.LATEST, carry_over=True)).closing_level(None) is None


def test_a_weighted_sum_of_an_empty_window_is_its_level() -> None:
    accumulator = new_accumulator(meter_of(Aggregation.WEIGHTED_SUM, carry_over=True))
    assert accumulator.quantity(Span(START, START), Decimal(4)) == 4


@given(st.lists(st.tuples(numbers, st.integers(0, 3)), max_size=9), st.randoms(use_true_random=False))
def test_event_values_come_by_event_time_and_then_by_arrival(pairs: list[tuple[Decimal, int]], random: Any) -> None:
    events = [Event(value, at_us, position) for position, (value, at_us) in enumerate(pairs)]
    values = EventValues()
    filled(values, random.sample(events, len(events)))
    assert values.values() == tuple(event.value for event in sorted(events, key=lambda event: event.at_us))
    assert values.quantity(WINDOW, None) == sum(value for value, _ in pairs)
    loaded = EventValues()
    loaded.load(json.loads(json.dumps(values.dump())))
    assert contents(loaded) == contents(values)


def test_a_meter_is_read_with_all_its_fields() -> None:
    raw = {
        "code": "p95",
        "event": "request",
        "aggregation": "percentile",
        "property": "ms",
        "percentile": "95",
        "filters": {"region": ["eu", "us"]},
        "group_by": ["model", "tier"],
        "carry_over": False,
    }
    assert parse_meter(raw, "meters[0]") == Meter(
        code="p95",
        event="request",
        aggregation=Aggregation.PERCENTILE,
        property="ms",
        filters={"region": ("eu", "us")},
        percentile=Decimal(95),
        carry_over=False,
        group_by=("model", "tier"),
    )


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({**SUM, "unit": "GB"}, "meters[0].unit"),
        ({**SUM, "\n": "GB"}, "meters[0].'\\n'"),
        ({"event": "e", "aggregation": "count"}, "meters[0].code"),
        ({"code": "m", "aggregation": "count"}, "meters[0].event"),
        ({"code": "m", "event": "e"}, "meters[0].aggregation"),
        ({**COUNT, "aggregation": "median"}, "meters[0].aggregation"),
        ({**COUNT, "aggregation": ["count"]}, "meters[0].aggregation"),
        ({**COUNT, "code": ""}, "meters[0].code"),
        ({**COUNT, "code": 7}, "meters[0].code"),
        ({**COUNT, "code": "c" * 201}, "meters[0].code"),
        ({**COUNT, "code": "a\ud800"}, "meters[0].code"),
        ({**COUNT, "property": "n"}, "meters[0].property"),
        ({**COUNT, "aggregation": "sum"}, "meters[0].property"),
        ({**COUNT, "aggregation": "unique", "property": None}, "meters[0].property"),
        ({**SUM, "percentile": "95"}, "meters[0].percentile"),
        ({**SUM, "aggregation": "percentile"}, "meters[0].percentile"),
        ({**SUM, "aggregation": "percentile", "percentile": "0"}, "meters[0].percentile"),
        ({**SUM, "aggregation": "percentile", "percentile": "100.1"}, "meters[0].percentile"),
        ({**SUM, "aggregation": "percentile", "percentile": 99.9}, "meters[0].percentile"),
        ({**SUM, "carry_over": True}, "meters[0].carry_over"),
        ({**SUM, "aggregation": "latest", "carry_over": "yes"}, "meters[0].carry_over"),
        ({**SUM, "filters": ["region"]}, "meters[0].filters"),
        ({**SUM, "filters": {"region": "eu"}}, "meters[0].filters.region"),
        ({**SUM, "filters": {"region": []}}, "meters[0].filters.region"),
        ({**SUM, "filters": {"region": ["eu", 5]}}, "meters[0].filters.region[1]"),
        ({**SUM, "filters": {"region": ["eu", "eu"]}}, "meters[0].filters.region"),
        ({**SUM, "group_by": "region"}, "meters[0].group_by"),
        ({**SUM, "group_by": ["region", "region"]}, "meters[0].group_by"),
        ({**SUM, "group_by": [""]}, "meters[0].group_by[0]"),
    ],
)
def test_a_wrong_meter_is_refused_with_the_path_of_the_field(raw: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_meter(raw, "meters[0]")
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")


@pytest.mark.parametrize("raw", [None, [], "meter", 5])
def test_what_is_no_mapping_is_no_meter(raw: Any) -> None:
    with pytest.raises(InvalidDefinition, match=r"^meters\[0\]: .*mapping"):
        parse_meter(raw, "meters[0]")


def test_a_meter_matches_what_passes_all_its_filters() -> None:
    meter = parse_meter({**SUM, "filters": {"region": ["eu", "us"], "tier": ["gold"]}}, "")
    assert meter.matches({"region": "us", "tier": "gold", "n": "1"})
    assert not meter.matches({"region": "us", "tier": "tin"})
    assert not meter.matches({"tier": "gold"})
    assert parse_meter(SUM, "").matches({})


def test_a_group_has_the_values_of_its_properties_and_blanks_for_absent_ones() -> None:
    meter = parse_meter({**SUM, "group_by": ["model", "tier"]}, "")
    assert meter.group({"tier": "gold", "model": "small", "n": "1"}) == ("small", "gold")
    assert meter.group({"tier": "gold"}) == ("", "gold")
    assert parse_meter(SUM, "").group({"tier": "gold"}) == ()


def test_a_meter_reads_nothing_a_text_or_a_number() -> None:
    assert parse_meter(COUNT, "").value({}) is None
    assert parse_meter({**SUM, "aggregation": "unique"}, "").value({"n": "ten"}) == "ten"
    assert parse_meter(SUM, "").value({"n": "12.5"}) == Decimal("12.5")


@pytest.mark.parametrize(
    ("aggregation", "properties", "reason"),
    [
        ("sum", {}, "missing-property"),
        ("unique", {"m": "a"}, "missing-property"),
        ("max", {"n": "ten"}, "not-a-decimal"),
        ("avg", {"n": "1e300"}, "out-of-range"),
        ("unique", {"n": "x" * 1025}, "out-of-range"),
    ],
)
def test_usage_that_a_meter_cannot_read_is_refused(aggregation: str, properties: dict[str, str], reason: str) -> None:
    with pytest.raises(RefusedUsage) as refusal:
        parse_meter({**SUM, "aggregation": aggregation}, "").value(properties)
    assert refusal.value.reason == reason


def test_a_meter_without_filters_has_none() -> None:
    assert dict(parse_meter(COUNT, "").filters) == dict(parse_meter({**COUNT, "filters": {}}, "").filters) == {}


def test_a_percentile_may_be_the_hundredth() -> None:
    assert parse_meter({**SUM, "aggregation": "percentile", "percentile": 100}, "").percentile == Decimal(100)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({**COUNT, "property": "n"}, "m.property: count reads no property; sum, unique and the others do"),
        ({**SUM, "percentile": "95"}, "m.percentile: sum has none; the aggregation percentile has"),
        ({**SUM, "carry_over": True}, "m.carry_over: sum has no level to carry; latest and weighted_sum have"),
        (
            {**COUNT, "unit": "GB"},
            "m.unit: a meter has no such field; allowed are aggregation, carry_over, code, event, filters, group_by",
        ),
    ],
)
def test_a_refused_meter_says_what_is_allowed(raw: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_meter(raw, "m")
    assert str(refused.value) == problem


def test_a_long_unique_value_is_kept_as_a_digest_that_no_value_can_be() -> None:
    meter = parse_meter({**SUM, "aggregation": "unique"}, "")
    assert [meter.value({"n": text}) for text in ("x" * 16, "x" * 17, "x" * 1_024, "\ud800" * 17)] == [
        "x" * 16,
        "\x007156ff0f75860efdd6e9f73434461fc7",
        "\x003cd5ff70f8686a3a2c4749d34bdc1c54",
        "\x00fcb60a3d7779c1729f3e6e3eb487953c",
    ]


@pytest.mark.parametrize("aggregation", ["count", "sum", "avg", "weighted_sum"])
def test_what_needs_no_single_values_keeps_none(aggregation: str) -> None:
    meter = meter_of(Aggregation(aggregation))
    value = None if aggregation == "count" else Decimal(1)
    assert filled(new_accumulator(meter), [Event(value, START_US, 0), Event(value, START_US, 1)]).entries == 0


def test_a_meter_that_says_no_more_reads_no_property_and_carries_nothing() -> None:
    assert parse_meter(COUNT, "") == Meter(code="m", event="e", aggregation=Aggregation.COUNT)
    assert not Meter(code="m", event="e", aggregation=Aggregation.COUNT).carry_over


def test_equal_meters_have_equal_hashes() -> None:
    raw = {**SUM, "filters": {"region": ["eu"]}}
    assert len({parse_meter(raw, ""), parse_meter(raw, "")}) == 1
