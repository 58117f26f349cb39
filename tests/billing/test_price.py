import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.currency import currency
from billing.errors import Defect, InvalidDefinition
from billing.meter import Aggregation, Meter
from billing.money import round_to_minor
from billing.period import billing_period
from billing.price import (
    Billed,
    CommitmentPrice,
    OneOffPrice,
    RecurringPrice,
    UsagePrice,
    amount,
    charge,
    needs_events,
)
from billing.price_definition import parse_price, require_measurable, require_whole_term
from billing.pricing import (
    Graduated,
    GraduatedPercentage,
    PercentTier,
    Tier,
    Volume,
    amount_of_quantity,
)
from tests.billing.definitions import (
    COMMITMENT,
    FEE,
    GRADUATED,
    ONE_OFF,
    PACKAGE,
    PERCENT,
    PERCENTAGE,
    TIERS,
    UNIT,
    definition_of,
    usage_price,
    without,
)

USD = currency("USD")


def joined(*parts: Mapping[str, object]) -> dict[str, object]:
    return {field: value for part in parts for field, value in part.items()}


texts = st.integers(0, 10**9).map(lambda units: f"{Decimal(units).scaleb(-4):f}")
positive_texts = st.integers(1, 10**9).map(lambda units: f"{Decimal(units).scaleb(-4):f}")
quantities = st.integers(0, 10**10).map(lambda units: Decimal(units).scaleb(-5))
values = st.lists(st.integers(-(10**5), 10**7).map(lambda units: Decimal(units).scaleb(-2)), max_size=8)


@st.composite
def tier_lists(draw: st.DrawFn, rate: str = "unit_amount", *, flat: bool = True) -> list[dict[str, object]]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=4)))
    tiers: list[dict[str, object]] = [{"up_to": f"{Decimal(bound).scaleb(-2):f}"} for bound in bounds]
    tiers.append({})
    for tier in tiers:
        tier[rate] = draw(texts)
        if flat and draw(st.booleans()):
            tier["flat_amount"] = draw(texts)
    return tiers


def models() -> st.SearchStrategy[dict[str, object]]:
    def tiered(model: str, rate: str) -> st.SearchStrategy[dict[str, object]]:
        required = {"model": st.just(model), "tiers": tier_lists(rate)}
        return st.fixed_dictionaries(required, optional={"flat_when_zero": st.booleans()})

    return st.one_of(
        st.fixed_dictionaries({"model": st.just("per_unit"), "unit_amount": texts}),
        st.fixed_dictionaries({"model": st.just("dynamic"), "multiplier": texts}),
        tiered("graduated", "unit_amount"),
        tiered("volume", "unit_amount"),
        tiered("graduated_percentage", "rate_percent"),
        st.fixed_dictionaries(
            {"model": st.just("package"), "package_size": positive_texts, "package_amount": texts},
            optional={"partial_packages": st.sampled_from(["up", "down"])},
        ),
    )


conversions = st.sampled_from(["divide_by", "multiply_by"]).flatmap(
    lambda way: st.fixed_dictionaries(
        {way: positive_texts}, optional={"rounding": st.sampled_from(["none", "up", "down", "half_up"])}
    )
)
common = st.fixed_dictionaries(
    {},
    optional={
        "discount_percent": st.integers(0, 100),
        "maximum_amount": texts,
        "minimum_amount": texts,
        "taxable": st.booleans(),
    },
)
of_quantities = st.fixed_dictionaries({}, optional={"free_units": texts, "unit_conversion": conversions})
percentages = st.fixed_dictionaries(
    {"model": st.just("percentage"), "rate_percent": texts},
    optional={
        "per_event_amount": texts,
        "free_events": st.integers(0, 5),
        "free_amount": texts,
        "event_minimum": st.just("0.5"),
        "event_maximum": st.just("80"),
    },
)
by_quantity = st.tuples(models(), of_quantities, common).map(lambda parts: usage_price(**joined(*parts)))
by_event = st.tuples(percentages, common).map(lambda parts: usage_price(**joined(*parts)))
fees = st.builds(
    RecurringPrice,
    code=st.just("base"),
    amount=texts.map(Decimal),
    quantity=texts.map(Decimal),
    billed=st.sampled_from(Billed),
    taxable=st.booleans(),
)


