from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import entry as domain
from billing.instant import instant
from billing.statement import Line, LineKind, Statement, Total
from schemas import convert, records
from schemas.errors import UndecodableRecord, Unencodable
from tests.schemas.samples import FLIGHT, codec

CODEC = codec()
WHEN_US = 1_357_035_300_000_000
TERMS = domain.Terms(
    plan="airline",
    plan_version=3,
    billing_period="P1M",
    currency="USD",
    timezone="America/New_York",
    tax_percent="6.625",
    meters=({"code": "miles", "event": "flight.departed", "aggregation": "sum", "property": "distance_miles"},),
    prices=({"code": "gates", "type": "recurring", "amount": "2500.00", "tiers": [{"up_to": None}], "on": True},),
)
COMMAND: dict[str, Any] = {
    "command_id": "0198",
    "tenant": "EWR",
    "customer": "UA",
    "subscription": "UA-EWR",
    "at_us": WHEN_US,
    "correlation_id": "c",
}
ENTRIES: tuple[domain.Entry, ...] = (
    FLIGHT,
    domain.SubscriptionStarted(**COMMAND, anchor_us=WHEN_US - 1, terms=TERMS, trial_end_us=WHEN_US + 1),
    domain.SubscriptionStarted(**COMMAND, anchor_us=WHEN_US, terms=TERMS),
    domain.PlanChanged(**COMMAND, terms=TERMS),
    domain.SubscriptionPaused(**COMMAND),
    domain.SubscriptionResumed(**COMMAND),
    domain.SubscriptionCanceled(**COMMAND),
    domain.CycleClosed(**COMMAND),
    domain.UsageVoided(command_id="v", tenant="EWR", customer="UA", source="flights", id="1", at_us=WHEN_US),
)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_every_journal_entry_goes_over_the_wire_and_comes_back_the_same(entry: domain.Entry) -> None:
    payload = CODEC.encode("beaas.journal", convert.entry_from_domain(entry))
    assert CODEC.decode_journal(payload) == entry


def test_a_record_of_another_topic_is_no_entry() -> None:
    payload = CODEC.encode("beaas.customer", records.CustomerSaved(tenant_id="EWR", customer_id="UA", name="United"))
    with pytest.raises(UndecodableRecord, match="wrong-record"):
        CODEC.decode_journal(payload)


LINE = Line(
    kind=LineKind.ADJUSTMENT,
    price="miles",
    group={"origin": "EWR"},
    quantity="1400.5",
    amount_minor=-(10**40),
    period_start_us=WHEN_US,
    period_end_us=WHEN_US + 1,
    taxable=True,
    events=3,
)
STATEMENT = Statement(
    statement_id="s",
    tenant="EWR",
    customer="UA",
    subscription="UA-EWR",
    plan="airline",
    plan_version=3,
    currency="USD",
    timezone="America/New_York",
    tax_percent="6.625",
    issued_at_us=WHEN_US,
    command_id="0198",
    correlation_id="c",
    position=1 << 40,
    lines=(LINE,),
)
TOTAL = Total(
    tenant="EWR",
    customer="UA",
    subscription="UA-EWR",
    price="miles",
    group={},
    period_start_us=WHEN_US,
    period_end_us=WHEN_US + 1,
    quantity="1400.5",
    amount_minor=5,
    currency="USD",
    position=12,
)


def test_a_statement_goes_over_the_wire_and_comes_back_the_same() -> None:
    record = convert.statement_from_domain(STATEMENT, journal_partition=5)
    read = CODEC.decode(CODEC.encode("beaas.statements", record))
    assert isinstance(read, records.StatementClosed)
    assert (read.journal_partition, convert.statement_to_domain(read)) == (5, STATEMENT)


def test_a_total_goes_over_the_wire_and_comes_back_the_same() -> None:
    as_of = datetime(2013, 1, 2, tzinfo=UTC)
    read = CODEC.decode(CODEC.encode("beaas.usage-totals", convert.total_from_domain(TOTAL, as_of=as_of)))
    assert read == records.UsageTotal(
        tenant_id="EWR",
        customer_id="UA",
        subscription_id="UA-EWR",
        price="miles",
        line_group={},
        period_start=instant(WHEN_US),
        period_end=instant(WHEN_US + 1),
        quantity="1400.5",
        amount_minor=5,
        currency="USD",
        journal_position=12,
        as_of=as_of,
    )


def test_the_kinds_of_lines_are_the_same_on_the_wire_and_in_billing_and_in_one_order() -> None:
    expected = [(kind.name, kind.value) for kind in LineKind]
    assert [(kind.name, kind.value) for kind in records.LineKind] == expected
    assert [(kind.name, kind.value) for kind in records.InvoiceLineKind] == expected


definitions = st.lists(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(1 << 64), 1 << 64) | st.text(st.characters(codec="utf-8")),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    ),
    max_size=3,
).map(tuple)


@given(definitions)
def test_definitions_are_read_as_they_were_written(written: tuple[dict[str, object], ...]) -> None:
    assert convert.definitions(convert.definitions_text(written), "prices") == written


def test_a_number_with_a_fraction_is_read_as_the_digits_that_it_is_written_with() -> None:
    read = convert.definitions(
        '[{"a": 0.10, "b": [1e-7, 12345678901234567890.12345678901234567890], "c": 3}]', "prices"
    )
    assert read == ({"a": "0.10", "b": ["1e-7", "12345678901234567890.12345678901234567890"], "c": 3},)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[{]", '[{"a": NaN}]', '[{"a": -Infinity}]', "[" * 100_000])
def test_what_is_no_array_of_definitions_is_refused(text: str) -> None:
    with pytest.raises(UndecodableRecord, match="malformed: prices"):
        convert.definitions(text, "prices")


@pytest.mark.parametrize("value", [1.5, [1.5], {"a": (0.1,)}, float("nan"), {1, 2}])
def test_a_float_or_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises(Unencodable, match="definition"):
        convert.definitions_text(({"amount": value},))


def test_an_instant_beyond_the_calendar_is_not_written() -> None:
    with pytest.raises(Unencodable, match="beyond the years"):
        convert.entry_from_domain(domain.CycleClosed(**COMMAND | {"at_us": 1 << 60}))
