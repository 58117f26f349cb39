import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import entry as domain
from billing.instant import instant
from billing.invoice import draw
from billing.statement import Line, LineKind, Statement, Total
from schemas import convert, records
from schemas.errors import UndecodableRecord, Unencodable
from schemas.files import plain
from schemas.wire import Record
from tests.schemas.samples import FLIGHT, Registered, codec

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"

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
MOVED = msgspec.structs.replace(
    TERMS, former_zones=(domain.FormerZone("UTC", "2013-02-01T00:00:00"), domain.FormerZone("Asia/Tokyo", "2013-03-01"))
)
PERCENT = domain.Coupon(code="tenth", percent_off="10")
AMOUNT = domain.Coupon(code="five", amount_off="5.00", periods=3, prices=("gates", "miles"))
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
    domain.SubscriptionStarted(**COMMAND, anchor_us=WHEN_US, terms=MOVED, coupons=(PERCENT, AMOUNT)),
    domain.PlanChanged(**COMMAND, terms=TERMS),
    domain.ZoneChanged(**COMMAND, terms=MOVED),
    domain.QuantityChanged(**COMMAND, price="gates", quantity="2.5"),
    domain.ChargeAdded(**COMMAND, code="setup", amount="-12.5"),
    domain.ChargeAdded(**COMMAND, code="setup", amount="7", quantity="3", taxable=False, at_once=True),
    domain.CouponApplied(**COMMAND, coupon=PERCENT),
    domain.CouponApplied(**COMMAND, coupon=AMOUNT),
    domain.CouponRemoved(**COMMAND, code="tenth"),
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
    discount_minor=10**39,
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
    tzdata="2026b",
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


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
coupons = st.builds(
    domain.Coupon,
    code=texts,
    percent_off=st.none() | texts,
    amount_off=st.none() | texts,
    periods=st.none() | st.integers(1, 10_000),
    prices=st.lists(texts, max_size=3).map(tuple),
)
terms_of_any_zone = st.lists(st.builds(domain.FormerZone, texts, texts), max_size=3).map(
    lambda former: msgspec.structs.replace(TERMS, former_zones=tuple(former))
)
commands = st.one_of(
    st.builds(
        lambda terms, given: domain.SubscriptionStarted(
            **COMMAND, anchor_us=WHEN_US, terms=terms, coupons=tuple(given)
        ),
        terms_of_any_zone,
        st.lists(coupons, max_size=3),
    ),
    terms_of_any_zone.map(lambda terms: domain.ZoneChanged(**COMMAND, terms=terms)),
    st.builds(lambda price, quantity: domain.QuantityChanged(**COMMAND, price=price, quantity=quantity), texts, texts),
    st.builds(
        lambda code, amount, quantity, taxable, at_once: domain.ChargeAdded(
            **COMMAND, code=code, amount=amount, quantity=quantity, taxable=taxable, at_once=at_once
        ),
        texts,
        texts,
        texts,
        st.booleans(),
        st.booleans(),
    ),
    coupons.map(lambda coupon: domain.CouponApplied(**COMMAND, coupon=coupon)),
    texts.map(lambda code: domain.CouponRemoved(**COMMAND, code=code)),
)


@given(commands)
def test_every_command_of_any_content_comes_back_the_same(command: domain.SubscriptionCommand) -> None:
    assert CODEC.decode_journal(CODEC.encode("beaas.journal", convert.entry_from_domain(command))) == command


def test_every_kind_of_entry_is_among_those_tried() -> None:
    """A new command that is not written here fails, and is no surprise of the first one that is sent."""
    assert {type(entry) for entry in ENTRIES} == set(get_args(domain.Entry))


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


def test_an_invoice_tells_every_line_as_the_statement_has_it() -> None:
    invoice = draw(STATEMENT, ())
    told = convert.invoice_from_domain(invoice, invoice_id=UUID(int=7), number="INV-000001")
    read = CODEC.decode(CODEC.encode("beaas.invoice", told))
    assert read == told
    closed = convert.statement_from_domain(STATEMENT, journal_partition=5)
    assert [line.to_wire() for line in told.lines] == [line.to_wire() for line in closed.lines]
    assert (told.tzdata, told.number, told.invoice_id) == ("2026b", "INV-000001", str(UUID(int=7)))


OLD_IDS = {1: "rating/StatementClosed", 2: "subscription/SubscriptionStarted"}
OLD = {number: (SCHEMAS / "history" / "0001" / f"{name}.avsc").read_text() for number, name in OLD_IDS.items()}


def as_written_before(schema_id: int, record: Record) -> bytes:
    """The record in the frame and by the schema of the first release: what is new is not written."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(plain(json.loads(OLD[schema_id]))), record.to_wire())
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def test_what_was_written_before_reads_with_what_is_new_left_out() -> None:
    reader = codec(Registered(OLD))
    line = msgspec.structs.replace(LINE, discount_minor=0)
    before = msgspec.structs.replace(STATEMENT, lines=(line,), tzdata="")
    written = convert.statement_from_domain(before, journal_partition=5)
    read = reader.decode(as_written_before(1, written))
    assert isinstance(read, records.StatementClosed)
    assert convert.statement_to_domain(read) == before
    started = domain.SubscriptionStarted(**COMMAND, anchor_us=WHEN_US, terms=TERMS)
    assert reader.decode_journal(as_written_before(2, convert.entry_from_domain(started))) == started


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