@given(st.one_of(by_quantity, by_event, fees))
def test_a_price_written_and_read_again_is_the_same(price: UsagePrice | RecurringPrice) -> None:
    raw = json.loads(json.dumps(definition_of(price)))
    assert parse_price(raw, "prices[0]") == price
    assert definition_of(parse_price(raw, "prices[0]")) == definition_of(price) == raw


@pytest.mark.parametrize(
    "raw",
    [
        FEE,
        {**FEE, "quantity": "2", "billed": "in_arrears", "taxable": False},
        {**UNIT, "unit_amount": "0.0370", "discount_percent": "12.50", "free_units": "15", "maximum_amount": "400.00"},
        {**without(UNIT, "unit_amount"), "model": "graduated", "tiers": TIERS, "flat_when_zero": False},
        {**UNIT, "unit_conversion": {"divide_by": "1000", "rounding": "up"}},
        {**without(UNIT, "unit_amount"), **PERCENTAGE, "free_events": 3, "event_maximum": "12"},
    ],
)
def test_a_definition_without_needless_fields_comes_back_as_it_was_written(raw: dict[str, object]) -> None:
    assert definition_of(parse_price(raw, "prices[0]")) == raw


def test_a_price_is_read_with_all_its_fields() -> None:
    assert parse_price({**FEE, "quantity": 2, "billed": "in_arrears", "taxable": False}, "") == RecurringPrice(
        code="base", amount=Decimal(29), quantity=Decimal(2), billed=Billed.IN_ARREARS, taxable=False
    )
    price = usage_price(model="graduated", tiers=TIERS, taxable=False)
    assert (price.code, price.meter, type(price.pricing), price.taxable) == ("p", "m", Graduated, False)
    assert price.pricing == usage_price(model="graduated", tiers=TIERS, flat_when_zero=True).pricing
    assert getattr(price.pricing, "tiers", ()) == (
        Tier(up_to=Decimal(10), unit_amount=Decimal(2)),
        Tier(unit_amount=Decimal(1), flat_amount=Decimal(3)),
    )


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(junk, st.sampled_from([FEE, UNIT, GRADUATED, PACKAGE, PERCENT]), st.data())
def test_whatever_stands_in_a_field_is_read_or_refused(
    found: object, raw: dict[str, object], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from([*raw, "unit_conversion", "tiers", "free_units", "free_events", "new"]))
    try:
        price = parse_price({**raw, field: found}, "")
    except InvalidDefinition as refusal:
        assert refusal.field.startswith(field) or field in {"type", "model"}  # noqa: PT017 - reading it is fine too
    else:
        assert parse_price(definition_of(price), "") == price


@given(by_quantity, quantities)
def test_an_amount_is_the_norms_formula_in_plain_fractions(price: UsagePrice, quantity: Decimal) -> None:
    assert Fraction(amount(price, quantity)) == expected_amount(definition_of(price), Fraction(quantity))


