"""Which window takes usage, why there is none, and the totals that are said of what a window counted."""

import msgspec
import pytest

from billing.account import bounds, fees
from billing.account.items import HEAD, VERSION, Items, groups_key, late_key
from billing.account.subscribed import SubscribedRecord
from billing.account.tariff import tariff, written
from billing.account.timeline import Timeline, TimelineRecord, WindowRecord
from billing.errors import Defect
from billing.statement import Outcome, Refused, Statement, Total
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, Raw, brief, fee, per_unit, terms, us

GROUPED: Raw = {**SUM, "group_by": ["region"]}
LEVEL: Raw = {**SUM, "aggregation": "weighted_sum", "carry_over": True}


def told(quantity: str, amount_minor: int, position: int, group: dict[str, str] | None = None) -> Total:
    """A total of the price `m` for January."""
    return Total(
        tenant=TENANT,
        customer=CUSTOMER,
        subscription="s1",
        price="m",
        group=group or {},
        period_start_us=us("2026-01-01"),
        period_end_us=us("2026-02-01"),
        quantity=quantity,
        amount_minor=amount_minor,
        currency="USD",
        position=position,
    )


def reason(said: list[Outcome]) -> str | None:
    """Why usage was refused; None where it was counted."""
    match said:
        case []:
            return None
        case [Refused() as refused]:
            return refused.reason
        case _:
            raise AssertionError(said)


def nothing_stored(_: bytes) -> None:
    return None


# --- totals


def test_a_total_says_whose_it_is() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit("m", "2"), meters=[GROUPED]))
    journal.use("a", "2026-01-05", "3", region="eu")
    assert journal.totals == [told("3", 600, 1, {"region": "eu"})]


def test_a_group_that_has_lost_its_events_owes_nothing_whatever_its_price_asks_at_least() -> None:
    journal = Journal(reload=True)
    least = per_unit("m", "2", minimum_amount="10")
    journal.start("2026-01-01", terms(least, meters=[GROUPED]))
    journal.use("a", "2026-01-05", "3", region="eu")
    journal.void("a")
    assert journal.totals == [told("3", 1000, 1, {"region": "eu"}), told("0", 0, 2, {"region": "eu"})]


def test_whoever_was_told_of_usage_ahead_of_time_is_told_that_it_is_0_when_it_belongs_elsewhere() -> None:
    journal = Journal(reload=True)
    journal.start("2025-12-01", terms(per_unit("m", "2")))
    journal.use("a", "2026-01-05", "3")
    journal.change("2025-12-20", terms(per_unit("n", "1")))
    assert [total for total in journal.totals if total.price == "m" and total.period_start_us == us("2026-01-01")] == [
        told("3", 600, 1),
        told("0", 0, 2),
    ]


def test_a_window_of_no_length_owes_nothing_whatever_its_price_asks_at_least() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit("m", "2", minimum_amount="10")))
    journal.use("a", "2026-01-05", "3")
    journal.change("2026-01-01", terms(fee("base", "0")))
    nothing = msgspec.structs.replace(told("0", 0, 2), period_end_us=us("2026-01-01"))
    assert journal.totals == [told("3", 1000, 1), nothing]


# --- usage that has no window


def test_usage_beyond_400_days_after_the_open_period_is_too_early() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    assert journal.use("at", "2027-03-08") == [
        Refused("too-early", "it occurs more than 400 days after the open period; check its time")
    ]
    assert reason(journal.use("last", "2027-03-07T23:59")) is None


def test_usage_at_the_end_of_the_open_period_opens_the_next_ahead_of_time() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    assert reason(journal.use("at", "2026-02-01", "2")) is None
    assert [(total.period_start_us, total.period_end_us, total.quantity) for total in journal.totals] == [
        (us("2026-02-01"), us("2026-03-01"), "2")
    ]


def test_the_end_of_a_subscription_is_known_after_a_restore_and_is_no_part_of_it() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    journal.cancel("2026-01-20")
    billed = Refused("final-billed", "the last statement of subscription s1 is out; bill it by hand")
    ended = Refused("after-end", "subscription s1 ended 2026-01-20 00:00:00+00:00")
    assert journal.use("before", "2026-01-19T23:59") == [billed]
    assert journal.use("at", "2026-01-20") == [ended]
    assert journal.use("after", "2026-01-25") == [ended]


