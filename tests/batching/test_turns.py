from hypothesis import given
from hypothesis import strategies as st

from streams.batching.batch import Record, RecordBatch


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=40, unique=True).map(sorted), st.data())
def test_the_two_parts_of_a_batch_hold_each_record_once_and_chain(offsets: list[int], data: st.DataObject) -> None:
    end = data.draw(st.integers(offsets[-1] + 1, offsets[-1] + 5))  # markers may follow the last record
    size_bytes = data.draw(st.integers(0, 1_000))
    batch = RecordBatch(
        "usage", 3, [Record("usage", 3, offset, 0, None, None) for offset in offsets], 0, end, 0, size_bytes
    )
    count = data.draw(st.integers(1, len(offsets) - 1))
    first, rest = batch.split(count)
    assert [*first.records, *rest.records] == batch.records
    assert (len(first.records), first.start, first.end, rest.end) == (count, 0, rest.start, end)
    assert first.size_bytes + rest.size_bytes == size_bytes  # what keepers add and take away again
    assert all(record.offset < first.end for record in first.records)
    assert all(rest.start <= record.offset for record in rest.records)
