"""What the load reads of totals by hand is what the codec reads."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import told
from billing.statement import Total
from schemas.records import UsageTotal
from tests.schemas.samples import PREFIX, codec, instants_us, totals, usual_texts

CODEC = codec()
TOPIC = f"{PREFIX}usage-totals"


@given(totals(usual_texts, 0), st.integers(0, 10**30), instants_us)
def test_the_load_reads_quantity_and_position_of_a_total_as_the_codec_does(
    drawn: Total, quantity: int, as_of_us: int
) -> None:
    record = CODEC.encode_total(TOPIC, msgspec.structs.replace(drawn, quantity=str(quantity)), as_of_us)
    read = CODEC.decode(record)
    assert isinstance(read, UsageTotal)
    assert told(record) == (int(read.quantity), read.journal_position)