def test_in_a_pause_is_told_from_too_old_by_the_end_of_the_newest_window_that_is_forgotten() -> None:
    journal = Journal(reload=True, usage_window_days=5)
    journal.start("2026-01-01", terms(per_unit()))
    journal.pause("2026-01-11")
    journal.resume("2026-01-21")
    journal.close("2026-02-01")
    too_old = Refused("too-old", "its period ended more than 5 days before the newest close; bill it by hand")
    paused = Refused("paused", "subscription s1 was paused then")
    assert journal.use("before", "2026-01-10T23:59") == [too_old]
    assert journal.use("at", "2026-01-11") == [paused]
    assert journal.use("after", "2026-01-15") == [paused]
    assert journal.use("resumed", "2026-01-21") == []


def test_a_window_that_is_kept_only_for_its_level_takes_no_usage_any_more() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(), meters=[LEVEL]))
    journal.use("first", "2026-01-01", "31")
    journal.change("2026-02-01", terms(fee("base", "0")))
    for month in ("02", "03", "04"):
        journal.close(f"2026-{month}-01")
    assert reason(journal.use("late", "2026-01-05")) == "too-old"
    journal.change("2026-04-01", terms(per_unit(), meters=[LEVEL]))
    journal.close("2026-05-01")
    assert ("usage", "m", "31", "3100", "2026-04-01", "2026-05-01") in brief(journal.statements[-1])


def test_what_was_forgotten_stays_so_also_where_an_older_window_is_kept_for_its_level() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(), meters=[LEVEL]))
    journal.use("first", "2026-01-01", "31")
    journal.close("2026-02-01")
    journal.change("2026-02-01", terms(fee("base", "0")))
    for month in ("03", "04", "05"):
        journal.close(f"2026-{month}-01")
    assert reason(journal.use("late", "2026-02-10")) == "too-old"
    journal.charge("2026-05-02", "visit", "1", at_once=True)
    assert reason(journal.use("later", "2026-02-10")) == "too-old"


def test_of_two_windows_that_are_forgotten_one_after_the_other_both_are_too_old() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    for month in ("02", "03", "04", "05"):
        journal.close(f"2026-{month}-01")
    assert [reason(journal.use(at, at)) for at in ("2026-01-10", "2026-02-10", "2026-03-10")] == [
        "too-old",
        "too-old",
        None,
    ]


def test_a_window_takes_usage_up_to_and_with_the_close_that_is_the_usage_window_after_its_end() -> None:
    journal = Journal(reload=True, usage_window_days=28)
    journal.start("2026-01-01", terms(per_unit()))
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    assert reason(journal.use("late", "2026-01-10")) is None
    journal.pause("2026-03-01T00:01")
    assert reason(journal.use("later", "2026-01-10")) == "too-old"


# --- the order of windows


def test_levels_pass_through_windows_in_order_of_time_whichever_usage_opened_first() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(), meters=[LEVEL]))
    for at, change in (("2026-01-01", "1"), ("2026-03-01", "4"), ("2026-02-01", "2")):
        journal.use(at, at, change)
    for month in ("02", "03", "04"):
        journal.close(f"2026-{month}-01")
    assert [brief(statement)[0][2] for statement in journal.statements] == ["1", "3", "7"]


def test_a_term_that_ended_before_its_window_did_is_kept_as_long_as_the_window() -> None:
    journal = Journal(reload=True)
    least: Raw = {"code": "least", "type": "commitment", "amount": "7.00"}
    journal.start("2026-01-01", terms(fee("base", "0")))
    journal.change("2026-01-10", terms(least, per_unit(), period="P7D"))
    for at in ("02-01", "02-05", "02-12", "02-19", "02-26"):
        journal.close(f"2026-{at}")
    journal.use("late", "2026-01-20", "4")
    journal.close("2026-03-05")
    assert [line for line in brief(journal.statements[-1]) if line[0] == "adjustment"] == [
        ("adjustment", "m", "4", "400", "2026-01-10", "2026-02-01"),
        ("adjustment", "least", "0", "-400", "2026-01-10", "2026-01-15"),
    ]


def test_a_meter_that_does_not_match_leaves_the_event_to_the_next() -> None:
    journal = Journal()
    filtered: Raw = {**SUM, "filters": {"region": ["eu"]}}
    journal.start(
        "2026-01-01", terms(per_unit(), {**per_unit("n"), "meter": "n"}, meters=[filtered, {**SUM, "code": "n"}])
    )
    journal.use("a", "2026-01-05", "3", region="us")
    journal.use("b", "2026-01-05", "4", region="eu")
    journal.close("2026-02-01")
    assert [line[1:3] for line in brief(journal.statements[0])] == [("m", "4"), ("n", "7")]


# --- what is stored


