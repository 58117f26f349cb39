"""Small things that a change of the account machine could break unseen."""

import msgspec
import pytest

from billing.account import HEAD, VOIDED, bounds, id_key, usage_digest, usage_key
from billing.account.frontier import Frontier
from billing.account.identity import REFUSED, command_mark, group_mark, statement_id
from billing.account.items import VERSION, Items
from billing.statement import Line, LineKind, Refused, Repeated, Statement
from tests.billing.journal import SUM, Journal, Raw, brief, fee, per_unit, terms, us, usage

GROUPED: Raw = {**SUM, "group_by": ["region"]}
EACH: Raw = {
    "code": "m", "type": "usage", "meter": "m", "model": "percentage", "rate_percent": "1", "per_event_amount": "0.30",
}  # fmt: skip


def test_every_command_is_known_again_after_a_restore() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(fee()))
    for quantity in ("2", "3", "4"):
        journal.quantity("2026-01-10", "base", quantity)
    for entry in journal.entries[:4]:
        assert journal.append(entry) == [Repeated()]
    head = journal.stored[HEAD]
    assert msgspec.msgpack.decode(head)[2] == b"".join(command_mark(f"command-{n}") for n in range(4))


def test_a_voided_event_is_gone_from_a_price_of_every_event() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(EACH))
    journal.use("a", "2026-01-05", "100")
    journal.use("b", "2026-01-06", "200")
    journal.void("a")
    journal.close("2026-02-01")
    assert brief(journal.statements[0]) == [("usage", "m", "200", "230", "2026-01-01", "2026-02-01")]


def test_the_values_of_a_price_of_every_event_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_VALUES", 2)
    journal = Journal()
    journal.start("2026-01-01", terms(EACH))
    assert [journal.use(name, "2026-01-05") for name in "ab"] == [[], []]
    (refused,) = journal.use("c", "2026-01-05")
    assert isinstance(refused, Refused)
    assert refused.reason == "too-many-values"


def test_of_groups_priced_together_the_running_total_says_the_quantity_and_after_the_close_the_share() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit("m", "2", across_groups=True), meters=[GROUPED]))
    journal.append(usage("a", "2026-01-05", "3", region="eu"))
    journal.write()
    journal.close("2026-02-01")
    journal.write()
    said = [(total.quantity, total.amount_minor) for total in journal.totals]
    assert said == [("3", 0), ("3", 600)]


def test_an_added_charge_is_a_line_of_its_moment() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.charge("2026-01-05", "visit", "10.005", "3", at_once=True)
    assert journal.statements[0].lines == (
        Line(
            kind=LineKind.CHARGE,
            price="visit",
            group={},
            quantity="3",
            amount_minor=3002,
            period_start_us=us("2026-01-05"),
            period_end_us=us("2026-01-05"),
            taxable=True,
            events=0,
        ),
    )


def test_names_have_their_lengths() -> None:
    one = usage("a", "2026-01-05")
    lengths = [len(name) for name in (usage_key(one), id_key("t", "c", "s", "i"), usage_digest(one))]
    assert lengths == [16, 16, 8]
    assert [len(command_mark("c")), len(group_mark(("eu",))), group_mark(())] == [8, 16, b""]
    assert {len(VOIDED), len(REFUSED)} == {len(usage_digest(one))}  # they stand in its place


def test_a_statement_has_the_form_of_a_uuid_of_version_8() -> None:
    journal = Journal()
    (statement,) = journal.start("2026-01-01", terms(fee()))
    assert isinstance(statement, Statement)
    parts = statement.statement_id.split("-")
    assert [len(part) for part in parts] == [8, 4, 4, 4, 12]
    assert (parts[2][0], parts[3][0] in "89ab") == ("8", True)
    assert statement.statement_id == statement_id(journal.entries[0])  # type: ignore[arg-type]  # it is a command
    assert statement.statement_id != statement_id(msgspec.structs.replace(journal.entries[0], command_id="other"))  # type: ignore[arg-type]


def nothing_stored(_: bytes) -> None:
    return None


def test_no_usage_stands_at_the_ceiling_of_the_frontier_itself() -> None:
    frontier = Frontier(Items(nothing_stored))
    assert frontier.ceiling_us == -(1 << 63)  # before all that 64 bits can write
    assert frontier.position_of(0) is None
    frontier.advance(5_000_000, 7)
    assert frontier.ceiling_us == 6_000_000
    assert [frontier.position_of(at_us) for at_us in (0, 5_999_999, 6_000_000)] == [7, 7, None]


def test_old_marks_of_the_frontier_get_sparser_and_the_first_and_the_newest_stay() -> None:
    frontier = Frontier(Items(nothing_stored))
    for second in range(16):
        frontier.advance(second * 1_000_000, second)
    ((_, written),) = frontier.taken()
    assert [position for _, position in msgspec.msgpack.decode(written or b"")[2]] == list(range(16))
    frontier.advance(16_000_000, 16)
    ((_, written),) = frontier.taken()
    marks = [position for _, position in msgspec.msgpack.decode(written or b"")[2]]
    assert marks == [*range(0, 8, 2), *range(8, 17)]
    assert frontier.taken() == []


