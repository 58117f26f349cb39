"""A fetch is folded in turns: whatever their lengths, every record from its start on is in one of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.batching.batch import Record, RecordBatch, Turn
from tests.support.packed import Together

OFFSETS = st.lists(st.integers(0, 1_000), min_size=1, max_size=40, unique=True).map(sorted)


@st.composite
def fetches(draw: st.DrawFn) -> tuple[RecordBatch, list[int]]:
    """A fetch from somewhere in its first batch of the log up to behind its last, and the offsets that are in it."""
    offsets, cuts = draw(OFFSETS), draw(st.sets(st.integers(1, 39)))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(offsets)), len(offsets)]
    parts = [offsets[low:high] for low, high in pairwise(bounds)]
    start = draw(st.integers(0, parts[0][-1]))
    end = offsets[-1] + draw(st.integers(1, 5))  # markers may follow the last record
    packed = [Together([Record("usage", 3, one, 0, None, b"v" * (one % 7)) for one in part]) for part in parts]
    size_bytes = sum(one.size_bytes for one in packed)
    return RecordBatch("usage", 3, packed, start, end, 0, size_bytes), [offset for offset in offsets if offset >= start]


@given(fetches(), st.data())
def test_every_record_is_in_one_turn_and_turns_chain(fetch: tuple[RecordBatch, list[int]], data: st.DataObject) -> None:
    batch, offsets = fetch
    turns: list[Turn] = []
    rest: RecordBatch | None = batch
    while rest is not None:
        most, before = data.draw(st.integers(1, 50)), rest
        turn, rest = before.turn(most)
        turns.append(turn)
        assert len(turn.records) <= most
        assert all(before.start <= one.offset < turn.end for one in turn.records)
        if rest is not None:
            assert len(turn.records) == most  # no turn is shorter than it must be
            assert (rest.start, rest.end) == (turn.end, batch.end)
            assert rest.offsets > 0  # a turn that moves no position would be waited for in vain
            assert rest.size_bytes <= before.size_bytes
    assert [one.offset for turn in turns for one in turn.records] == offsets
    assert turns[-1].end == batch.end


@given(fetches(), st.data())
def test_the_part_of_a_fetch_from_a_position_on_has_every_record_from_there(
    fetch: tuple[RecordBatch, list[int]], data: st.DataObject
) -> None:
    batch, offsets = fetch
    position = data.draw(st.integers(batch.start, batch.end))
    later = batch.since(position)
    turn, rest = later.turn(1_000)
    assert (rest, turn.end, later.start) == (None, batch.end, position)
    assert [one.offset for one in turn.records] == [one for one in offsets if one >= position]
