"""What the other invariants say, to the word where it counts, and what they let pass."""

import re
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invariants import (
    Attempt,
    CellFact,
    CommandFact,
    DeadLetterFact,
    EventFact,
    Finding,
    FunctionFact,
    InvoiceFact,
    IsolationFact,
    LagFact,
    Measure,
    OutboxFact,
    PositionFact,
    ReadFact,
    RefoldFact,
    RestartFact,
    RoleFact,
    SequenceFact,
    SightFact,
    SizeFact,
    TableFact,
    ViewFact,
    aggregates_are_in_order,
    commits_follow_effects,
    every_event_has_one_fate,
    everything_settles,
    finals_stay,
    invoices_add_up,
    nothing_runs_away,
    outbox_is_published,
    records_decode,
    repeats_change_nothing,
    replay_agrees,
    state_is_its_fold,
    tenants_are_apart,
    usage_is_conserved,
)
from streams.cli import app
from tests.invariants.telling import told

# I07, I08 -------------------------------------------------------------------------------------------------------------


def event(*, in_outbox: bool, published: int, age_s: int) -> OutboxFact:
    return OutboxFact("acme", "invoice", "id", in_outbox, published, age_s)


def test_an_event_that_waits_too_long_or_came_from_nowhere_is_told() -> None:
    sound = [event(in_outbox=True, published=0, age_s=30), event(in_outbox=True, published=2, age_s=99)]
    assert told(outbox_is_published([*sound, event(in_outbox=False, published=0, age_s=99)])) == []
    late, ghost = event(in_outbox=True, published=0, age_s=31), event(in_outbox=False, published=1, age_s=0)
    assert told(outbox_is_published([late, ghost])) == [
        ("acme", "invoice event id", "in the outbox for 31 s and not on the topic: is the relay running? See its slot"),
        ("acme", "invoice event id", "on the topic 1 times and never in the outbox: who else writes there?"),
    ]
    assert told(outbox_is_published([event(in_outbox=True, published=0, age_s=5)], within_s=4)) != []


@given(st.lists(st.integers(0, 2), max_size=8))
def test_an_aggregate_in_order_is_sound_whatever_is_repeated(repeats: list[int]) -> None:
    order = [1]
    for back in repeats:
        order += [max(1, order[-1] - back), order[-1] + 1] if back else [max(order) + 1]
    rises = [value for value in order if value <= 1 + max([0, *order[: order.index(value)]])]
    facts = [SequenceFact("acme", "invoice", "a", str(value), value) for value in rises]
    assert told(aggregates_are_in_order(facts)) == []


def test_an_event_before_those_that_it_follows_is_told_and_another_aggregate_begins_anew() -> None:
    sequences = [("a", 1), ("a", 1), ("a", 3), ("a", 2), ("a", 4), ("b", 1), ("c", 2)]
    facts = [SequenceFact("acme", "invoice", name, f"{name}{place}", place) for name, place in sequences]
    between = "what is between is lost or came later"
    assert told(aggregates_are_in_order(facts)) == [
        ("acme", "invoice a", f"event a3 is number 3 of its aggregate and follows number 1: {between}"),
        ("acme", "invoice c", f"event c2 is number 2 of its aggregate and follows number 0: {between}"),
    ]


# I11 ------------------------------------------------------------------------------------------------------------------


def test_what_is_apart_is_passed_and_what_is_not_is_told_with_what_to_do() -> None:
    sound: list[IsolationFact] = [
        TableFact("beaas.invoices", has_tenant=True, forces_security=True),
        TableFact("beaas.currencies", has_tenant=False, forces_security=False),
        TableFact("beaas.placement", has_tenant=False, forces_security=False),
        TableFact("beaas.migrations", has_tenant=False, forces_security=False),
        ViewFact("report.invoices", as_invoker=True),
        FunctionFact("beaas.isolate", as_definer=False),
        RoleFact("beaas_api", above_security=False),
        SightFact("acme", "beaas.invoices", 0),
    ]
    assert told(tenants_are_apart(sound)) == []
    broken: list[IsolationFact] = [
        TableFact("beaas.a", has_tenant=False, forces_security=True),
        TableFact("beaas.b", has_tenant=True, forces_security=False),
        ViewFact("report.c", as_invoker=False),
        FunctionFact("beaas.d", as_definer=True),
        RoleFact("beaas_api", above_security=True),
        SightFact("acme", "beaas.invoices", 3),
    ]
    assert told(tenants_are_apart(broken)) == [
        ("", "beaas.a", "its rows name no tenant: call beaas.isolate on it in a migration"),
        ("", "beaas.b", "row-level security is not forced: call beaas.isolate on it in a migration"),
        ("", "report.c", "shows all tenants to each: make it WITH (security_invoker = true)"),
        ("", "beaas.d", "runs with its owner's rights: make it SECURITY INVOKER"),
        ("", "beaas_api", "row-level security does not hold for it: take the attribute away"),
        ("acme", "beaas.invoices", "3 of what it sees there is not its own: close the way, then find who looked"),
    ]


