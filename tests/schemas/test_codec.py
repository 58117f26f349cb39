import json
import re
import time
from datetime import UTC, datetime

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.entry import Usage
from schemas import codec as codec_module
from schemas import records, topics
from schemas.codec import MAX_RECORD_SIZE_BYTES, MAX_USAGE_SIZE_BYTES, REASONS, Codec, UnknownIds
from schemas.errors import UndecodableRecord, Unencodable
from schemas.files import schema_text
from schemas.records import RECORDS
from schemas.wire import Record
from tests.schemas.samples import FLIGHT, OWN_IDS, PREFIX, Registered, codec, records_of

CODEC = codec()
TOPIC_OF = {record: topic.full_name(PREFIX) for topic in topics.TOPICS for record in topic.records}
USAGE_SCHEMA = json.loads(schema_text("beaas.usage.UsageRecorded"))
USAGE_FIELDS = {
    "tenant_id": "EWR",
    "customer_id": "UA",
    "id": "1",
    "source": "",
    "type": "flight.departed",
    "occurred_at": datetime(2013, 1, 1, tzinfo=UTC),
    "properties": {"miles": "1400"},
    "subscription_id": None,
}


def changed(*, drop: str | None = None, add: dict[str, object] | None = None, **fields: object) -> str:
    """Returns the schema of usage with fields of other types, one fewer or one more."""
    kept = [dict(field) for field in USAGE_SCHEMA["fields"] if field["name"] != drop]
    for field in kept:
        field["type"] = fields.get(field["name"], field["type"])
    return json.dumps(USAGE_SCHEMA | {"fields": kept + ([add] if add else [])})


def written(schema: str, schema_id: int, fields: dict[str, object]) -> bytes:
    import io  # noqa: PLC0415 - only builders need it

    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(schema)), fields)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


@pytest.mark.parametrize("name", sorted(RECORDS))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(given_data=st.data())
def test_every_record_is_read_back_as_it_was_written(name: str, given_data: st.DataObject) -> None:
    record = given_data.draw(records_of(RECORDS[name]))
    assert CODEC.decode(CODEC.encode(TOPIC_OF[name], record)) == record


def test_a_payload_begins_with_the_id_that_the_registry_gave_its_subject() -> None:
    record = records.CustomerSaved(tenant_id="EWR", customer_id="UA", name="United")
    payload = CODEC.encode("beaas.customer", record)
    assert payload == b"\0" + OWN_IDS["beaas.customer-value"].to_bytes(4, "big") + b"\x06EWR\x04UA\x0cUnited"


def test_a_codec_without_all_ids_says_which_and_what_to_do() -> None:
    ids = {subject: number for subject, number in OWN_IDS.items() if subject != "beaas.invoice-value"}
    with pytest.raises(ValueError, match=r"beaas.invoice-value: run `beaas schemas register`"):
        Codec(ids, Registered(), prefix=PREFIX)


CUSTOMER = records.CustomerSaved(tenant_id="EWR", customer_id="UA", name="United")
NEW_YEAR_2013 = bytes.fromhex("8080bef9d98be904")  # 1,356,998,400,000,000 µs as a zigzag varint
PARKED = records.UsageParked(
    tenant_id="EWR",
    customer_id="UA",
    events=1,
    reason="no subscription",
    as_of=datetime(2013, 1, 1, tzinfo=UTC),
    journal_position=7,
)
CREDIT = records.CreditGranted(
    grant_id="g",
    tenant_id="EWR",
    customer_id="UA",
    currency="USD",
    amount_minor=100,
    priority=1,
    granted_at=datetime(2013, 1, 1, tzinfo=UTC),
)


