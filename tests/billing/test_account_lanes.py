"""The short way that nearly every event takes comes to what the long way comes to, to the byte; and a law of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.account import Account, bounds, commands, usage_digest, usage_key
from billing.account.identity import events_digest, number_of
from billing.entry import Entry, PlanChanged, Usage
from billing.statement import Refused
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, Raw, per_unit, terms, us, usage
from tests.billing.test_account_laws import LARGE, METERS, SMALL, priced

MORE: list[Raw] = [
    {"code": "filtered", "event": "z", "aggregation": "count", "filters": {"region": ["eu"]}},
    {"code": "alone", "event": "w", "aggregation": "sum", "property": "n"},
    {"code": "values", "event": "v", "aggregation": "unique", "property": "n"},
]
EACH = [priced(code, model="per_unit", unit_amount="0.5") for code in ("filtered", "alone", "values")]
PLANS = [
    terms(*SMALL, *EACH, meters=[*METERS, *MORE]),
    terms(*LARGE, EACH[0], meters=[*METERS, *MORE], plan="q"),
    terms(*EACH, meters=[*METERS, *MORE], period="P1Y", plan="r"),
    terms(EACH[1], meters=[*METERS, *MORE], plan="loose"),
]
LOOSE = 3
Step = tuple[str, int, int, int]
"""What happens, to which subscription, how many days later, and a number for all that is left to choose."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["use"] * 16 + ["void", "flush", "forget", "restore", "start", "close", "close", "change", "pause"]
            + ["resume", "cancel"]
        ),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([0, 0, 1, 3]),
        st.integers(0, 1_000_000),
    ),
    min_size=10,
    max_size=60,
)  # fmt: skip