def test_usage_at_the_very_moment_of_a_command_belongs_to_what_follows_it() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("before", "2026-01-10", "1")
    journal.use("at", "2026-01-11", "2")
    journal.change("2026-01-11", terms(per_unit("n", "10"), plan="q"))
    journal.cancel("2026-01-21")
    assert [brief(one) for one in journal.statements] == [
        [("usage", "m", "1", "100", "2026-01-01", "2026-01-11")],
        [("usage", "n", "2", "2000", "2026-01-11", "2026-01-21")],
    ]


def test_a_term_that_ended_in_a_long_pause_is_trued_up_whatever_was_invoiced_meanwhile() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(fee("base", "0"), {"code": "least", "type": "commitment", "amount": "31.00"}))
    journal.pause("2026-01-11")
    journal.charge("2026-06-01", "visit", "1", at_once=True)
    journal.resume("2026-06-11")
    lines = [brief(one) for one in journal.statements][-1]
    assert ("true_up", "least", "1", "1000", "2026-01-01", "2026-02-01") in lines


def test_a_term_is_kept_as_long_as_its_last_window_takes_late_usage() -> None:
    journal = Journal(reload=True, usage_window_days=28)
    least: Raw = {"code": "least", "type": "commitment", "amount": "10.00"}
    journal.start("2026-01-01", terms(least, per_unit(), period="P28D"))
    journal.close("2026-01-29")
    journal.close("2026-02-26")  # 28 days after the first period's end: it still takes usage
    journal.use("late", "2026-01-28", "4")
    journal.close("2026-03-26")
    assert [line[:4] for line in brief(journal.statements[2])][:2] == [
        ("adjustment", "m", "4", "400"),
        ("adjustment", "least", "0", "-400"),
    ]
    (refused,) = journal.use("later", "2026-01-28", "4")
    assert isinstance(refused, Refused)


def test_a_true_up_is_a_line_of_its_term_without_events() -> None:
    journal = Journal()
    least: Raw = {"code": "least", "type": "commitment", "amount": "31.00", "taxable": False}
    journal.start("2026-01-01", terms(least))
    journal.close("2026-02-01")
    assert journal.statements[0].lines == (
        Line(
            kind=LineKind.TRUE_UP,
            price="least",
            group={},
            quantity="1",
            amount_minor=3100,
            period_start_us=us("2026-01-01"),
            period_end_us=us("2026-02-01"),
            taxable=False,
            events=0,
        ),
    )


def test_usage_at_the_end_of_the_open_period_belongs_to_the_next_before_it_is_closed() -> None:
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("first", "2026-01-01", "1")
    journal.use("at", "2026-02-01", "2")
    journal.close("2026-02-01")
    journal.close("2026-03-01")
    assert [brief(one)[0][2] for one in journal.statements] == ["1", "2"]


def test_of_several_refusals_the_first_subscriptions_is_told() -> None:
    journal = Journal()
    journal.start("2026-02-01", terms(per_unit()))
    journal.start("2026-01-01", terms(per_unit()), subscription="s2")
    journal.cancel("2026-01-05", "s2")
    (refused,) = journal.use("a", "2026-01-10")
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == ("before-start", "subscription s1 starts 2026-02-01 00:00:00+00:00")


def test_full_late_usage_refuses_only_what_is_late_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LARGEST_LATE_BYTES", 1)
    journal = Journal(reload=True)
    journal.start("2026-01-01", terms(per_unit()))
    journal.close("2026-02-01")
    late = [
        journal.use("first", "2026-01-05"),
        journal.use("second", "2026-01-05"),
        journal.append(usage("not measured", "2026-01-05", type_="z")),
        journal.use("in time", "2026-02-05"),
    ]
    assert [[one.reason for one in said if isinstance(one, Refused)] for said in late] == [
        [],
        ["too-many-late"],
        [],
        [],
    ]


def test_names_are_for_ever() -> None:
    """Journals are refolded and ids are kept: another name would bill again what was billed."""
    journal = Journal()
    journal.start("2026-01-01", terms(fee()))
    one = usage("a", "2026-01-05", "1", region="eu")
    assert statement_id(journal.entries[0]) == "abe4a822-9629-801e-9ce9-e552449a369f"  # type: ignore[arg-type]
    assert usage_key(one).hex() == "2c8fccb24b947ae0bc029952a6eb6cb2"
    assert usage_digest(one).hex() == "830c0dba22c7c3f3"
    assert command_mark("c").hex() == "373f6364cd072c1b"
    assert group_mark(("eu", "x")).hex() == "468ba6f65c81a4ba15a85d25d5d5e9cc"


def test_all_bits_of_a_statements_id_but_those_of_its_form_come_from_its_command() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(fee()))
    named = [msgspec.structs.replace(journal.entries[0], command_id=str(number)) for number in range(200)]
    parts = [statement_id(one).split("-") for one in named]  # type: ignore[arg-type]  # they are commands
    assert {part[2][1] for part in parts} == set("0123456789abcdef")
    assert {part[3][0] for part in parts} == set("89ab")
    assert {part[3][1] for part in parts} == set("0123456789abcdef")


def test_what_is_stored_has_a_version_that_changes_with_its_form() -> None:
    assert VERSION == 4  # since late cells keep how long their lines are