def with_(record: Record, **fields: object) -> Record:
    return type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | fields)


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (with_(CUSTOMER, name=b"United"), "CustomerSaved.name"),
        (with_(CUSTOMER, name=None), "CustomerSaved.name"),
        (with_(CUSTOMER, name="\ud800"), "CustomerSaved.name"),
        (with_(PARKED, as_of=datetime(2013, 1, 1)), "UsageParked.as_of"),  # noqa: DTZ001 - it must be refused
        (with_(PARKED, as_of=1_357_035_300_000_000), "UsageParked.as_of"),
        (with_(PARKED, events=True), "UsageParked.events"),
        (with_(PARKED, events=1 << 63), "UsageParked.events"),
        (with_(CREDIT, amount_minor=10**76), "CreditGranted.amount_minor"),
        (with_(CREDIT, amount_minor=1.0), "CreditGranted.amount_minor"),
        (with_(CREDIT, priority=1 << 31), "CreditGranted.priority"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused_by_the_name_of_the_field(record: Record, named: str) -> None:
    with pytest.raises(Unencodable, match=named):
        CODEC.encode(TOPIC_OF[record.FULL_NAME], record)


def test_the_ends_of_each_range_are_written() -> None:
    for amount in (10**76 - 1, -(10**76) + 1, 0, 127, 128, -128, -129):
        record = with_(CREDIT, amount_minor=amount, priority=-(1 << 31))
        assert CODEC.decode(CODEC.encode("beaas.credit", record)) == record
    lowest = with_(PARKED, events=-(1 << 63))
    assert CODEC.decode(CODEC.encode("beaas.usage-totals", lowest)) == lowest


def test_a_record_of_another_topic_is_not_written() -> None:
    with pytest.raises(Unencodable, match="does not carry"):
        CODEC.encode("beaas.usage", CUSTOMER)


def reason(payload: bytes, using: Codec = CODEC) -> str:
    with pytest.raises(UndecodableRecord) as refusal:
        using.decode_usage(payload)
    return refusal.value.reason


FLIGHT_BYTES = CODEC.encode_usage(FLIGHT)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "no-framing"),
        (b"\0\0\0\0", "no-framing"),
        (b"\1" + FLIGHT_BYTES[1:], "no-framing"),
        (FLIGHT_BYTES[:5], "malformed"),
        (FLIGHT_BYTES + b"\0", "trailing-bytes"),
        (FLIGHT_BYTES.replace(b"flights", b"fl\xffghts"), "malformed"),
        (CODEC.usage_frame + bytes(MAX_USAGE_SIZE_BYTES), "too-large"),
        (CODEC.encode("beaas.customer", CUSTOMER), "wrong-record"),
        (b"\0\0\0\0\1" + FLIGHT_BYTES[5:], "unknown-schema"),
    ],
)
def test_bytes_that_are_no_usage_are_refused_with_a_reason(payload: bytes, expected: str) -> None:
    assert reason(payload) == expected


@pytest.mark.parametrize("length", range(5, len(FLIGHT_BYTES)))
def test_usage_that_is_cut_short_anywhere_is_refused(length: int) -> None:
    assert reason(FLIGHT_BYTES[:length]) == "malformed"


@pytest.mark.parametrize("count", [b"\x80\x80\x80\x80\x80\x80\x80\x80\x20", b"\xff\xff\xff\xff\xff\xff\xff\xff\x3f"])
def test_a_map_that_claims_2_to_the_60_entries_is_refused_at_once(count: bytes) -> None:
    body = b"\x06EWR\x04UA\x021\x00\x0cflight" + b"\x00" + count
    began_s = time.thread_time()
    assert reason(CODEC.usage_frame + body) == "malformed"
    assert time.thread_time() - began_s < 0.5


@pytest.mark.parametrize("name", sorted(RECORDS))
@given(noise=st.binary(max_size=100))
@settings(max_examples=50)
def test_noise_is_refused_with_one_error_whatever_the_record(name: str, noise: bytes) -> None:
    frame = b"\0" + OWN_IDS[topics.subject(topic_named(name), name, PREFIX)].to_bytes(4, "big")
    for decode in (CODEC.decode, CODEC.decode_journal, CODEC.decode_usage):
        try:
            decode(frame + noise)
        except UndecodableRecord as refusal:
            assert refusal.reason in {"malformed", "trailing-bytes", "wrong-record", "amount-out-of-range"} | {  # noqa: PT017 - noise may also be a record
                "instant-out-of-range"
            }


def topic_named(record: str) -> topics.Topic:
    return next(topic for topic in topics.TOPICS if record in topic.records)


def test_an_amount_or_instant_beyond_its_range_is_refused() -> None:
    wide = json.loads(schema_text("beaas.credit.CreditGranted"))
    fields: dict[str, object] = {
        "grant_id": "g",
        "tenant_id": "t",
        "customer_id": "c",
        "currency": "USD",
        "amount_minor": b"\x7f" * 40,
    }
    fields |= {"priority": 1, "expires_at": None, "granted_at": 0}
    wide["fields"][4]["type"] = "bytes"
    wide["fields"][7]["type"] = "long"
    own = OWN_IDS["beaas.credit-value"]
    with pytest.raises(UndecodableRecord, match="amount-out-of-range"):
        CODEC.decode(written(json.dumps(wide), own, fields))
    with pytest.raises(UndecodableRecord, match="instant-out-of-range"):
        CODEC.decode(written(json.dumps(wide), own, fields | {"amount_minor": b"\1", "granted_at": 1 << 62}))


def test_a_record_without_a_value_is_refused_by_every_reader_and_not_fallen_over() -> None:
    for decode in (CODEC.decode, CODEC.decode_usage, CODEC.decode_journal, CODEC.decode_named):
        with pytest.raises(UndecodableRecord, match=r"^tombstone: the record has no value$"):
            decode(None)


def test_the_reasons_are_those_that_the_module_says() -> None:
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", codec_module.__doc__ or "", re.MULTILINE)) == sorted(REASONS)


def test_no_record_is_larger_than_the_limit() -> None:
    with pytest.raises(UndecodableRecord, match="too-large"):
        CODEC.decode(CODEC.usage_frame + bytes(MAX_RECORD_SIZE_BYTES))


