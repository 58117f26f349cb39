"""What an account writes, and what it keeps in memory."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import HEAD, usage_digest, usage_key
from billing.account.frontier import Frontier
from billing.account.identity import long_bytes
from billing.account.items import VERSION, Items
from billing.entry import Coupon
from billing.errors import Defect
from tests.billing.journal import SUM, Journal, brief, per_unit, terms, usage


def nothing_stored(_: bytes) -> None:
    return None


GROUPED = {**SUM, "group_by": ["region"]}


def test_a_flush_writes_only_what_changed() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.append(usage("a", "2026-01-05", region="eu"), usage("b", "2026-01-05", region="us"))
    assert [key[:1] for key, _ in journal.write().items] == [HEAD, b"f", b"g", b"c", b"c"]
    journal.append(usage("c", "2026-01-05", region="eu"))
    assert [key[:1] for key, _ in journal.write().items] == [b"c"]
    assert journal.write().items == []


def test_clean_cells_are_forgotten_and_loaded_when_they_are_asked_for() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.append(*(usage(f"{n}", "2026-01-05", region=f"r{n:03}") for n in range(200)))
    journal.write()
    assert journal.account.size == 200
    journal.append(usage("again", "2026-01-06", "4", region="r007"))
    journal.account.forget_clean()
    assert journal.account.size == 1
    journal.close("2026-02-01")
    quantities = [line[3] for line in brief(journal.statements[0])]
    assert quantities == ["1"] * 7 + ["5"] + ["1"] * 192


def test_the_end_of_a_subscription_leaves_no_items_but_its_head() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.append(*(usage(f"{n}", "2026-01-05", region=f"r{n:03}") for n in range(200)))
    journal.write()
    journal.close("2026-02-01")
    journal.append(usage("late", "2026-01-06", region="new"))
    journal.write()
    journal.cancel("2026-02-10")
    journal.write()
    assert set(journal.stored) == {HEAD, b"f"}


def read_all(journal: Journal) -> None:
    journal.account = journal.restored()
    if not journal.account.states():
        journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.cancel("2026-02-10")


@pytest.mark.parametrize(
    ("prefix", "what"),
    [
        (HEAD, "an account"),
        (b"f", "a frontier"),
        (b"c", "a cell"),
        (b"g", "a list of groups"),
        (b"l", "a list of late cells"),
        (b"p", "parked usage"),
    ],
)
def test_an_item_of_another_version_is_a_defect(prefix: bytes, what: str) -> None:
    journal = Journal()
    if prefix == b"p":
        journal.append(usage("parked", "2026-01-05", region="eu"))
    else:
        journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
        journal.append(usage("a", "2026-01-05", region="eu"))
        journal.close("2026-02-01")
        journal.append(usage("late", "2026-01-06", region="eu"))
    journal.write()
    key = next(key for key in journal.stored if key[:1] == prefix)
    version, *rest = msgspec.msgpack.decode(journal.stored[key])
    assert version == VERSION
    journal.stored[key] = msgspec.msgpack.encode([VERSION + 1, *rest])
    with pytest.raises(Defect, match=f"^{what} of version {VERSION + 1}"):
        read_all(journal)


def test_a_digest_depends_on_all_content_and_not_on_the_order_of_properties() -> None:
    one = usage("a", "2026-01-05", "1", region="eu")
    other = msgspec.structs.replace(one, properties={"region": "eu", "n": "1"})
    assert usage_digest(one) == usage_digest(other)
    changed = [
        msgspec.structs.replace(one, type="z"),
        msgspec.structs.replace(one, occurred_at_us=1),
        msgspec.structs.replace(one, subscription="s1"),
        msgspec.structs.replace(one, properties={"n": "1"}),
    ]
    assert len({usage_digest(each) for each in [one, *changed]}) == 5
    assert {usage_key(each) for each in changed} == {usage_key(one)}


def test_a_key_keeps_its_parts_apart() -> None:
    one = usage("a", "2026-01-05")
    others = [
        msgspec.structs.replace(one, tenant="acmec", customer="1"),
        msgspec.structs.replace(one, source="a", id=""),
        msgspec.structs.replace(one, id="b"),
    ]
    assert len({usage_key(each) for each in [one, *others]}) == 4


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.integers(-1, 2 * 10**9))
def test_no_usage_from_an_instant_on_stands_before_the_frontiers_position(instants: list[int], at_us: int) -> None:
    frontier = Frontier(Items(nothing_stored))
    for position, occurred_at_us in enumerate(instants):
        if occurred_at_us >= frontier.ceiling_us:
            frontier.advance(occurred_at_us, position)
    first = next((position for position, occurred in enumerate(instants) if occurred >= at_us), None)
    found = frontier.position_of(at_us)
    assert first is None or (found is not None and found <= first)


def test_the_frontier_stays_small_and_near() -> None:
    frontier = Frontier(Items(nothing_stored))
    for second in range(10_000):
        frontier.advance(second * 1_000_000, second)
    assert len(dict(frontier.taken())[b"f"] or b"") < 1_000
    assert frontier.position_of(0) == 0
    near = frontier.position_of(9_990 * 1_000_000)
    assert near is not None
    assert 9_980 <= near <= 9_990


def test_what_coupons_and_commitments_need_is_forgotten_with_the_usage_window() -> None:
    journal = Journal(reload=True)
    month = [terms(per_unit(), {"code": "least", "type": "commitment", "amount": "10"})]
    journal.start("2024-01-01", *month, coupons=[Coupon(code="ten", amount_off="10", periods=2)])
    sizes = []
    for number in range(1, 24):
        journal.close(f"{2024 + number // 12}-{number % 12 + 1:02}-01")
        # of the marks of commands there may be 256, so these are not what stays small
        sizes.append(len(journal.stored[HEAD]) - 8 * (number + 1))
    assert max(sizes[4:]) - min(sizes[4:]) <= 16
    assert max(sizes[4:]) < sizes[2]


def test_an_account_that_is_restored_has_changed_nothing() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.append(usage("a", "2026-01-05"))
    journal.write()
    journal.account = journal.restored()
    journal.append(usage("b", "2026-01-04"))
    assert [key[:1] for key, _ in journal.write().items] == [b"c"]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=60),
    st.integers(-1, 70),
)
def test_usage_that_counts_later_than_it_arrived_stands_at_the_frontiers_position_or_later(
    arrivals: list[tuple[int, bool]], at_s: int
) -> None:
    """Some is taken in as it arrives, the others once a window opens for them, after everything else."""
    frontier = Frontier(Items(nothing_stored))
    usages = [(second * 1_000_000, position, later) for position, (second, later) in enumerate(arrivals)]
    for occurred_at_us, position, later in usages:
        if not later and occurred_at_us >= frontier.ceiling_us:
            frontier.advance(occurred_at_us, position)
    frontier.taken()
    for occurred_at_us, position, later in usages:
        if later:
            frontier.include(occurred_at_us, position)
            assert frontier.taken()
    at_us = at_s * 1_000_000
    first = min((position for occurred, position, _ in usages if occurred >= at_us), default=None)
    found = frontier.position_of(at_us)
    assert first is None or (found is not None and found <= first)


def test_what_is_included_moves_no_mark_of_what_occurred_after_it() -> None:
    frontier = Frontier(Items(nothing_stored))
    for second in range(0, 10, 2):
        frontier.advance(second * 1_000_000, 10 + second)
    frontier.include(4_500_000, 3)
    assert [frontier.position_of(second * 1_000_000) for second in (0, 3, 4, 6, 8)] == [3, 3, 3, 16, 18]
    frontier.include(9_000_000, 4)  # at the ceiling itself
    assert frontier.position_of(9_000_000) == 4


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (-2, "03"),
        (2, "04"),
        (-64, "7f"),
        (64, "8001"),
        (-65, "8101"),
        (8192, "808001"),
    ],
)
def test_a_long_is_written_as_avro_writes_it(number: int, written: str) -> None:
    assert long_bytes(number).hex() == written  # the first seven are the table in Avro's specification


def test_an_account_says_where_it_stands() -> None:
    journal = Journal()
    assert journal.account.position == -1
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-05")
    assert journal.account.position == 1
