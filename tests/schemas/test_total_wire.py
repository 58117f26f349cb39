"""The hand-written writer of running totals writes what fastavro does, on every input."""

from hypothesis import given
from hypothesis import strategies as st

from billing.instant import instant
from billing.statement import Total
from schemas import convert
from schemas.total_wire import write_total
from tests.schemas.samples import PREFIX, codec

CODEC = codec()
TOPIC = f"{PREFIX}usage-totals"
USUAL = st.text(st.characters(codec="ascii"), max_size=63)
ANY = USUAL | st.text(st.characters(codec="utf-8"), max_size=200)
INSTANTS = st.integers(0, 32_503_679_999_999_999)


def totals(text: st.SearchStrategy[str], entries: int) -> st.SearchStrategy[Total]:
    return st.builds(
        Total,
        tenant=text,
        customer=text,
        subscription=text,
        price=text,
        group=st.dictionaries(text, text, max_size=entries),
        period_start_us=INSTANTS,
        period_end_us=INSTANTS,
        quantity=text,
        amount_minor=st.integers(-(10**76) + 1, 10**76 - 1) | st.sampled_from([0, -1, 127, 128, -128, -129]),
        currency=text,
        position=st.integers(0, (1 << 63) - 1),
    )


def by_fastavro(total: Total, as_of_us: int) -> bytes:
    return CODEC.encode(TOPIC, convert.total_from_domain(total, as_of=instant(as_of_us)))


@given(totals(ANY, 100), INSTANTS)
def test_any_total_is_written_as_fastavro_writes_it(total: Total, as_of_us: int) -> None:
    assert CODEC.encode_total(TOPIC, total, as_of_us) == by_fastavro(total, as_of_us)


@given(totals(USUAL, 63), INSTANTS)
def test_a_usual_total_is_written_by_hand(total: Total, as_of_us: int) -> None:
    expected = by_fastavro(total, as_of_us)
    assert write_total(expected[:5], total, as_of_us) == expected