@dataclass
class Told:
    """A journal as it is told step by step, and all that it said and wrote."""

    journal: Journal = field(default_factory=Journal)
    said: list[object] = field(default_factory=list)
    day: int = 0

    def tell(self, step: Step) -> None:
        """The next step; the second subscription starts when the first did, however late that is said."""
        kind, whose, days, choice = step
        self.day += days if kind != "use" else 0
        at, name, plan = _date(self.day), f"s{whose + 1}", PLANS[choice % len(PLANS)]
        match kind:
            case "use":
                self.said += self.journal.append(self._usage(choice))
            case "void":
                self.said += self.journal.void(f"u{choice % (len(self.journal.entries) + 1)}")
            case "flush" | "forget" | "restore":
                self._write(kind)
            case "start":
                self.said += self.journal.start(_date(0) if whose else at, plan, subscription=name)
            case "change":
                self.said += self.journal.change(at, plan, name)
            case "close":
                self.day = max(self.day, _boundary(self.day)) if choice % 3 else self.day
                self.said += self.journal.close(_date(self.day), name)
            case _:
                self.said += getattr(self.journal, kind)(at, name)

    def _usage(self, choice: int) -> Usage:
        repeats = choice % 13 == 0
        number = choice % (len(self.journal.entries) + 1) if repeats else len(self.journal.entries)
        at = _date(max(self.day + (0, 0, 1, 2, -3, -30, 33)[choice % 7], 0), choice % 24)
        n = ("1", "3", "2.25", "-1", "7", "no number")[choice // 7 % (6 if choice % 11 == 0 else 5)]
        named = ("s1", "s2", "s9")[choice % 3] if choice % 17 == 0 else None
        region = ("eu", "us", "asia")[choice // 50 % 3]
        return usage(f"u{number}", at, n, type_="xyzwv"[choice // 3 % 5], subscription=named, region=region)

    def _write(self, kind: str) -> None:
        changes = self.journal.write()
        self.said += [sorted(changes.items), changes.totals]
        if kind == "forget":
            self.journal.account.forget_clean()
        elif kind == "restore":
            self.journal.account = self.journal.restored()


def _date(day: int, hour: int = 0) -> str:
    return f"2026-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}T{hour:02}:00"


def _boundary(day: int) -> int:
    return -(-day // 28) * 28


def folded(steps: Sequence[Step], plan: int = 0) -> Told:
    told = Told()
    for step in [("start", 0, 0, plan), *steps, ("flush", 0, 0, 0)]:
        told.tell(step)
    return told


def without_lanes(steps: Sequence[Step]) -> Told:
    with patch.object(Account, "_open_lane", lambda *_: None):
        return folded(steps)


def keep_lanes_over_commands(apply: Callable[..., object]) -> Callable[..., object]:
    def planted(account: Account, entry: Entry, *more: object) -> object:
        kept = account._lanes  # the planted bug
        said = apply(account, entry, *more)
        account._lanes = kept
        return said

    return planted


def ways_agree(steps: Sequence[Step]) -> bool:
    short, long = folded(steps), without_lanes(steps)
    return _left(short) == _left(long)


def _left(told: Told) -> tuple[object, ...]:
    return told.said, told.journal.stored, told.journal.seen.known


@pytest.mark.parametrize("most", [3, 200_000], ids=["little room", "room"])
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_the_short_way_says_and_writes_the_very_bytes_of_the_long_way(most: int, steps: list[Step]) -> None:
    with patch.object(bounds, "MOST_VALUES", most):
        assert ways_agree(steps)


def test_planted_bug_a_lane_that_is_kept_over_a_command_is_seen() -> None:
    steps: list[Step] = [("use", 0, 0, 9), ("change", 0, 3, 1), ("use", 0, 0, 9)]
    assert ways_agree(steps)
    with patch.object(Account, "apply", keep_lanes_over_commands(Account.apply)):
        assert not ways_agree(steps)


def miscounted(journal: Journal) -> list[object]:
    """The cells that do not stand on just the events that count and occurred in their window."""
    waiting = {one.position for one in journal.account._books.parking.waiting()}
    counted = [
        (one, position)
        for position, one in enumerate(journal.entries)
        if isinstance(one, Usage)
        and position not in waiting
        and journal.seen.get(usage_key(one)) == (position, usage_digest(one))
    ]
    wrong: list[object] = []
    for one in journal.account._subscribed:
        for window in one.timeline.windows:
            here = [u for u, _ in counted if window.start_us <= u.occurred_at_us < window.end_us and one.measures(u)]
            read = [(route, group, number_of(u)) for u in here for route, group, _ in window.read(u)]
            for cell in [] if window.expired else list(window.all_cells()):
                numbers = [n for route, group, n in read if (route.measured, group) == (cell.measured, cell.group)]
                if (len(numbers), events_digest(sum(numbers))) != (
                    cell.accumulator.events, events_digest(cell.events_sum),
                ):  # fmt: skip
                    wrong.append((one.subscription, cell.measured.price.code, cell.group))
    return wrong


def miscounted_with_little_room(steps: Sequence[Step]) -> list[object]:
    with patch.object(bounds, "MOST_VALUES", 3), patch.object(bounds, "LARGEST_GROUPS_BYTES", 800):
        return miscounted(folded([*steps[:9], ("start", 1, 0, 1), *steps[9:]], LOOSE).journal)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_however_little_room_there_is_every_window_counts_just_what_counts_and_occurred_in_it(
    steps: list[Step],
) -> None:
    assert miscounted_with_little_room(steps) == []


def test_planted_bug_what_one_has_no_room_for_is_left_to_the_others_is_seen() -> None:
    steps: list[Step] = [("use", 0, 0, choice) for choice in (3, 18, 33, 93)]  # of January and of four values
    assert miscounted_with_little_room(steps) == []
    left_to_others, ids_kept = patch.object(commands, "uncount_in"), patch.object(commands, "_give_ids_back")
    with left_to_others, ids_kept:
        assert miscounted_with_little_room(steps) != []


def test_usage_at_the_very_end_of_the_open_window_is_counted_in_the_next_one() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.append(usage("a", "2026-01-05"), usage("b", "2026-02-01"))
    journal.write()
    assert [(one.period_start_us, one.quantity) for one in journal.totals] == [
        (us("2026-01-01"), "1"),
        (us("2026-02-01"), "1"),
    ]


@pytest.mark.parametrize("aggregation", ["sum", "max"])
def test_what_cannot_be_read_on_the_short_way_is_refused(aggregation: str) -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[{**SUM, "aggregation": aggregation}]))
    journal.use("a", "2026-01-05")
    (refused,) = journal.use("b", "2026-01-05", "many")
    assert isinstance(refused, Refused)
    assert refused.reason == "not-a-decimal"


@pytest.mark.parametrize("named", [None, "s1"], ids=["short way", "long way"])
def test_a_command_reads_again_from_usage_at_the_very_ceiling_of_the_frontier(named: str | None) -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.append(usage("a", "2026-01-05T00:00:00"), usage("b", "2026-01-05T00:00:01", subscription=named))
    change = PlanChanged(
        command_id="c", tenant=TENANT, customer=CUSTOMER, subscription="s1", at_us=us("2026-01-05T00:00:01"),
        terms=terms(per_unit("n")),
    )  # fmt: skip
    assert journal.account.rewind_from(change) == 2
