import msgspec
import pytest
from hypothesis import given

from billing.entry import Usage
from schemas import limits
from schemas.errors import UndecodableRecord
from schemas.limits import validated
from tests.schemas.samples import FLIGHT, usages


def test_a_flight_is_within_bounds() -> None:
    assert validated(FLIGHT) is FLIGHT


WITHIN = {
    "the longest ids": {"tenant": "t" * 256, "customer": "c" * 256, "id": "i" * 256, "source": "s" * 256},
    "no source": {"source": ""},
    "a subscription": {"subscription": "s" * 256},
    "other scripts": {"customer": "株式会社", "properties": {"名前": "値　と"}},
    "as many properties as may be": {"properties": {f"{n:0128}": "v" * 1024 for n in range(64)}},
    "no property": {"properties": {}},
    "an empty value": {"properties": {"a": ""}},
    "a customer with a slash": {"customer": "a/b"},
    "the first instant": {"occurred_at_us": 0},
    "the last instant": {"occurred_at_us": limits.LAST_INSTANT_US - 1},
}


@pytest.mark.parametrize("change", WITHIN.values(), ids=WITHIN.keys())
def test_what_is_just_within_bounds_passes(change: dict[str, object]) -> None:
    usage = msgspec.structs.replace(FLIGHT, **change)
    assert validated(usage) is usage


BEYOND = {
    "tenant-missing": {"tenant": ""},
    "tenant-slash": {"tenant": "a/b"},
    "tenant-too-long": {"tenant": "t" * 257},
    "tenant-control-character": {"tenant": "a\x00"},
    "customer-missing": {"customer": ""},
    "customer-too-long": {"customer": "c" * 257},
    "customer-control-character": {"customer": "a\x1b[2J"},
    "id-missing": {"id": ""},
    "id-too-long": {"id": "i" * 257},
    "id-control-character": {"id": "a\n"},
    "type-missing": {"type": ""},
    "type-too-long": {"type": "t" * 257},
    "source-too-long": {"source": "s" * 257},
    "source-control-character": {"source": "a\x7f"},
    "subscription-missing": {"subscription": ""},
    "subscription-too-long": {"subscription": "s" * 257},
    "subscription-control-character": {"subscription": "\x85"},
    "occurred-at-out-of-range": {"occurred_at_us": -1},
    "properties-too-many": {"properties": {str(n): "" for n in range(65)}},
    "property-name-missing": {"properties": {"": "a"}},
    "property-name-too-long": {"properties": {"n" * 129: "a"}},
    "property-name-control-character": {"properties": {"a\t": "a"}},
    "property-value-too-long": {"properties": {"a": "v" * 1025}},
    "property-value-control-character": {"properties": {"a": "a\x00"}},
}


@pytest.mark.parametrize(("reason", "change"), BEYOND.items())
def test_what_is_just_beyond_bounds_is_refused_by_the_name_of_its_field(reason: str, change: dict[str, object]) -> None:
    with pytest.raises(UndecodableRecord) as refusal:
        validated(msgspec.structs.replace(FLIGHT, **change))
    assert refusal.value.reason == reason


def test_an_instant_in_the_year_3000_is_refused() -> None:
    with pytest.raises(UndecodableRecord, match="occurred-at-out-of-range"):
        validated(msgspec.structs.replace(FLIGHT, occurred_at_us=limits.LAST_INSTANT_US))


@given(usages)
def test_the_quick_look_and_the_close_one_agree(usage: Usage) -> None:
    breaches = [reason for reason, _ in limits._breaches(usage)]
    try:
        passed = validated(usage)
    except UndecodableRecord as refusal:
        assert refusal.reason == breaches[0]  # noqa: PT017 - both ways are compared
    else:
        assert (passed, breaches) == (usage, [])