# I12, I16, I17 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", [state_is_its_fold, finals_stay, replay_agrees])
def test_what_stands_and_what_is_refolded_are_compared_by_the_byte(judge: type) -> None:
    sound = [RefoldFact("acme", "A", b"one", b"one"), RefoldFact("acme", "B", None, None)]
    assert told(judge(sound)) == []
    long = b"\x01" * 33
    broken = [
        RefoldFact("acme", "A", b"\x01", b"\x02"),
        RefoldFact("", "B", None, long),
        RefoldFact("", "C", long[1:], None),
    ]
    assert told(judge(broken)) == [
        ("acme", "A", "stands as 01 and comes out as 02"),
        ("", "B", f"stands as nothing and comes out as {'01' * 32}… (33 bytes)"),
        ("", "C", f"stands as {'01' * 32} and comes out as nothing"),
    ]


def test_each_comparison_says_which_it_is_and_what_to_do() -> None:
    broken = [RefoldFact("acme", "A", b"\x01", b"\x02")]
    stands = "stands as 01 and comes out as 02. "
    assert [found for judge in (state_is_its_fold, finals_stay, replay_agrees) for found in judge(broken)] == [
        Finding(invariant, "acme", "A", stands + remedy)
        for invariant, remedy in (
            ("I12", "Stop the worker, delete its data directory, and start it: it restores itself"),
            ("I16", "Final rows never change: find who changed it, and correct it by a new entry"),
            ("I17", "See which line differs: beaas replay --tenant acme --diff"),
        )
    ]


# I13, I14 -------------------------------------------------------------------------------------------------------------


def test_a_commit_beyond_what_is_done_is_told_with_the_offset_to_go_back_to() -> None:
    facts = [PositionFact("sink", "statements", 3, committed, 6) for committed in (0, 6, 7, 8)]
    assert told(commits_follow_effects([*facts, PositionFact("sink", "statements", 3, 0, -1)])) == [
        (
            "",
            "sink on statements/3",
            "committed offset 8, and what offset 7 should have done is not there",
        )
    ]


def command(*attempts: tuple[bytes, bytes | None], effects: int) -> list[CommandFact]:
    return [CommandFact("acme", "cmd", tuple(Attempt(*one) for one in attempts), effects)]


def test_a_command_is_told_for_other_answers_other_contents_and_other_effects() -> None:
    same, other, refused = (b"a", b"1"), (b"b", b"1"), (b"b", None)
    for sound in (command(same, same, refused, effects=1), command(refused, effects=0), command(effects=0)):
        assert told(repeats_change_nothing(sound)) == []
    assert [detail for *_, detail in told(repeats_change_nothing(command(same, (b"b", b"2"), effects=2)))] == [
        "2 different contents were taken under one id, in place of one and conflicts",
        "it had 2 effects in place of 1",
    ]
    assert told(repeats_change_nothing(command(same, (b"a", b"2"), effects=1))) == [
        ("acme", "cmd", "the same content was answered in 2 different ways")
    ]
    assert told(repeats_change_nothing(command(same, other, effects=1)))
    assert told(repeats_change_nothing(command(refused, effects=1))) == [
        ("acme", "cmd", "it had 1 effects in place of 0")
    ]


# I18, I19, I20 --------------------------------------------------------------------------------------------------------


def test_an_unreadable_record_needs_a_dead_letter_with_cause_and_bytes() -> None:
    sound = [
        ReadFact("usage", 0, 1, "", None, keeps_bytes=False),
        ReadFact("usage", 0, 2, "bad", "not-avro", keeps_bytes=True),
        ReadFact("usage", 0, 3, "", "conflict", keeps_bytes=True),
    ]
    assert told(records_decode(sound)) == []
    broken = [
        ReadFact("usage", 0, 1, "bad", None, keeps_bytes=True),
        ReadFact("usage", 0, 2, "bad", "", keeps_bytes=False),
    ]
    assert told(records_decode(broken)) == [
        ("", "usage/0/1", "can't be read (bad) and is no dead letter: whoever reads the topic stands still"),
        ("", "usage/0/2", "its dead letter gives no cause"),
        ("", "usage/0/2", "its dead letter () does not hold the bytes that it had"),
    ]


