"""Subtotal, tax, credit, and what is due."""

from billing.credit import Burn, Grant
from billing.invoice import draw
from billing.statement import Line, LineKind, Statement


def statement(*amounts: int, tax_percent: str = "0", untaxed: int | None = None, currency: str = "USD") -> Statement:
    line = {"kind": LineKind.FEE, "group": {}, "quantity": "1", "period_start_us": 0, "period_end_us": 1, "events": 0}
    priced = [(amount, True) for amount in amounts] + ([] if untaxed is None else [(untaxed, False)])
    return Statement(
        statement_id="s",
        tenant="t",
        customer="c",
        subscription="s1",
        plan="p",
        plan_version=1,
        currency=currency,
        timezone="UTC",
        tax_percent=tax_percent,
        issued_at_us=100,
        command_id="x",
        correlation_id="",
        position=7,
        lines=tuple(
            Line(price=f"p{number}", amount_minor=amount, taxable=taxable, **line)  # type: ignore[arg-type]
            for number, (amount, taxable) in enumerate(priced)
        ),
    )


def test_tax_is_rounded_once_over_the_taxable_lines() -> None:
    invoice = draw(statement(5, 5, 5, tax_percent="10", untaxed=100), [])
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (115, 2, 117)


def test_tax_rounds_half_away_from_zero_on_both_sides() -> None:
    assert draw(statement(50, tax_percent="5"), []).tax_minor == 3
    assert draw(statement(-50, tax_percent="5"), []).tax_minor == -3


def test_tax_knows_the_digits_of_the_currency() -> None:
    assert draw(statement(1_000, tax_percent="7.7", currency="KWD"), []).tax_minor == 77


def test_credit_pays_the_total_after_tax() -> None:
    invoice = draw(statement(1429, tax_percent="24"), [Grant("g", 3900)])
    assert (invoice.total_minor, invoice.burns, invoice.amount_due_minor) == (1772, (Burn("g", 1772),), 0)


def test_a_negative_sum_is_issued_with_total_zero_and_becomes_credit() -> None:
    invoice = draw(statement(-7093, tax_percent="10"), [Grant("g", 3900)])
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (-7093, -709, 0)
    assert (invoice.credit_applied_minor, invoice.amount_due_minor) == (0, 0)
    assert invoice.grant == Grant("statement:s", 7802, priority=0, expires_us=None)


def test_an_invoice_that_is_not_negative_leaves_no_credit() -> None:
    assert draw(statement(0), []).grant is None
