"""Double entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import ledger
from billing.credit import Grant
from billing.errors import Defect
from billing.invoice import draw
from billing.ledger import Posting, postings, prepayment
from billing.statement import Line, LineKind, Statement

amounts = st.integers(-(10**24), 10**24)


def statement(lines: list[tuple[str, int, bool]], tax_percent: str) -> Statement:
    return Statement(
        statement_id="s",
        tenant="t",
        customer="c",
        subscription="s1",
        plan="p",
        plan_version=1,
        currency="EUR",
        timezone="UTC",
        tax_percent=tax_percent,
        issued_at_us=100,
        command_id="x",
        correlation_id="",
        position=7,
        lines=tuple(
            Line(
                kind=LineKind.USAGE,
                price=price,
                group={},
                quantity="1",
                amount_minor=amount,
                period_start_us=0,
                period_end_us=1,
                taxable=taxable,
                events=1,
            )
            for price, amount, taxable in lines
        ),
    )


def test_an_invoice_is_posted_to_receivable_credit_revenue_and_tax() -> None:
    invoice = draw(statement([("a", 700, True), ("b", 300, True), ("a", 50, True)], "10"), [Grant("g", 155)])
    assert postings(invoice) == (
        Posting("accounts_receivable", 1_000),
        Posting("customer_credit", 155),
        Posting("revenue:a", -750),
        Posting("revenue:b", -300),
        Posting("tax_payable", -105),
    )


def test_a_negative_sum_is_posted_to_the_customers_credit() -> None:
    invoice = draw(statement([("a", -700, True)], "10"), [])
    assert postings(invoice) == (
        Posting("customer_credit", -770),
        Posting("revenue:a", 700),
        Posting("tax_payable", 70),
    )


def test_prepaid_credit_is_posted_as_a_prepayment() -> None:
    assert prepayment(500) == (Posting("prepayments", 500), Posting("customer_credit", -500))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), amounts, st.booleans()), max_size=6),
    st.sampled_from(["0", "7.7", "19", "24.999"]),
    st.lists(st.integers(0, 10**24).map(lambda left: Grant(str(left), left)), max_size=3),
)
def test_every_invoice_posts_to_zero(lines: list[tuple[str, int, bool]], percent: str, grants: list[Grant]) -> None:
    posted = postings(draw(statement(lines, percent), grants))
    assert sum(posting.amount_minor for posting in posted) == 0
    assert all(posting.amount_minor for posting in posted)


def test_a_transaction_that_does_not_sum_to_zero_is_a_defect() -> None:
    with pytest.raises(Defect, match="must sum to zero"):
        ledger._balanced(Posting("a", 1), Posting("b", -2))