def test_usage_of_another_version_is_resolved_to_ours() -> None:
    newer = changed(drop="source", add={"name": "region", "type": "string", "default": ""})
    registered = Registered({900: newer})
    using = codec(registered)
    payload = written(newer, 900, USAGE_FIELDS | {"region": "eu"})
    expected = Usage("EWR", "UA", "1", "", "flight.departed", 1_356_998_400_000_000, {"miles": "1400"}, None)
    assert using.decode_usage(payload) == expected
    assert using.decode_journal(payload) == expected
    assert registered.asked == [900]


FOREIGN = {
    "milliseconds": (changed(occurred_at={"type": "long", "logicalType": "timestamp-millis"}), "incompatible-schema"),
    "plain numbers": (changed(occurred_at="long"), "incompatible-schema"),
    "a missing field": (changed(drop="id"), "incompatible-schema"),
    "another type": (changed(tenant_id="long"), "incompatible-schema"),
    "another name": (json.dumps(USAGE_SCHEMA | {"name": "Used"}), "incompatible-schema"),
    "no record": ('"string"', "incompatible-schema"),
    "no schema": ("{", "incompatible-schema"),
    "an unknown type": (changed(tenant_id="tenant"), "incompatible-schema"),
    "nesting without end": ("[" * 50_000, "incompatible-schema"),
    "much text": (changed(add={"name": "x", "type": "string", "doc": "x" * 200_000}), "incompatible-schema"),
    "what only one of the parsers refuses": (
        changed(add={"name": "x", "type": ["null", "null"]}),
        "incompatible-schema",
    ),
    "a field twice": (changed(add={"name": "source", "type": "string", "default": ""}), "incompatible-schema"),
    "words for numbers": (
        changed(occurred_at={"type": "long", "logicalType": "timestamp-micros", "precision": "x"}),
        "incompatible-schema",
    ),
    "nesting that parses": (
        changed(add={"name": "x", "type": "@"}).replace('"@"', '{"type":"array","items":' * 900 + '"int"' + "}" * 900),
        "incompatible-schema",
    ),
    "items of no bytes": (
        changed(add={"name": "x", "type": {"type": "array", "items": "null"}, "default": []}),
        "unbounded-schema",
    ),
    "items of an empty record": (
        changed(add={"name": "x", "type": {"type": "array", "items": {"type": "record", "name": "E", "fields": []}}}),
        "unbounded-schema",
    ),
    "a type in itself": (
        changed(
            add={
                "name": "x",
                "type": {
                    "type": "record",
                    "name": "Node",
                    "fields": [{"name": "next", "type": ["null", "Node"]}],
                },
            }
        ),
        "unbounded-schema",
    ),
}


@pytest.mark.parametrize(("schema", "expected"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_schema_that_would_be_misread_or_never_end_is_refused_once_for_all(schema: str, expected: str) -> None:
    registered = Registered({900: schema})
    using = codec(registered)
    payload = b"\0\0\0\3\x84" + FLIGHT_BYTES[5:]
    assert [reason(payload, using), reason(payload, using)] == [expected, expected]
    assert registered.asked == [900]


def test_an_unknown_id_is_asked_for_again_only_after_a_while() -> None:
    now = [0.0]
    registered = Registered()
    using = codec(registered, UnknownIds(limit=10, remembered_s=30, clock=lambda: now[0]))
    payload = b"\0\0\0\3\x84" + FLIGHT_BYTES[5:]
    assert {reason(payload, using) for _ in range(5)} == {"unknown-schema"}
    assert registered.asked == [900]
    registered.schemas[900] = json.dumps(USAGE_SCHEMA)
    now[0] = 31
    assert using.decode_usage(payload) == FLIGHT
    assert registered.asked == [900, 900]


def test_noise_in_frames_asks_the_registry_for_a_bounded_number_of_ids() -> None:
    registered = Registered()
    using = codec(registered, UnknownIds(limit=10, remembered_s=30, clock=lambda: 0.0))
    for number in range(1000, 1100):
        assert reason(b"\0" + number.to_bytes(4, "big") + b"noise", using) == "unknown-schema"
    assert registered.asked == list(range(1000, 1010))


def test_the_schemas_of_other_writers_are_remembered_up_to_a_bound() -> None:
    registered = Registered(dict.fromkeys(range(1000, 1300), json.dumps(USAGE_SCHEMA)))
    using = codec(registered)
    for number in range(1000, 1300):
        assert using.decode_usage(b"\0" + number.to_bytes(4, "big") + FLIGHT_BYTES[5:]) == FLIGHT
    assert len(using._foreign) <= 256


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
def test_reading_and_writing_do_not_depend_on_the_machines_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        payload = CODEC.encode("beaas.usage-totals", PARKED)
        assert payload[-9:-1] == NEW_YEAR_2013  # its position is the last byte
        assert CODEC.decode(payload) == PARKED
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_record_that_its_topic_would_refuse_is_not_written() -> None:
    definition = "x" * topics.CATALOG.max_message_bytes
    with pytest.raises(Unencodable, match=r"beaas.catalog takes"):
        CODEC.encode("beaas.catalog", records.MeterSaved(tenant_id="EWR", meter="m", definition=definition))