def test_late_cells_are_stored_in_order() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.close("2026-02-01")
    regions = [f"r{n:02}" for n in range(40)]
    for region in reversed(regions):
        journal.use(region, "2026-01-05", region=region)
    journal.write()
    version, cells, _ = msgspec.msgpack.decode(journal.stored[late_key(0)])
    assert (version, cells) == (VERSION, [[0, 0, [region]] for region in regions])


def test_groups_are_stored_in_parts_of_64() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    regions = [f"r{n:03}" for n in range(129)]
    for region in regions:
        journal.use(region, "2026-01-05", region=region)
    parts = [msgspec.msgpack.decode(value) for key, value in sorted(journal.stored.items()) if key[:1] == b"g"]
    assert parts == [[VERSION, [[region] for region in regions[at : at + 64]]] for at in (0, 64, 128)]


@pytest.mark.parametrize(
    ("key", "what"), [(late_key(0), "a list of late cells"), (groups_key(0, 0, 0, 0), "a list of groups")]
)
def test_a_list_of_another_version_is_refused_by_its_name(key: bytes, what: str) -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[GROUPED]))
    journal.use("a", "2026-01-05", region="eu")
    journal.close("2026-02-01")
    journal.use("b", "2026-01-05", region="us")
    journal.write()
    stored = msgspec.msgpack.decode(journal.stored[key])
    journal.stored[key] = msgspec.msgpack.encode([VERSION + 1, *stored[1:]])
    journal.account = journal.restored()
    with pytest.raises(Defect) as refused:
        journal.use("c", "2026-01-05", region="new")
    assert str(refused.value) == (
        f"{what} of version {VERSION + 1} was stored, this code reads {VERSION}; replay rebuilds it"
    )


def test_in_a_pause_that_outlives_all_former_windows_only_the_open_term_is_kept() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms({"code": "least", "type": "commitment", "amount": "7.00"}))
    journal.close("2026-02-01")
    journal.pause("2026-02-11")
    journal.resume("2026-06-01")
    journal.pause("2026-06-11")
    (subscribed,) = msgspec.msgpack.decode(journal.stored[HEAD])[1]
    kept = msgspec.convert(subscribed, SubscribedRecord).addenda
    assert kept is not None
    assert [(term.start_us, term.end_us) for term in kept.commitments] == [(us("2026-06-01"), us("2026-07-01"))]


def test_a_window_that_was_stored_before_levels_outlived_windows_takes_usage() -> None:
    stored = msgspec.msgpack.encode([3, 0, 10, False, True, 1])
    assert msgspec.msgpack.decode(stored, type=WindowRecord) == WindowRecord(
        number=3, start_us=0, end_us=10, trial=False, closed=True, terms=1, expired=False
    )


def test_a_window_that_opens_is_no_trial_where_nothing_is_said() -> None:
    timeline = Timeline(0, TimelineRecord(), Items(nothing_stored))
    timeline.open(us("2026-01-01"), us("2026-02-01"), tariff(written(terms(per_unit()))))
    assert timeline.current is not None
    assert (timeline.current.start_us, timeline.current.end_us, timeline.current.trial) == (
        us("2026-01-01"),
        us("2026-02-01"),
        False,
    )


def test_a_price_without_groups_keeps_its_line_when_its_cell_is_forgotten() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-05", "3")
    journal.write()
    journal.account.forget_clean()
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "3", "300", "2026-01-01", "2026-02-01")]


# --- bounds


def line_bytes(group: str | None = None) -> int:
    """About how long a line of the price `m` is."""
    return bounds.line_bytes("m", (), ()) if group is None else bounds.line_bytes("m", ("region",), (group,))


@pytest.mark.parametrize("reload", [False, True], ids=["live", "restored"])
@pytest.mark.parametrize(("room_for_more", "second"), [(0, "too-many-late"), (1, None)])
def test_late_usage_is_taken_while_the_lines_of_what_is_late_are_shorter_than_the_bound(
    room_for_more: int, second: str | None, monkeypatch: pytest.MonkeyPatch, *, reload: bool
) -> None:
    monkeypatch.setattr(bounds, "LARGEST_LATE_BYTES", line_bytes() + room_for_more)
    journal = Journal(reload=reload)
    journal.start("2026-01-01", terms(per_unit()))
    for month in ("02", "03"):  # each statement makes room again
        journal.close(f"2026-{month}-01")
        said = [reason(journal.use(f"{month} {name}", "2026-01-31")) for name in ("first", "second")]
        assert said == [None, second]


