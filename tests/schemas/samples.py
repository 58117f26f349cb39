"""Builders of wire tests: records of every kind, usage, and a codec whose ids nobody has to register."""

import types
import typing
from datetime import UTC, datetime
from enum import StrEnum

from hypothesis import strategies as st

from billing.entry import Usage
from billing.statement import Total
from schemas import topics
from schemas.codec import Codec, UnknownIds
from schemas.wire import Record

PREFIX = "beaas."
FIRST_OWN_ID = 7
OWN_IDS = {subject: FIRST_OWN_ID + index for index, subject in enumerate(sorted(topics.subjects(PREFIX)))}
MAX_AMOUNT = 10**76 - 1

FLIGHT = Usage(
    tenant="EWR",
    customer="UA",
    id="UA1545-EWR-20130101T1015Z",
    source="flights",
    type="flight.departed",
    occurred_at_us=1_357_035_300_000_000,
    properties={
        "origin": "EWR",
        "destination": "IAH",
        "distance_miles": "1400",
        "air_time_minutes": "227",
        "departure_delay_minutes": "2",
        "tail": "N14228",
        "seats": "149",
        "engine": "Turbo-fan",
    },
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
usual_texts = st.text(st.characters(codec="ascii"), max_size=63)
instants_us = st.integers(0, 32_503_679_999_999_999)
instants = st.datetimes(timezones=st.just(UTC))
usages = st.builds(
    Usage,
    tenant=texts,
    customer=texts,
    id=texts,
    source=texts,
    type=texts,
    occurred_at_us=st.one_of(
        st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1_300_000_000_000_000, 1_800_000_000_000_000)
    ),
    properties=st.dictionaries(texts, texts, max_size=70),
    subscription=st.none() | texts,
)


class Registered:
    """A registry that holds what a test gave it, and remembers what it was asked."""

    def __init__(self, schemas: dict[int, str] | None = None) -> None:
        self.schemas = schemas or {}
        self.asked: list[int] = []

    def schema(self, schema_id: int) -> str | None:
        """Returns the schema that the test gave."""
        self.asked.append(schema_id)
        return self.schemas.get(schema_id)


def codec(registered: Registered | None = None, unknown: UnknownIds | None = None) -> Codec:
    """Returns a codec whose subjects all have ids of their own."""
    return Codec(OWN_IDS, registered or Registered(), prefix=PREFIX, unknown=unknown)


def records_of(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Returns a strategy of records of one kind, over all that their schema allows."""
    hints = {name: hint for name, hint in typing.get_type_hints(kind).items() if name in kind.__struct_fields__}
    return st.builds(kind, **{name: _values(name, hint) for name, hint in hints.items()})


def _values(name: str, hint: object) -> st.SearchStrategy[object]:
    if isinstance(hint, types.UnionType):
        return st.one_of(*[_values(name, part) for part in typing.get_args(hint)])
    if typing.get_origin(hint) is tuple:
        return st.lists(_values(name, typing.get_args(hint)[0]), max_size=3).map(tuple)
    if isinstance(hint, type) and issubclass(hint, Record):
        return records_of(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    return {
        str: texts,
        bytes: st.binary(max_size=80),
        bool: st.booleans(),
        types.NoneType: st.none(),
        datetime: instants,
        dict[str, str]: st.dictionaries(texts, texts, max_size=4),
        int: st.integers(-MAX_AMOUNT, MAX_AMOUNT)
        if name.endswith("_minor")
        else st.integers(-(1 << 31), (1 << 31) - 1),
    }[hint]  # type: ignore[index]


def totals(text: st.SearchStrategy[str], entries: int) -> st.SearchStrategy[Total]:
    """Running totals whose texts are these, with so many names of a group at most."""
    return st.builds(
        Total,
        tenant=text,
        customer=text,
        subscription=text,
        price=text,
        group=st.dictionaries(text, text, max_size=entries),
        period_start_us=instants_us,
        period_end_us=instants_us,
        quantity=text,
        amount_minor=st.integers(-(10**76) + 1, 10**76 - 1) | st.sampled_from([0, -1, 127, 128, -128, -129]),
        currency=text,
        position=st.integers(0, (1 << 63) - 1),
    )
