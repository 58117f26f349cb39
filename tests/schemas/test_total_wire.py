"""The hand-written writer of running totals writes what fastavro does, on every input."""

from hypothesis import given
from hypothesis import strategies as st

from billing.instant import instant
from billing.statement import Total
from schemas import convert
from schemas.total_wire import write_total
from tests.schemas.samples import PREFIX, codec, instants_us, totals, usual_texts

CODEC = codec()
TOPIC = f"{PREFIX}usage-totals"
ANY = usual_texts | st.text(st.characters(codec="utf-8"), max_size=200)


def by_fastavro(total: Total, as_of_us: int) -> bytes:
    return CODEC.encode(TOPIC, convert.total_from_domain(total, as_of=instant(as_of_us)))


@given(totals(ANY, 100), instants_us)
def test_any_total_is_written_as_fastavro_writes_it(total: Total, as_of_us: int) -> None:
    assert CODEC.encode_total(TOPIC, total, as_of_us) == by_fastavro(total, as_of_us)


@given(totals(usual_texts, 63), instants_us)
def test_a_usual_total_is_written_by_hand(total: Total, as_of_us: int) -> None:
    expected = by_fastavro(total, as_of_us)
    assert write_total(expected[:5], total, as_of_us) == expected
