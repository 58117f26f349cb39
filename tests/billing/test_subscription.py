"""Every state and every move."""

import pytest

from billing.errors import IllegalTransition
from billing.subscription import Move, State, transition

LEADS = {
    (State.PENDING, Move.START): State.ACTIVE,
    (State.PENDING, Move.START_TRIAL): State.TRIALING,
    (State.PENDING, Move.CANCEL): State.CANCELED,
    (State.TRIALING, Move.END_TRIAL): State.ACTIVE,
    (State.TRIALING, Move.CHANGE_PLAN): State.TRIALING,
    (State.TRIALING, Move.AMEND): State.TRIALING,
    (State.TRIALING, Move.CANCEL): State.CANCELED,
    (State.ACTIVE, Move.RENEW): State.ACTIVE,
    (State.ACTIVE, Move.CHANGE_PLAN): State.ACTIVE,
    (State.ACTIVE, Move.AMEND): State.ACTIVE,
    (State.ACTIVE, Move.PAUSE): State.PAUSED,
    (State.ACTIVE, Move.CANCEL): State.CANCELED,
    (State.PAUSED, Move.RESUME): State.ACTIVE,
    (State.PAUSED, Move.CHANGE_PLAN): State.PAUSED,
    (State.PAUSED, Move.AMEND): State.PAUSED,
    (State.PAUSED, Move.CANCEL): State.CANCELED,
}


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("state", State)
def test_a_move_leads_where_the_table_says_or_is_refused(state: State, move: Move) -> None:
    if (state, move) in LEADS:
        assert transition(state, move) is LEADS[state, move]
    else:
        with pytest.raises(IllegalTransition, match=f"{state} cannot {move}"):
            transition(state, move)


def test_a_refusal_says_what_would_be_allowed() -> None:
    with pytest.raises(IllegalTransition) as refused:
        transition(State.PAUSED, Move.PAUSE)
    assert (
        str(refused.value) == "a subscription that is paused cannot pause; it allows resume, change_plan, amend, cancel"
    )


def test_nothing_is_allowed_after_the_end() -> None:
    with pytest.raises(IllegalTransition) as refused:
        transition(State.CANCELED, Move.RESUME)
    assert str(refused.value) == (
        "a subscription that is canceled cannot resume; it allows nothing any more; start a new subscription"
    )


def test_states_and_moves_are_stored_under_these_names() -> None:
    assert [str(state) for state in State] == ["pending", "trialing", "active", "paused", "canceled"]
    assert [str(move) for move in Move] == [
        "start",
        "start_trial",
        "end_trial",
        "renew",
        "change_plan",
        "amend",
        "pause",
        "resume",
        "cancel",
    ]
