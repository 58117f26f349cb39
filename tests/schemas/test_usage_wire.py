"""The hand-written reader and writer of usage do what fastavro does, on every input."""

import io
import json
import random
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.account import usage_digest, usage_key
from billing.entry import Usage
from schemas import topics
from schemas.codec import Codec
from schemas.convert import usage_from_domain
from schemas.errors import UndecodableRecord, Unencodable
from schemas.files import schema_text
from schemas.usage_wire import read_named, read_usage, write_usage
from tests.schemas.samples import FLIGHT, PREFIX, codec, usages

CODEC = codec()
SCHEMA = fastavro.parse_schema(json.loads(schema_text("beaas.usage.UsageRecorded")))
SHORT_ASCII = st.text(st.characters(codec="ascii"), max_size=63)
usual = st.builds(
    Usage,
    tenant=SHORT_ASCII,
    customer=SHORT_ASCII,
    id=SHORT_ASCII,
    source=SHORT_ASCII,
    type=SHORT_ASCII,
    occurred_at_us=st.integers(300_000_000_000_000, 32_503_680_000_000_000),
    properties=st.dictionaries(SHORT_ASCII, SHORT_ASCII, max_size=63),
    subscription=st.none() | SHORT_ASCII,
)


def by_fastavro(payload: bytes) -> Usage | None:
    """Returns what fastavro reads, without any code of ours, or None where it refuses or leaves bytes over."""
    plain = json.loads(schema_text("beaas.usage.UsageRecorded"))
    plain["fields"][5]["type"] = "long"
    body = io.BytesIO(payload[5:])
    try:
        fields: Any = fastavro.schemaless_reader(body, fastavro.parse_schema(plain), None)
    except Exception:  # noqa: BLE001 - what it raises is not said
        return None
    if body.tell() != len(payload) - 5:
        return None
    return Usage(*fields.values())


def by_codec(codec: Codec, payload: bytes) -> Usage | None:
    try:
        return codec.decode_usage(payload)
    except UndecodableRecord:
        return None


def framed(usage: Usage) -> bytes:
    body = io.BytesIO()
    fields = {
        "tenant_id": usage.tenant,
        "customer_id": usage.customer,
        "id": usage.id,
        "source": usage.source,
        "type": usage.type,
        "occurred_at": usage.occurred_at_us,
        "properties": usage.properties,
        "subscription_id": usage.subscription,
    }
    fastavro.schemaless_writer(body, SCHEMA, fields)
    return CODEC.usage_frame + body.getvalue()


@given(usages)
def test_usage_that_is_named_in_place_has_the_names_that_billing_gives_it(usage: Usage) -> None:
    named = read_named(framed(usage))
    assert named in (None, (usage, usage_key(usage), usage_digest(usage)))
    assert CODEC.decode_named(framed(usage)) == (usage, usage_key(usage), usage_digest(usage))


@given(usual)
def test_usual_usage_is_named_in_place(usage: Usage) -> None:
    assert read_named(framed(usage)) == (usage, usage_key(usage), usage_digest(usage))


def test_usage_that_names_a_property_twice_is_named_by_what_counts() -> None:
    once = msgspec.structs.replace(FLIGHT, properties={"a": "2"})
    twice = framed(once).replace(b"\x02\x02a\x022\0", b"\x04\x02a\x021\x02a\x022\0")
    assert CODEC.decode_named(twice) == (once, usage_key(once), usage_digest(once))


@given(usages)
@example(FLIGHT)
def test_usage_is_written_as_fastavro_writes_it_and_read_back(usage: Usage) -> None:
    payload = CODEC.encode_usage(usage)
    assert payload == framed(usage)
    assert CODEC.decode_usage(payload) == usage


@given(usual)
def test_usual_usage_takes_the_fast_way(usage: Usage) -> None:
    payload = framed(usage)
    assert write_usage(CODEC.usage_frame, usage) == payload
    assert read_usage(payload) == usage


def test_a_flight_takes_the_fast_way() -> None:
    assert read_usage(framed(FLIGHT)) == FLIGHT


@given(usual | usages, st.randoms(use_true_random=False))
def test_mutated_usage_is_read_as_fastavro_reads_it_or_refused_with_it(usage: Usage, rnd: random.Random) -> None:
    payload = bytearray(framed(usage))
    for _ in range(rnd.randint(1, 4)):
        place = rnd.randrange(5, len(payload) + 1)
        match rnd.randrange(4):
            case 0:
                payload[place : place + 1] = bytes([rnd.choice([0, 1, 2, 3, 63, 64, 126, 127, 128, 255])])
            case 1:
                del payload[place : place + rnd.randint(1, 3)]
            case 2:
                payload[place:place] = rnd.randbytes(rnd.randint(1, 3))
            case _:
                payload[place : place + 1] = rnd.randbytes(1)
    assert by_codec(CODEC, bytes(payload)) == by_fastavro(bytes(payload))
    named = read_named(bytes(payload))
    assert named is None or named[1:] == (usage_key(named[0]), usage_digest(named[0]))


