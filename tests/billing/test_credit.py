"""Which grant pays first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.credit import Burn, Grant, balance, burn
from billing.errors import InvalidDefinition

grants = st.lists(
    st.builds(
        Grant,
        grant_id=st.uuids().map(str),
        left_minor=st.integers(0, 10**25),
        priority=st.integers(0, 2),
        expires_us=st.none() | st.integers(0, 10),
    ),
    max_size=6,
)


def test_credit_burns_by_priority_then_expiry_then_order_of_grant() -> None:
    given_in_order = [
        Grant("last", 5, priority=1, expires_us=90),
        Grant("never", 5),
        Grant("later", 5, expires_us=80),
        Grant("sooner", 5, expires_us=70),
        Grant("sooner, granted after", 5, expires_us=70),
    ]
    assert burn(given_in_order, 23, 60) == (
        Burn("sooner", 5),
        Burn("sooner, granted after", 5),
        Burn("later", 5),
        Burn("never", 5),
        Burn("last", 3),
    )


def test_expired_and_empty_grants_pay_nothing() -> None:
    row = [Grant("expired", 5, expires_us=60), Grant("empty", 0), Grant("good", 5, expires_us=61)]
    assert burn(row, 9, 60) == (Burn("good", 5),)
    assert balance(row, 60) == 5


def test_the_last_minor_unit_pays() -> None:
    assert (burn([Grant("a", 1)], 9, 0), balance([Grant("a", 1)], 0)) == ((Burn("a", 1),), 1)


def test_nothing_due_burns_nothing() -> None:
    assert burn([Grant("a", 5)], 0, 0) == burn([Grant("a", 5)], -3, 0) == ()


def test_a_negative_grant_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match=r"^amount: grant a has -1; 0 or more is allowed$"):
        Grant("a", -1)


@given(grants, st.integers(-5, 10**26), st.integers(0, 11))
def test_burns_pay_what_is_due_as_far_as_the_balance_reaches(row: list[Grant], due: int, at_us: int) -> None:
    burns = burn(row, due, at_us)
    left = {grant.grant_id: grant.left_minor for grant in row}
    assert sum(one.amount_minor for one in burns) == min(max(due, 0), balance(row, at_us))
    assert all(0 < one.amount_minor <= left[one.grant_id] for one in burns)
