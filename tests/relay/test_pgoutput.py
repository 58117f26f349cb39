"""What may be confirmed, for every way that transactions, other tables' log, batches and acknowledgements can mix."""

from dataclasses import replace
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.relay.errors import UnknownLayout
from connectors.relay.layout import CARRIED, LAYOUT, TYPES_BY_OID, Layout
from connectors.relay.pgoutput import Batch, Decoder

RELATION = 4711
OIDS = {name: oid for oid, name in TYPES_BY_OID.items()}


def wal(body: bytes) -> bytes:
    return b"w" + bytes(24) + body


def relation(layout: Layout = LAYOUT, name: bytes = b"billing_events") -> bytes:
    columns = b"".join(b"\1" + column.encode() + b"\0" + pack("!Ii", OIDS[kind], -1) for column, kind in layout)
    return wal(b"R" + pack("!I", RELATION) + b"beaas\0" + name + b"\0d" + pack("!H", len(layout)) + columns)


def begin(lsn: int, *, at_s: int = 0) -> bytes:
    return wal(b"B" + pack("!QqI", lsn, at_s * 1_000_000, 1))


def commit(lsn: int) -> bytes:
    return wal(b"C" + pack("!BQQq", 0, lsn, lsn, 0))


def row(number: int) -> bytes:
    columns = b"".join(b"b" + pack("!i", 4) + pack("!I", number) for _ in LAYOUT)
    return wal(b"I" + pack("!IcH", RELATION, b"N", len(LAYOUT)) + columns)


def keepalive(lsn: int, *, wants_answer: bool = False) -> bytes:
    return b"k" + pack("!QqB", lsn, 0, wants_answer)


def decoder_of(*frames: bytes) -> Decoder:
    decoder = Decoder()
    for frame in (relation(), *frames):
        decoder.feed_all([frame])
    return decoder


def test_a_batch_has_the_rows_in_order_the_end_and_the_first_commit_time() -> None:
    decoder = decoder_of(begin(10, at_s=5), row(1), row(2), commit(10), begin(20, at_s=9), row(3), commit(20))
    expected = Batch([(pack("!I", n),) * CARRIED for n in (1, 2, 3)], 20, 946_684_805.0)
    assert decoder.take() == expected
    assert decoder.take() == replace(expected, rows=[])


def test_the_position_follows_other_tables_log_while_nothing_is_unconfirmed() -> None:
    decoder = decoder_of(keepalive(100))
    assert decoder.position == 100


def test_an_answer_is_owed_where_the_server_asks() -> None:
    assert [Decoder().feed_all([keepalive(1, wants_answer=wanted)]) for wanted in (True, False)] == [True, False]


def test_a_keepalive_within_a_transaction_confirms_nothing_of_it() -> None:
    decoder = decoder_of(keepalive(5), begin(10), row(1), keepalive(12))
    decoder.confirm(decoder.take().end_lsn)
    assert decoder.position == 5


def test_a_transaction_whose_rows_were_all_taken_still_has_its_end_to_tell() -> None:
    decoder = decoder_of(begin(10), row(1))
    first = decoder.take()
    assert not decoder.has_batch
    decoder.feed_all([commit(10)])
    assert decoder.has_batch
    second = decoder.take()
    assert (first.end_lsn, second.rows, second.end_lsn) == (0, [], 10)


STEPS = st.lists(st.sampled_from(["row", "commit", "keepalive", "take", "confirm"]), max_size=60)


@given(STEPS)
def test_the_position_never_passes_a_row_that_is_not_confirmed_and_reaches_the_end_when_all_are(
    steps: list[str],
) -> None:
    decoder, lsn, number = decoder_of(), 0, 0
    open_rows: list[int] = []  # of the transaction under way
    ends: dict[int, int] = {}  # where the transaction of a committed row ended
    taken: list[Batch] = []
    durable: set[int] = set()
    for step in [*steps, "commit", "keepalive", "take", *["confirm"] * 60]:
        lsn += 10
        if step == "row":
            number += 1
            if not open_rows:
                decoder.feed_all([begin(lsn)])
            open_rows.append(number)
            decoder.feed_all([row(number)])
        elif step == "commit" and open_rows:
            decoder.feed_all([commit(lsn)])
            ends |= dict.fromkeys(open_rows, lsn)
            open_rows = []
        elif step == "keepalive" and not open_rows:
            decoder.feed_all([keepalive(lsn)])
        elif step == "take" and decoder.has_batch:
            taken.append(decoder.take())
        elif step == "confirm" and taken:
            batch = taken.pop(0)
            durable |= {int.from_bytes(columns[0], "big") for columns in batch.rows}
            decoder.confirm(batch.end_lsn)
        assert all(ends[n] > decoder.position for n in ends if n not in durable)
        assert not open_rows or decoder.position < lsn
    assert set(ends) <= durable
    assert decoder.position >= max(ends.values(), default=0)


@given(st.lists(st.integers(1, 4), max_size=5))
def test_frames_read_together_are_as_if_read_one_by_one(rows_of_transactions: list[int]) -> None:
    frames = [relation(), keepalive(1, wants_answer=True)]
    for number, count in enumerate(rows_of_transactions, start=1):
        frames += [begin(number * 10), *(row(n) for n in range(count)), commit(number * 10), keepalive(number * 10 + 5)]
    together, apart = Decoder(), Decoder()
    answers = [apart.feed_all([frame]) for frame in frames]
    assert together.feed_all(frames) == (True in answers)
    assert (together.size_bytes, together.position) == (apart.size_bytes, apart.position)
    assert together.take() == apart.take()


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (relation(LAYOUT[:-1]), "same release"),
        (relation((*LAYOUT[1:], LAYOUT[0])), "same release"),
        (relation((*LAYOUT[:-1], ("created_at", "text"))), "created_at text"),
        (relation(name=b"other"), "beaas.other"),
        (row(1)[:33] + b"n" + row(1)[34:], "no column may be null"),
        (wal(b"I" + pack("!IcH", RELATION + 1, b"N", len(LAYOUT))), "was not described"),
        (wal(b"D" + bytes(10)), "drop the publication"),
        (b"x", "this server's version"),
    ],
)
def test_what_is_not_known_is_refused(frame: bytes, words: str) -> None:
    with pytest.raises(UnknownLayout, match=words):
        decoder_of(begin(1), frame)
