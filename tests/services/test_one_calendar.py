"""Control plane and account machine count one calendar: no command that the one gives is refused by the other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.account import Account, SeenInMemory
from billing.entry import Coupon, SubscriptionId, Terms
from billing.errors import IllegalTransition, InvalidDefinition
from billing.statement import Refused
from billing.subscription import State
from connectors.catalogue_file import model
from connectors.services import amendments, lifecycle
from connectors.services.errors import Conflict
from connectors.services.lifecycle import Step, Subscription
from tests.billing.journal import CUSTOMER, TENANT, fee, per_unit, terms

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Honolulu", "Asia/Kolkata"]
PERIODS = ["P1W", "P1M", "P28D", "P3M"]
HORIZON = timedelta(days=200)
START = datetime(2026, 1, 17, 9, 30, tzinfo=UTC)
PRICES = (fee("base", "10.00"), fee("served", "7.00", billed="in_arrears"), per_unit())

moments = st.integers(0, int(HORIZON.total_seconds())).map(lambda seconds: START + timedelta(seconds=seconds))
moves = st.one_of(
    st.tuples(st.just("plan"), st.sampled_from(PERIODS)),
    st.tuples(st.just("zone"), st.sampled_from(ZONES)),
    st.tuples(st.just("pause"), st.just("")),
    st.tuples(st.just("resume"), st.just("")),
    st.tuples(st.just("quantity"), st.sampled_from("0123")),
    st.tuples(st.just("charge"), st.sampled_from(["1", "-2"])),
    st.tuples(st.just("coupon"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("cancel"), st.just("")),
)


def agreed(period: str, timezone: str) -> Terms:
    return terms(*PRICES, period=period, timezone=timezone)


def moved(  # noqa: PLR0911 - one for each
    current: Subscription, command_id: UUID, at: datetime, move: tuple[str, str]
) -> Step:
    kind, what = move
    match kind:
        case "plan":
            return lifecycle.change_plan(current, command_id, at, agreed(what, current.terms.timezone))
        case "zone":
            return amendments.rezone(current, command_id, at, what)
        case "pause":
            return lifecycle.pause(current, command_id, at)
        case "resume":
            return lifecycle.resume(current, command_id, at)
        case "quantity":
            return amendments.change_quantity(current, command_id, at, "base", Decimal(what))
        case "charge":
            return amendments.add_charge(current, command_id, at, amendments.Charge("visit", what))
        case "coupon":
            return amendments.apply_coupon(current, command_id, at, Coupon(code=what, percent_off="10", periods=2))
        case _:
            return lifecycle.cancel(current, command_id, at)


def until(current: Subscription, at: datetime) -> list[Step]:
    """What falls due by then."""
    return list(lifecycle.fall_due_until([current], {TENANT: at}, 1_000))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(PERIODS),
    st.sampled_from(ZONES),
    st.sampled_from(list(model.Anchor)),
    st.one_of(st.none(), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 60)),
    st.lists(st.tuples(moments, moves), max_size=8),
)
def test_no_command_of_the_control_plane_is_refused_by_the_machine(  # noqa: PLR0913, PLR0917 - a drawn life
    period: str,
    timezone: str,
    anchor: model.Anchor,
    periods: int | None,
    trial_days: int | None,
    commands: list[tuple[datetime, tuple[str, str]]],
) -> None:
    trial_end = None if trial_days is None else START + timedelta(days=trial_days, hours=5)
    wanted = model.Subscription(
        code=SubscriptionId("s1"), customer=CUSTOMER, plan=model.PlanCode("p"), start=START, anchor=anchor,
        periods=periods, trial_end=trial_end,
    )  # fmt: skip
    current = lifecycle.agreement(TENANT, wanted, agreed(period, timezone))
    steps: list[Step] = []
    for number, (at, move) in enumerate(sorted(commands, key=lambda command: command[0])):
        due = until(current, at)
        steps += due
        current = due[-1].after if due else current
        try:
            step = moved(current, UUID(int=number + 1), at, move)
        except (Conflict, IllegalTransition, InvalidDefinition):
            continue
        steps.append(step)
        current = step.after
    steps += until(current, START + 2 * HORIZON)
    current = steps[-1].after if steps else current
    account, seen = Account.load(TENANT, CUSTOMER, None, lambda _: None), SeenInMemory()
    entries = [step.entry for step in steps if step.entry is not None]
    said = [account.apply(entry, place, seen, ()) for place, entry in enumerate(entries)]
    assert [one for outcomes in said for one in outcomes if isinstance(one, Refused)] == []
    assert account.states() == [("s1", current.state)]
    if current.state in {State.ACTIVE, State.TRIALING}:
        assert current.next_due_at is not None
        assert current.next_due_at > START + 2 * HORIZON


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_move_east_puts_no_end_behind_what_the_journal_was_told(*, is_paused: bool) -> None:
    evening = datetime(2026, 1, 31, 20, tzinfo=UTC)
    wanted = model.Subscription(
        code=SubscriptionId("s1"), customer=CUSTOMER, plan=model.PlanCode("p"), start=datetime(2026, 1, 1, tzinfo=UTC),
        anchor=model.Anchor.SUBSCRIPTION, periods=1, trial_end=None if is_paused else evening,
    )  # fmt: skip
    current = lifecycle.fall_due(lifecycle.agreement(TENANT, wanted, agreed("P1M", "UTC"))).after
    if is_paused:
        current = lifecycle.pause(current, UUID(int=1), evening).after
    at = evening if is_paused else datetime(2026, 1, 10, tzinfo=UTC)
    current = amendments.rezone(current, UUID(int=2), at, "Pacific/Kiritimati").after
    # paused: it ends at once; in its trial: with the period that follows it, midnight of March 1 there
    ends = [evening] if is_paused else [evening, datetime(2026, 2, 28, 10, tzinfo=UTC)]
    assert [step.at for step in until(current, datetime(2027, 1, 1, tzinfo=UTC))] == ends
