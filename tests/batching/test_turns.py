"""A fetch is folded in turns: whatever their lengths, every record from its start on is in one of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.batching.batch import Record, RecordBatch, Turn
from tests.support.packed import Together

OFFSETS = st.lists(st.integers(0, 1_000), min_size=1, max_size=40, unique=True).map(sorted)


def record(offset: int) -> Record:
    return Record("usage", 3, offset, 0, None, b"v" * (offset % 7))


@st.composite
def batches(draw: st.DrawFn) -> RecordBatch:
    """A fetch from somewhere in its first batch of the log up to behind its last."""
    offsets, cuts = draw(OFFSETS), draw(st.sets(st.integers(1, 39)))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(offsets)), len(offsets)]
    parts = [offsets[low:high] for low, high in pairwise(bounds)]
    start = draw(st.integers(0, parts[0][-1]))
    end = offsets[-1] + draw(st.integers(1, 5))  # markers may follow the last record
    return RecordBatch("usage", 3, [Together([record(one) for one in part]) for part in parts], start, end)


def offsets_of(batch: RecordBatch) -> list[int]:
    """All that are to be folded."""
    return [one.offset for part in batch.packed for one in part.unpack("usage", 3, batch.start)]


@given(batches(), st.data())
def test_every_record_is_in_one_turn_and_turns_chain(batch: RecordBatch, data: st.DataObject) -> None:
    turns: list[Turn] = []
    rest: RecordBatch | None = batch
    while rest is not None:
        most, start, before = data.draw(st.integers(1, 50)), rest.start, rest
        turn, rest = rest.turn(most)
        turns.append(turn)
        assert len(turn.records) <= most
        assert all(start <= one.offset < turn.end for one in turn.records)
        if rest is not None:
            assert len(turn.records) == most  # no turn is shorter than it must be
            assert (rest.start, rest.end) == (turn.end, batch.end)
            assert rest.size_bytes <= before.size_bytes
    assert [one.offset for turn in turns for one in turn.records] == offsets_of(batch)
    assert turns[-1].end == batch.end


@given(batches(), st.data())
def test_the_part_of_a_batch_from_a_position_on_has_every_record_from_there(
    batch: RecordBatch, data: st.DataObject
) -> None:
    _, rest = batch.turn(data.draw(st.integers(1, 50)))
    cut = rest or batch
    position = data.draw(st.integers(cut.start, cut.end))
    later = cut.since(position)
    turn, none = later.turn(1_000)
    assert (none, turn.end, later.start) == (None, batch.end, position)
    assert [one.offset for one in turn.records] == [one for one in offsets_of(batch) if one >= position]