@pytest.mark.parametrize("reload", [False, True], ids=["live", "restored"])
@pytest.mark.parametrize(("room_for_more", "third"), [(0, "too-many-late"), (1, None)])
@pytest.mark.parametrize("across_groups", [False, True], ids=["apart", "together"])
def test_the_first_late_group_of_those_priced_together_makes_a_line_of_each_and_any_other_its_own(
    room_for_more: int, third: str | None, monkeypatch: pytest.MonkeyPatch, *, across_groups: bool, reload: bool
) -> None:
    first = line_bytes("eu") + line_bytes("usa") if across_groups else line_bytes("eu")
    monkeypatch.setattr(bounds, "LARGEST_LATE_BYTES", first + line_bytes("usa") + room_for_more)
    journal = Journal(reload=reload)
    journal.start("2026-01-01", terms(per_unit(across_groups=across_groups), meters=[GROUPED]))
    for region in ("eu", "usa"):
        journal.use(region, "2026-01-05", region=region)
    journal.close("2026-02-01")
    said = [
        reason(journal.use(f"late {n}", "2026-01-05", region=region)) for n, region in enumerate(("eu", "usa", "eu"))
    ]
    assert said == [None, None, third]


@pytest.mark.parametrize("reload", [False, True], ids=["live", "restored"])
@pytest.mark.parametrize("room_for_more", [0, 1])
def test_a_new_group_is_taken_while_the_lines_of_all_groups_are_shorter_than_the_bound(
    room_for_more: int, monkeypatch: pytest.MonkeyPatch, *, reload: bool
) -> None:
    monkeypatch.setattr(bounds, "LARGEST_GROUPS_BYTES", line_bytes("eu") + room_for_more)
    journal = Journal(reload=reload)
    plain, unique = {**SUM, "code": "n"}, {**SUM, "code": "o", "event": "y", "aggregation": "unique"}
    prices = [{**per_unit(code), "meter": code} for code in ("n", "m", "o")]
    journal.start("2026-01-01", terms(*prices, meters=[plain, GROUPED, unique]))
    assert journal.use("first", "2026-01-05", region="eu") == []
    full = Refused("too-many-groups", "the groups of 'm' fill a statement; group by something rarer")
    assert journal.use("new", "2026-01-05", region="us") == ([] if room_for_more else [full])
    assert journal.use("newer", "2026-01-05", region="uk") == [full]
    assert journal.use("known", "2026-01-05", region="eu") == []
    assert journal.use("without groups", "2026-01-05", type_="y") == []


@pytest.mark.parametrize("reload", [False, True], ids=["live", "restored"])
def test_a_cell_that_is_full_says_of_which_meter(monkeypatch: pytest.MonkeyPatch, *, reload: bool) -> None:
    monkeypatch.setattr(bounds, "MOST_VALUES", 2)
    journal = Journal(reload=reload)
    journal.start("2026-01-01", terms(per_unit(), meters=[{**SUM, "aggregation": "max"}]))
    assert [journal.use(n, "2026-01-05", n) for n in ("1", "2", "3")] == [
        [],
        [],
        [Refused("too-many-values", "meter 'm' keeps 2 values of a period at most")],
    ]


def test_a_quantity_that_changes_too_often_is_refused_until_the_next_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fees, "MOST_STRETCHES", 2)
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(fee(billed="in_arrears")))
    assert len(journal.quantity("2026-01-10", "base", "2")) == 1
    answer, refused = journal.quantity("2026-01-11", "base", "3")
    assert isinstance(answer, Statement)
    assert refused == Refused(
        "illegal-command", "the quantity of base has changed too often in this period; wait for the next"
    )
    journal.close("2026-02-01")
    assert len(journal.quantity("2026-02-01", "base", "3")) == 1


def test_behind_a_resumption_usage_still_counts_that_was_sent_long_before_it() -> None:
    """A resumption passes no barrier, so usage that was acknowledged before it may stand behind it."""
    journal = Journal(usage_window_days=5)
    journal.start("2026-01-01", terms(per_unit()))
    journal.pause("2026-01-10")
    journal.resume("2026-03-01")
    assert journal.use("in time", "2026-01-05", "3") == []
    journal.close("2026-04-01")
    assert ("adjustment", "m", "3", "300", "2026-01-01", "2026-01-10") in brief(journal.statements[-1])
    assert reason(journal.use("late", "2026-01-06")) == "too-old"


def test_a_time_average_that_was_told_before_its_window_was_shortened_is_billed_over_the_shorter_one() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[LEVEL]))
    journal.use("a", "2026-01-11", "4")
    journal.write()  # a running total over all of January
    journal.change("2026-01-21", terms(per_unit("n"), plan="q", meters=[LEVEL]))
    journal.cancel("2026-01-21")
    assert journal.totals[-1].quantity != "2"
    assert brief(journal.statements[0])[0][2:4] == ("2", "200")  # 4 for 10 of 20 days
