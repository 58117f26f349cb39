"""What the load reads of totals by hand is what the codec reads."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import told
from billing.statement import Total
from schemas.records import UsageTotal
from tests.schemas.samples import PREFIX, codec

CODEC = codec()
TOPIC = f"{PREFIX}usage-totals"
NAMES = st.text(st.characters(codec="ascii"), max_size=63)
INSTANTS = st.integers(0, 32_503_679_999_999_999)


@given(
    st.builds(
        Total,
        tenant=NAMES,
        customer=NAMES,
        subscription=NAMES,
        price=NAMES,
        group=st.just({}),
        period_start_us=INSTANTS,
        period_end_us=INSTANTS,
        quantity=st.integers(0, 10**30).map(str),
        amount_minor=st.integers(-(10**76) + 1, 10**76 - 1),
        currency=st.just("USD"),
        position=st.integers(0, (1 << 63) - 1),
    ),
    INSTANTS,
)
def test_the_load_reads_quantity_and_position_of_a_total_as_the_codec_does(total: Total, as_of_us: int) -> None:
    record = CODEC.encode_total(TOPIC, total, as_of_us)
    read = CODEC.decode(record)
    assert isinstance(read, UsageTotal)
    assert told(record) == (int(read.quantity), read.journal_position)