def test_what_is_behind_for_too_long_is_told() -> None:
    sound = [LagFact("a", 0, "records", 999), LagFact("a", 9, "records", 60), LagFact("a", 9, "bytes", 100, 100)]
    assert told(everything_settles(sound)) == []
    assert told(everything_settles([LagFact("a", 1, "records", 61), LagFact("b", 1, "bytes", 1, 0)])) == [
        ("", "a", "1 records behind, the oldest for 61 s: does its process run?"),
        ("", "b", "1 bytes behind, the oldest for 1 s: does its process run?"),
    ]


@given(st.lists(st.integers(0, 40), max_size=12))
def test_four_starts_within_a_minute_are_told_and_three_are_not(waits_s: list[int]) -> None:
    starts = [sum(waits_s[:place]) for place in range(len(waits_s))]
    seen = everything_settles([], [RestartFact("relay", start) for start in starts])
    crowded = any(last - first < 60 for first, last in zip(starts, starts[3:], strict=False))
    assert told(seen) == (
        [("", "relay", "started 4 times within 60 s: see its log for the first error")] if crowded else []
    )
    assert all(one <= other for one, other in pairwise(starts))


def test_a_start_sixty_seconds_ago_no_longer_counts() -> None:
    assert told(everything_settles([], [RestartFact("relay", second) for second in (0, 1, 2, 60)])) == []
    assert told(everything_settles([], [RestartFact("relay", second) for second in (0, 1, 2, 59)])) != []


def test_starts_of_two_processes_are_not_added() -> None:
    starts = [RestartFact(process, second) for process in ("a", "b") for second in range(3)]
    assert told(everything_settles([], starts)) == []


def test_what_is_above_its_bound_is_told_unless_it_is_parked() -> None:
    sound = [SizeFact("acme", "a", 5, "invoices", 5), SizeFact("acme", "a", 6, "invoices", 5, parked=True)]
    assert told(nothing_runs_away(sound)) == []
    assert told(nothing_runs_away([SizeFact("acme", "a", 6, "invoices", 5)])) == [
        ("acme", "a", "6 invoices, and 5 are the bound: look at it before it is paid")
    ]


def test_dead_letters_that_nobody_planted_are_told_only_where_they_are_our_own_fault() -> None:
    sound = [
        DeadLetterFact("acme", "a", 3, None),
        DeadLetterFact("acme", "b", 3, 3),
        DeadLetterFact("acme", "c", 0, None, own_fault=True),
        DeadLetterFact("acme", "d", 2, 2, own_fault=True),
    ]
    assert told(nothing_runs_away([], sound)) == []
    broken = [
        DeadLetterFact("acme", "a", 2, None, own_fault=True),
        DeadLetterFact("", "b", 4, 3),
        DeadLetterFact("", "c", 1, 0),
    ]
    assert told(nothing_runs_away([], broken)) == [
        ("acme", "dead letters: a", "2 dead letters in place of 0: beaas dlq list --reason a"),
        ("", "dead letters: b", "4 dead letters in place of 3: beaas dlq list --reason b"),
        ("", "dead letters: c", "1 dead letters in place of 0: beaas dlq list --reason c"),
    ]


# What to do -----------------------------------------------------------------------------------------------------------


COMMAND = re.compile(r"beaas (?P<name>[a-z]+)(?P<rest>[^.,]*)")


def test_every_command_that_a_finding_names_can_be_run_as_it_is_printed() -> None:
    for tenant in ("acme", ""):
        nothing, one = Measure(Decimal(0), None, None), Measure(Decimal(1), None, None)
        found = [
            *usage_is_conserved([CellFact(tenant, "s1", "calls", "", "2026-01-01", nothing, one, None)]),
            *every_event_has_one_fate([EventFact(tenant, "e1", 1, 0, 0, 0, 0, 0)]),
            *replay_agrees([RefoldFact(tenant, "A", b"1", b"2")]),
            *invoices_add_up([InvoiceFact(tenant, "INV-000001", ("USD",), 0, 0, 0, Decimal(0), 0, 0, 0, 0, 0, 0, 0)]),
        ]
        named = [match[0] for one in found for match in COMMAND.finditer(one.detail)]
        replay = "beaas replay --tenant acme --diff"
        expected = [replay, replay, replay, "beaas explain INV-000001 --tenant acme"]
        assert [one.invariant for one in found] == ["I01", "I02", "I17", "I04"]
        assert named == (expected if tenant else [])
        for command in named:
            parsed, _, _ = app.parse_args(command.split()[1:], print_error=False, exit_on_error=False)
            assert parsed.__name__ == command.split()[1]
