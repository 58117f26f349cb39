"""The life of a subscription: which move is allowed in which state, and where it leads.

pending ──start──► active ◄──resume── paused          change_plan and amend stay where they are: in trialing, active
   │                 │ ▲ └──pause───────►│            and paused; renew stays in active
   └─start_trial─► trialing              │
                     └─end_trial─► active│            cancel leads from every state but canceled to canceled,
                                         └──cancel──► which is the end
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.errors import IllegalTransition


class State(StrEnum):
    """Where a subscription stands."""

    PENDING = "pending"
    """Agreed, and not begun: nothing is measured."""
    TRIALING = "trialing"
    """Measured and not billed."""
    ACTIVE = "active"
    PAUSED = "paused"
    """Neither measured nor billed."""
    CANCELED = "canceled"
    """Ended for good: its last statement is out."""


class Move(StrEnum):
    """What can happen to a subscription."""

    START = "start"
    START_TRIAL = "start_trial"
    END_TRIAL = "end_trial"
    RENEW = "renew"
    """A period ended and the next begins."""
    CHANGE_PLAN = "change_plan"
    AMEND = "amend"
    """A quantity, a charge, a coupon or the zone changes what is owed; the state stays."""
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


MOVES: Final[Mapping[State, Mapping[Move, State]]] = MappingProxyType(
    {
        State.PENDING: MappingProxyType(
            {Move.START: State.ACTIVE, Move.START_TRIAL: State.TRIALING, Move.CANCEL: State.CANCELED}
        ),
        State.TRIALING: MappingProxyType(
            {
                Move.END_TRIAL: State.ACTIVE,
                Move.CHANGE_PLAN: State.TRIALING,
                Move.AMEND: State.TRIALING,
                Move.CANCEL: State.CANCELED,
            }
        ),
        State.ACTIVE: MappingProxyType(
            {
                Move.RENEW: State.ACTIVE,
                Move.CHANGE_PLAN: State.ACTIVE,
                Move.AMEND: State.ACTIVE,
                Move.PAUSE: State.PAUSED,
                Move.CANCEL: State.CANCELED,
            }
        ),
        State.PAUSED: MappingProxyType(
            {
                Move.RESUME: State.ACTIVE,
                Move.CHANGE_PLAN: State.PAUSED,
                Move.AMEND: State.PAUSED,
                Move.CANCEL: State.CANCELED,
            }
        ),
        State.CANCELED: MappingProxyType({}),
    }
)
"""Every allowed move of every state; what is not here is refused."""


def transition(state: State, move: Move) -> State:
    """Returns the state that `move` leads to.

    Raises:
        IllegalTransition: `state` does not allow it; the text lists what it allows.
    """
    allowed = MOVES[state]
    if move not in allowed:
        others = ", ".join(allowed) or "nothing any more; start a new subscription"
        raise IllegalTransition(f"a subscription that is {state} cannot {move}; it allows {others}")
    return allowed[move]