def test_an_instant_that_takes_a_byte_too_many_is_named_by_what_it_says() -> None:
    early = msgspec.structs.replace(FLIGHT, occurred_at_us=190_944_000_000_000, properties={})
    zigzag = early.occurred_at_us << 1
    minimal = bytes([*(zigzag >> shift & 127 | 128 for shift in range(0, 42, 7)), zigzag >> 42])
    longer = bytes([*minimal[:-1], minimal[-1] | 128, 0])
    payload = framed(early)
    assert minimal in payload
    twin = payload.replace(minimal, longer)
    assert CODEC.decode_named(twin) == CODEC.decode_named(payload) == (early, usage_key(early), usage_digest(early))


@given(st.binary(max_size=60))
def test_noise_is_read_as_fastavro_reads_it_or_refused_with_it(noise: bytes) -> None:
    payload = CODEC.usage_frame + noise
    assert by_codec(CODEC, payload) == by_fastavro(payload)


HEAD = b"".join(bytes([2 * len(text)]) + text for text in (b"EWR", b"UA", b"1", b"", b"flight"))
INSTANT = b"\x80\xc4\x88\xf0\xec\x8d\xe9\x04"
READABLE = {
    "a block with its size in bytes": b"\x01\x08\x02a\x02b\x00\x00",
    "a block with a wrong size in bytes": b"\x01\x00\x02a\x02b\x00\x00",
    "two blocks": b"\x02\x02a\x02b\x02\x02c\x02d\x00\x00",
    "the same name twice": b"\x04\x02a\x02b\x02a\x02c\x00\x00",
    "no properties": b"\x00\x00",
    "an empty subscription": b"\x00\x02\x00",
    "a length with a byte too many": b"\x02\x82\x00a\x02b\x00\x00",
    "a union's index with a byte too many": b"\x00\x80\x00",
    "a sized block that looks like an empty one before a subscription": b"\x01\x00\x02\x06\x00\x00\x00",
    "a second block that looks like a subscription": b"\x02\x02a\x02b\x02\x02\x06\x00\x00\x00",
}


@pytest.mark.parametrize("tail", READABLE.values(), ids=READABLE.keys())
def test_what_avro_allows_and_few_write_is_read(tail: bytes) -> None:
    payload = CODEC.usage_frame + HEAD + INSTANT + tail
    assert by_fastavro(payload) is not None
    assert CODEC.decode_usage(payload) == by_fastavro(payload)


@pytest.mark.parametrize(
    "instant",
    [
        b"\x80" * 7 + b"\x00",
        b"\x80" * 9 + b"\x01",
        b"\x00",
        b"\xff" * 9 + b"\x01",
        b"\x02" + b"\x02\x08\xc3\xa9\xc3\xa9\x00",  # one byte, and a property whose bytes look like the rest of it
    ],
)
def test_odd_varints_of_the_instant_are_read_as_fastavro_reads_them(instant: bytes) -> None:
    payload = CODEC.usage_frame + HEAD + instant + b"\x00\x00"
    assert by_fastavro(payload) is not None
    assert CODEC.decode_usage(payload) == by_fastavro(payload)


def test_an_instant_whose_ninth_byte_looks_like_a_count_is_read_as_fastavro_reads_it() -> None:
    payload = CODEC.usage_frame + HEAD + b"\x80" * 8 + b"\x02\x00\x00\x00\x00"
    assert by_fastavro(payload) is None
    assert by_codec(CODEC, payload) is None


def test_an_instant_without_end_is_refused_at_once() -> None:
    with pytest.raises(UndecodableRecord, match="malformed"):
        CODEC.decode_usage(CODEC.usage_frame + HEAD + b"\xff" * 900_000)


def test_the_record_of_usage_is_written_like_the_usage() -> None:
    assert CODEC.encode(topics.USAGE.full_name(PREFIX), usage_from_domain(FLIGHT)) == CODEC.encode_usage(FLIGHT)


WRONG = {
    "tenant": 7,
    "customer": b"UA",
    "id": None,
    "type": "lone \ud800 surrogate",
    "occurred_at_us": 1.5,
    "properties": {"miles": 1400},
    "subscription": ("a",),
}


@pytest.mark.parametrize(("field", "value"), WRONG.items())
def test_usage_that_its_schema_cannot_hold_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    wrong = Usage(**{name: getattr(FLIGHT, name) for name in FLIGHT.__struct_fields__} | {field: value})
    with pytest.raises(Unencodable, match=f"Usage.{field}"):
        CODEC.encode_usage(wrong)


@pytest.mark.parametrize("properties", [{("a",): "b"}, {b"a": "b"}, {"a": ["b"]}, {"a": b"b"}])
def test_properties_of_other_types_are_refused(properties: dict[object, object]) -> None:
    wrong = Usage("EWR", "UA", "1", "", "flight", 0, properties)  # type: ignore[arg-type]
    with pytest.raises(Unencodable, match=r"Usage.properties"):
        CODEC.encode_usage(wrong)
    at_a_usual_instant = Usage("EWR", "UA", "1", "", "flight", FLIGHT.occurred_at_us, properties)  # type: ignore[arg-type]
    with pytest.raises(Unencodable, match=r"Usage.properties"):
        CODEC.encode_usage(at_a_usual_instant)
