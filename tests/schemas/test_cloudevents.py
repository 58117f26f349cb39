import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entry import Usage
from schemas.cloudevents import MAX_SIZE_BYTES, parse
from schemas.errors import UndecodableRecord

EVENT = {
    "specversion": "1.0",
    "id": "UA1545",
    "source": "flights",
    "type": "flight.departed",
    "time": "2013-01-01T05:15:00-05:00",
    "subject": "UA",
    "tenantid": "EWR",
}


def event(*, without: str | None = None, **attributes: object) -> bytes:
    whole = EVENT | attributes
    return json.dumps({name: value for name, value in whole.items() if name != without}).encode()


def with_data(text: str) -> bytes:
    return event()[:-1] + b', "data": ' + text.encode() + b"}"


def test_an_event_is_usage() -> None:
    payload = event(subscriptionid="UA-EWR", datacontenttype="application/json", traceparent="00", data={"miles": "1"})
    expected = Usage(
        "EWR", "UA", "UA1545", "flights", "flight.departed", 1_357_035_300_000_000, {"miles": "1"}, "UA-EWR"
    )
    assert parse(payload) == expected


def test_numbers_are_read_as_they_are_written_and_booleans_as_words_and_null_as_nothing() -> None:
    properties = parse(
        with_data(
            '{"a": 0.10, "b": 1e-7, "c": 123456789012345678901234567890.5, "d": -0, "e": true, "f": null, "g": "x"}'
        )
    ).properties
    assert properties == {
        "a": "0.10",
        "b": "1e-7",
        "c": "123456789012345678901234567890.5",
        "d": "-0",
        "e": "true",
        "g": "x",
    }


@pytest.mark.parametrize(
    ("time", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.000001z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_time_is_exact_to_the_microsecond_in_any_offset(time: str, us: int) -> None:
    assert parse(event(time=time)).occurred_at_us == us


@pytest.mark.parametrize(
    "time",
    [
        "2013-01-01T05:15:00",
        "2013-01-01",
        "2013-01-01 05:15:00Z",
        "2013-02-30T05:15:00Z",
        "2013-01-01T05:15:60Z",
        "2013-01-01T25:15:00Z",
        "20130101T051500Z",
        "0001-01-01T00:00:00+23:59x",
        "\uff12013-01-01T05:15:00Z",  # a full-width digit
        "now",
    ],
)
def test_a_time_without_offset_or_of_another_form_is_refused(time: str) -> None:
    assert reason(event(time=time)) == "invalid-time"


def reason(payload: bytes) -> str:
    with pytest.raises(UndecodableRecord) as refusal:
        parse(payload)
    return refusal.value.reason


@pytest.mark.parametrize("attribute", EVENT)
def test_every_required_attribute_is_missed_by_its_name(attribute: str) -> None:
    assert reason(event(without=attribute)) == f"missing-{attribute}"
    assert reason(event(**{attribute: ""})) == f"missing-{attribute}"
    assert reason(event(**{attribute: None})) == f"missing-{attribute}"


@pytest.mark.parametrize("attribute", [*EVENT, "subscriptionid", "datacontenttype"])
def test_every_attribute_that_is_no_string_is_refused_by_its_name(attribute: str) -> None:
    for value in (1, ["a"]):
        changes: dict[str, Any] = {attribute: value}
        assert reason(event(**changes)) == f"invalid-{attribute}"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (event(specversion="0.3"), "invalid-specversion"),
        (event(datacontenttype="text/xml"), "invalid-datacontenttype"),
        (with_data("[1]"), "invalid-data"),
        (with_data('"text"'), "invalid-data"),
        (with_data('{"a": {"b": 1}}'), "invalid-data"),
        (with_data('{"a": [1]}'), "invalid-data"),
        (with_data('{"a": NaN}'), "malformed-json"),
        (with_data('{"a": Infinity}'), "malformed-json"),
        (with_data('{"a": 01}'), "malformed-json"),
        (with_data('{"a": "\\ud800"}'), "malformed-json"),
        (with_data("[" * 100_000 + "]" * 100_000), "malformed-json"),
        (event(id="x").replace(b'"x"', b'"\xff"'), "invalid-id"),
        (b"", "malformed-json"),
        (b"[]", "malformed-json"),
        (b"{", "malformed-json"),
        (event() + b"x", "malformed-json"),
        (b" " * (MAX_SIZE_BYTES + 1), "too-large"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_no_event_of_usage_is_refused_with_a_reason(payload: bytes, expected: str) -> None:
    assert reason(payload) == expected


@given(st.binary(max_size=200) | st.from_regex(rb'\{"(id|data|time)": .{0,40}\}', fullmatch=True))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    with pytest.raises(UndecodableRecord):
        parse(noise)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_decimal_loses_a_digit(number: object) -> None:
    text = format(number, "f")
    assert parse(with_data(f'{{"a": {text}}}')).properties == {"a": text}