def expected_amount(raw: Any, q: Fraction) -> Fraction:
    """The norm's order and formulas again, written as directly as can be from its text."""
    conversion = raw.get("unit_conversion")
    if conversion:
        q = q * Fraction(conversion.get("multiply_by", 1)) / Fraction(conversion.get("divide_by", 1))
        whole = {"up": -(-q // 1), "down": q // 1, "half_up": (q + Fraction(1, 2)) // 1}
        q = Fraction(whole.get(conversion.get("rounding", "none"), q))
    q = max(q - Fraction(raw.get("free_units", 0)), Fraction(0))
    owed = expected_of_model(raw, q) * (100 - Fraction(raw.get("discount_percent", 0))) / 100
    if "maximum_amount" in raw:
        owed = min(owed, Fraction(raw["maximum_amount"]))
    return max(owed, Fraction(raw["minimum_amount"])) if "minimum_amount" in raw else owed


def expected_of_model(raw: Any, q: Fraction) -> Fraction:
    match raw["model"]:
        case "per_unit":
            return q * Fraction(raw["unit_amount"])
        case "dynamic":
            return q * Fraction(raw["multiplier"])
        case "package":
            packages = q / Fraction(raw["package_size"])
            whole = packages // 1 if raw.get("partial_packages") == "down" else -(-packages // 1)
            return whole * Fraction(raw["package_amount"])
    uppers = [Fraction(tier["up_to"]) if "up_to" in tier else None for tier in raw["tiers"]]
    lowers = [Fraction(0), *(upper for upper in uppers if upper is not None)]
    rates = [Fraction(tier.get("unit_amount", 0)) for tier in raw["tiers"]]
    if raw["model"] == "graduated_percentage":
        rates = [Fraction(tier["rate_percent"]) / 100 for tier in raw["tiers"]]
    flats = [Fraction(tier.get("flat_amount", 0)) for tier in raw["tiers"]]
    if q == 0:
        return flats[0] if raw.get("flat_when_zero", True) else Fraction(0)
    rows = list(zip(lowers, uppers, rates, flats, strict=True))
    if raw["model"] == "volume":
        return next(q * rate + flat for _, upper, rate, flat in rows if upper is None or q <= upper)
    entered = [row for row in rows if q > row[0]]
    inside = [(q if upper is None else min(q, upper)) - lower for lower, upper, _, _ in entered]
    return sum((part * rate + flat for part, (_, _, rate, flat) in zip(inside, entered, strict=True)), Fraction(0))


Formula = Callable[[UsagePrice, Decimal], Decimal | Fraction]


def require_graduated_laws(formula: Formula, price: UsagePrice, low: Decimal, step: Decimal) -> None:
    """Without flat amounts: more costs no less, and a step costs at most the step at the highest rate."""
    rates = [tier.rate for tier in getattr(price.pricing, "tiers", ())]
    rise = Fraction(formula(price, low + step)) - Fraction(formula(price, low))
    assert Fraction(step) * Fraction(min(rates)) <= rise <= Fraction(step) * Fraction(max(rates))


@given(tier_lists(flat=False), quantities, quantities)
def test_graduated_is_monotone_and_continuous(tiers: list[dict[str, object]], low: Decimal, step: Decimal) -> None:
    require_graduated_laws(amount, usage_price(model="graduated", tiers=tiers), low, step)


def test_the_graduated_law_finds_a_formula_that_rounds_or_jumps() -> None:
    cheap_first: list[dict[str, object]] = [{"up_to": "1", "unit_amount": "0.004"}, {"unit_amount": "0.008"}]
    price = usage_price(model="graduated", tiers=cheap_first)
    volume = usage_price(model="volume", tiers=cheap_first)
    low, step = Decimal(1), Decimal("0.1")
    require_graduated_laws(amount, price, low, step)
    with pytest.raises(AssertionError):
        require_graduated_laws(lambda price, q: Fraction(charge(price, q, USD), 100), price, low, Decimal(1))
    with pytest.raises(AssertionError):
        require_graduated_laws(lambda _, q: amount(volume, q), price, low, step)


@given(by_quantity, st.lists(quantities, min_size=2, max_size=6))
def test_later_bills_of_a_period_sum_to_one_bill_of_all(price: UsagePrice, totals: list[Decimal]) -> None:
    charges = [charge(price, total, USD) for total in totals]
    later = [after - before for before, after in pairwise(charges)]
    assert charges[0] + sum(later) == charge(price, totals[-1], USD)


@given(by_quantity, quantities, st.integers(1, 28))
def test_an_amount_does_not_depend_on_the_surrounding_context(price: UsagePrice, q: Decimal, precision: int) -> None:
    with localcontext(prec=precision):
        narrow = (amount(price, q), charge(price, q, USD))
    assert narrow == (amount(price, q), round_to_minor(amount(price, q), USD))


@pytest.mark.parametrize(
    ("fields", "quantity", "owed"),
    [
        ({"model": "per_unit", "unit_amount": "10"}, "-5", "0"),
        ({"model": "per_unit", "unit_amount": "10", "free_units": "3"}, "2", "0"),
        ({"model": "per_unit", "unit_amount": "9", "unit_conversion": {"divide_by": "3"}}, "1", "3"),
        ({"model": "per_unit", "unit_amount": "1", "unit_conversion": {"divide_by": "7"}}, "1", "1/7"),
        (
            {"model": "per_unit", "unit_amount": "1", "unit_conversion": {"divide_by": "2", "rounding": "half_up"}},
            "5",
            "3",
        ),
        (
            {"model": "per_unit", "unit_amount": "1", "unit_conversion": {"divide_by": "10", "rounding": "up"}},
            "20",
            "2",
        ),
        ({"model": "per_unit", "unit_amount": "1", "maximum_amount": "5", "minimum_amount": "7"}, "100", "7"),
        ({"model": "per_unit", "unit_amount": "1", "discount_percent": "50", "minimum_amount": "7"}, "10", "7"),
        ({"model": "graduated", "tiers": TIERS}, "10", "20"),
        ({"model": "graduated", "tiers": TIERS}, "10.0000000000000001", "23.0000000000000001"),
        ({"model": "volume", "tiers": TIERS}, "10.5", "13.5"),
        ({"model": "package", "package_size": "0.1", "package_amount": "1"}, "0.3", "3"),
        ({"model": "dynamic", "multiplier": "0.1"}, "0.1", "0.01"),
    ],
)
def test_the_edges_of_a_price(fields: dict[str, object], quantity: str, owed: str) -> None:
    assert Fraction(amount(usage_price(**fields), Decimal(quantity))) == Fraction(owed)


@given(by_event, values)
def test_each_event_is_free_or_owes_its_rate_within_its_bounds(price: UsagePrice, values: list[Decimal]) -> None:
    raw: Any = definition_of(price)
    owed = expected_of_events(raw, [Fraction(value) for value in values])
    owed = owed * (100 - Fraction(raw.get("discount_percent", 0))) / 100
    owed = min(owed, Fraction(raw["maximum_amount"])) if "maximum_amount" in raw else owed
    owed = max(owed, Fraction(raw["minimum_amount"])) if "minimum_amount" in raw else owed
    assert Fraction(amount(price, sum(values, Decimal(0)), values)) == owed
    if not needs_events(price):
        assert amount(price, sum(values, Decimal(0))) == amount(price, Decimal(0), values)


def test_the_event_that_just_fills_what_is_free_is_free_and_a_later_one_pays_in_full() -> None:
    price = usage_price(**PERCENTAGE, per_event_amount="1", event_minimum="3", free_events="3", free_amount="30")
    events = [Decimal(10), Decimal(20), Decimal(50), Decimal(1000)]
    assert [amount(price, Decimal(0), events[:count]) for count in range(5)] == [0, 0, 0, 3, 24]


def expected_of_events(raw: Any, values: Sequence[Fraction]) -> Fraction:
    """The norm's sentences about percentage, one by one."""
    free_events, free_amount = raw.get("free_events"), raw.get("free_amount")
    limited = free_events is not None or free_amount is not None
    most = Fraction(free_amount) if free_amount is not None else None
    owed, total = Fraction(0), Fraction(0)
    for number, value in enumerate(values, start=1):
        total += value
        in_number = limited and (free_events is None or number <= free_events)
        if in_number and (most is None or total <= most):
            continue
        crosses = in_number and most is not None and total - value <= most < total
        part = total - most if crosses and most is not None else value
        cost = part * Fraction(raw["rate_percent"]) / 100 + Fraction(raw.get("per_event_amount", 0))
        cost = max(cost, Fraction(raw["event_minimum"])) if "event_minimum" in raw else cost
        owed += min(cost, Fraction(raw["event_maximum"])) if "event_maximum" in raw else cost
    return owed


def test_only_a_percentage_with_more_than_a_rate_needs_the_events() -> None:
    assert not needs_events(usage_price(**PERCENTAGE))
    assert not needs_events(usage_price(model="per_unit", unit_amount="1"))
    for field in ("per_event_amount", "free_events", "free_amount", "event_minimum", "event_maximum"):
        price = usage_price(**PERCENTAGE, **{field: "1"})
        assert needs_events(price)
        with pytest.raises(Defect, match="needs_events"):
            amount(price, Decimal(1))


def test_a_percentage_is_measured_by_a_sum() -> None:
    percentage, unit = usage_price(**PERCENTAGE), usage_price(model="per_unit", unit_amount="1")
    count = Meter(code="m", event="e", aggregation=Aggregation.COUNT)
    require_measurable(percentage, Meter(code="m", event="e", aggregation=Aggregation.SUM, property="n"), "prices[0]")
    require_measurable(unit, count, "prices[0]")
    with pytest.raises(InvalidDefinition) as refused:
        require_measurable(percentage, count, "prices[0]")
    assert str(refused.value) == "prices[0].meter: percentage prices the events of a meter that sums, 'm' is count"


def test_one_off_prices_and_commitments_are_read_with_all_their_fields() -> None:
    one_off, commitment = {**ONE_OFF, "quantity": "2", "taxable": False}, {**COMMITMENT, "taxable": False}
    assert parse_price(one_off, "") == OneOffPrice(
        code="setup", amount=Decimal("9.99"), quantity=Decimal(2), taxable=False
    )
    assert parse_price(ONE_OFF, "") == OneOffPrice(code="setup", amount=Decimal("9.99"))
    assert parse_price(commitment, "") == CommitmentPrice(
        code="least", amount=Decimal(100), term=billing_period("P1Y"), taxable=False
    )
    assert parse_price(without(COMMITMENT, "term"), "") == CommitmentPrice(code="least", amount=Decimal(100))
    for raw in (one_off, commitment):
        assert definition_of(parse_price(raw, "")) == raw


@pytest.mark.parametrize(
    ("term", "period", "fits"),
    [
        (None, "P1M", True),
        ("P1Y", "P1M", True),
        ("P1Y", "P1Y", True),
        ("P6M", "P3M", True),
        ("P4M", "P3M", False),
        ("P1M", "P1Y", False),
        ("P4W", "P2W", True),
        ("P28D", "P1W", True),
        ("P30D", "P4W", False),
        ("P1Y", "P1W", False),
        ("P28D", "P1M", False),
    ],
)
def test_a_term_is_whole_billing_periods(term: str | None, period: str, *, fits: bool) -> None:
    price = CommitmentPrice(code="c", amount=Decimal(1), term=None if term is None else billing_period(term))
    if fits:
        require_whole_term(price, billing_period(period), "prices[0]")
        return
    with pytest.raises(InvalidDefinition, match=f"a whole multiple of the billing period, {period}") as refused:
        require_whole_term(price, billing_period(period), "prices[0]")
    assert refused.value.field == "prices[0].term"


def test_groups_are_priced_together_where_there_are_groups_whose_values_have_a_sum() -> None:
    together = usage_price(model="per_unit", unit_amount="1", across_groups=True)
    for aggregation in Aggregation:
        for carry_over in (False, True):
            grouped = Meter("m", "e", aggregation, "n", group_by=("region",), carry_over=carry_over)
            if aggregation is Aggregation.LATEST and carry_over:
                with pytest.raises(InvalidDefinition, match="carries a last value for each group") as refused:
                    require_measurable(together, grouped, "prices[0]")
                assert refused.value.field == "prices[0].across_groups"
            else:
                require_measurable(together, grouped, "prices[0]")
    with pytest.raises(InvalidDefinition, match="has no groups") as refused:
        require_measurable(together, Meter("m", "e", Aggregation.SUM, "n"), "prices[0]")
    assert refused.value.field == "prices[0].across_groups"


def test_every_event_may_cost_the_same() -> None:
    price = usage_price(**PERCENTAGE, event_minimum="3", event_maximum="3")
    assert amount(price, Decimal(0), [Decimal(1), Decimal(10**6)]) == Decimal(6)


def test_a_tier_may_have_a_flat_amount_alone() -> None:
    price = usage_price(model="graduated", tiers=[{"up_to": "10", "flat_amount": "5"}, {"unit_amount": "1"}])
    assert [amount(price, Decimal(quantity)) for quantity in (0, 10, 12)] == [5, 5, 7]


def test_a_flat_amount_is_owed_at_zero_where_nothing_else_is_said() -> None:
    tiers = (Tier(unit_amount=Decimal(1), flat_amount=Decimal(3)),)
    percents = (PercentTier(rate_percent=Decimal(1), flat_amount=Decimal(3)),)
    assert amount_of_quantity(Graduated(tiers), Decimal(0)) == Decimal(3)
    assert amount_of_quantity(Volume(tiers), Decimal(0)) == Decimal(3)
    assert amount_of_quantity(GraduatedPercentage(percents), Decimal(0)) == Decimal(3)


@pytest.mark.parametrize(
    ("rounding", "units"),
    [("none", "2 2.4 2.5 2.8"), ("up", "2 3 3 3"), ("down", "2 2 2 2"), ("half_up", "2 2 3 3")],
)
def test_a_converted_quantity_is_rounded_to_whole_units(rounding: str, units: str) -> None:
    price = usage_price(model="per_unit", unit_amount="1", unit_conversion={"divide_by": "10", "rounding": rounding})
    assert [Fraction(amount(price, Decimal(metered))) for metered in (20, 24, 25, 28)] == [
        Fraction(number) for number in units.split()
    ]
